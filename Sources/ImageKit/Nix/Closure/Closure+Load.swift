public import SystemPackage

/// Where a closure's paths, hashes and references are learnt from.
public enum ClosureSource: Sendable, Hashable {
    /// From Nix: `nix-store` is asked.
    case nix
    /// From a file: `registration` of nixpkgs' closureInfo, or the output of `nix-store --dump-db`.
    case registration(FilePath)
    /// From the paths themselves: they are scanned for references and hashed. It needs neither Nix nor a registration.
    case scan
}

extension Closure {
    /// Finds the closure of `roots`.
    ///
    /// - Parameters:
    ///   - roots: store paths that are in `store`.
    ///   - source: who says what belongs to it.
    ///   - store: where the paths physically are; all must be there.
    ///   - threads: how many paths are scanned at once, at least 1.
    ///   - progress: is put into the phase `closure`, and counts paths.
    /// - Throws: when the source cannot be read, knows too little, or contradicts itself, and when a path is missing.
    public static func load(
        roots: [StorePath], from source: ClosureSource, store: StoreLocation, threads: Int, progress: Progress? = nil
    ) throws(ImageError) -> Closure {
        try progress?.begin(.closure)
        let known: Registration
        switch source {
        case .nix: known = try NixStore(store: store, progress: progress).registration(of: roots)
        case .registration(let file): known = try .read(file)
        case .scan:
            for root in roots { try store.checkPresent(root) }
            let scan = try ClosureScan(roots: roots, store: store, progress: progress)
            known = try Registration(scan.run(roots: roots, threads: threads))
        }
        let closure = try Closure(roots: roots, from: known)
        for info in closure.paths { try store.checkPresent(info.path) }
        return closure
    }
}
