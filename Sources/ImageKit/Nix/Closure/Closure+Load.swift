public import SystemPackage

/// The source of a closure's paths, hashes and references.
public enum ClosureSource: Sendable, Hashable {
    /// Nix's database, through `nix-store`.
    case nix
    /// A file: `registration` of nixpkgs' closureInfo, or the output of `nix-store --dump-db`.
    case registration(FilePath)
    /// The paths themselves, which are searched for references and hashed. This needs neither Nix nor a registration.
    case scan
}

extension Closure {
    /// Finds the closure of `roots`.
    ///
    /// - Parameters:
    ///   - roots: store paths that are in `store`.
    ///   - source: the source of the registration.
    ///   - store: the store that has the paths; all must be present.
    ///   - threads: the number of paths to scan at the same time, at least 1.
    ///   - progress: enters the phase `closure`, and counts paths.
    /// - Throws: when the source cannot be read, is incomplete or contradicts itself, and when a path is missing.
    public static func load(
        roots: [StorePath], from source: ClosureSource, store: StoreLocation, threads: Int, progress: Progress? = nil
    ) throws(ImageError) -> Closure {
        try progress?.begin(.closure)
        let registration: Registration
        switch source {
        case .nix: registration = try NixStore(store: store, progress: progress).registration(of: roots)
        case .registration(let file): registration = try .read(file)
        case .scan:
            for root in roots { try store.checkPresent(root) }
            let scan = try ClosureScan(roots: roots, store: store, progress: progress)
            registration = try Registration(scan.run(roots: roots, threads: threads))
        }
        let closure = try Closure(roots: roots, from: registration)
        for info in closure.paths { try store.checkPresent(info.path) }
        return closure
    }
}
