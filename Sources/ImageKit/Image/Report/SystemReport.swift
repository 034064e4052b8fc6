/// The NixOS system in an image.
public struct SystemReport: Sendable, Encodable {
    /// A generation of the system's profile.
    public struct Generation: Sendable, Encodable {
        /// Its number, from 1.
        public var number: Int
        /// The target of its link: the store path of its system.
        public var toplevel: String
        /// Whether the profile leads to it.
        public var isCurrent: Bool
    }

    /// The store path of the system that boots by default, or else of the profile's current generation.
    public var toplevel: String
    /// The version label: `22.11.20230331.fc4a4f3`.
    public var label: String?
    /// The platform of the system: `aarch64-linux`.
    public var platform: String?
    /// The names of its specialisations, which the menu offers as variants.
    public var specialisations: [String]
    /// The profile's generations, by their numbers; empty where the image has no profile.
    public var generations: [Generation]

    private static let profiles = "/nix/var/nix/profiles"

    /// Reads the system of a root filesystem; `nil` where there is none.
    ///
    /// - Parameter initPath: the `init=` parameter of the entry that boots by default.
    init?(_ root: ImageVolume, initPath: String?) throws(ImageError) {
        generations = try Self.generations(root)
        let booted = initPath.flatMap { $0.hasSuffix("/init") ? String($0.dropLast("/init".count)) : nil }
        guard let toplevel = booted ?? generations.last(where: \.isCurrent)?.toplevel,
            try root.node(at: toplevel, followingLinks: true)?.kind == .directory
        else { return nil }
        self.toplevel = toplevel
        func line(_ name: String) throws(ImageError) -> String? {
            guard let text = try root.text(at: toplevel + "/" + name, atMost: 4096) else { return nil }
            return String(decoding: text.prefix { $0 != 0x0A }, as: UTF8.self)
        }
        label = try line("nixos-version")
        platform = try line("system")
        specialisations = []
        let directory = toplevel + "/specialisation"
        if let node = try root.node(at: directory, followingLinks: true), node.kind == .directory {
            specialisations = try node.names().map { String(decoding: $0, as: UTF8.self) }
        }
    }

    private static func generations(_ root: ImageVolume) throws(ImageError) -> [Generation] {
        guard let directory = try root.node(at: profiles), directory.kind == .directory else { return [] }
        var current: [UInt8] = []
        if let link = try root.node(at: profiles + "/system"), link.kind == .symlink {
            current = try link.target()
        }
        var found: [Generation] = []
        for name in try directory.names() {
            let text = String(decoding: name, as: UTF8.self)
            guard text.hasPrefix("system-"), text.hasSuffix("-link"),
                let number = Int(text.dropFirst("system-".count).dropLast("-link".count)),
                let link = try root.node(at: profiles + "/" + text), link.kind == .symlink
            else { continue }
            found.append(
                Generation(
                    number: number, toplevel: String(decoding: try link.target(), as: UTF8.self),
                    isCurrent: current == name))
        }
        return found.sorted { $0.number < $1.number }
    }
}

/// The Nix store of an image, by its registration.
public struct StoreReport: Sendable, Encodable {
    /// A store path.
    public struct Path: Sendable, Encodable {
        /// The store path.
        public var path: String
        /// The package, with the output where it is not the main one, and the version; from the path's name.
        public var name: String, version: String?
        /// Bytes of its NAR; `nil` without a registration.
        public var size: UInt64?
        /// Bytes of its NAR and of the NARs of its references, direct and indirect.
        public var closureSize: UInt64?
    }

    /// The number of store paths, and the bytes of their NARs.
    public var count: Int, size: UInt64?
    /// The store paths: the largest first, or by name without a registration.
    public var paths: [Path]

    /// The number of steps after which closure sizes are given up. A hostile registration could need the square of its
    /// length; a system of 5,000 paths needs a tenth of this.
    private static let maximumSteps = 100_000_000

    /// Lists the store of a root filesystem; `nil` where there is none.
    init?(_ root: ImageVolume) throws(ImageError) {
        guard let store = try StoreContents(root) else { return nil }
        count = store.paths.count
        let closures = store.registration.map { Self.closureSizes($0) } ?? [:]
        paths = store.paths.map { path in
            let name = PackageName(path.name)
            return Path(
                path: path.path, name: [name.package, name.output].compactMap { $0 }.joined(separator: "-"),
                version: name.version, size: store.registration?[path]?.narSize, closureSize: closures[path])
        }
        if let registration = store.registration {
            size = store.paths.reduce(0) { $0.addingClamping(registration[$1]?.narSize ?? 0) }
            paths.sort { ($0.size ?? 0, $1.path) > ($1.size ?? 0, $0.path) }
        }
    }

    /// The bytes of each store path's closure; empty if that takes too many steps.
    private static func closureSizes(_ registration: Registration) -> [StorePath: UInt64] {
        let entries = registration.entries
        var indices: [StorePath: Int] = [:]
        for (index, entry) in entries.enumerated() { indices[entry.path] = index }
        let references = entries.map { $0.references.compactMap { indices[$0] } }
        var sizes: [StorePath: UInt64] = [:]
        var steps = 0
        var seen = [Int](repeating: -1, count: entries.count)
        for top in entries.indices {
            var sum: UInt64 = 0
            var pending = [top]
            seen[top] = top
            while let next = pending.popLast() {
                steps += 1 + references[next].count
                guard steps <= maximumSteps else { return [:] }
                sum = sum.addingClamping(entries[next].narSize)
                for reference in references[next] where seen[reference] != top {
                    seen[reference] = top
                    pending.append(reference)
                }
            }
            sizes[entries[top].path] = sum
        }
        return sizes
    }
}
