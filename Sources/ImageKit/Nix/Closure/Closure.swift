/// What Nix knows about a store path, as far as a registration tells it.
public struct PathInfo: Sendable, Hashable {
    /// The path.
    public let path: StorePath
    /// The SHA-256 of its NAR serialisation.
    public let narHash: NARHash
    /// The length of its NAR serialisation in bytes.
    public let narSize: UInt64
    /// The paths it refers to, often including itself: sorted by their bytes, each once.
    public let references: [StorePath]

    /// See the properties of the same names; references may come in any order, and several times.
    public init(path: StorePath, narHash: NARHash, narSize: UInt64, references: some Sequence<StorePath>) {
        self.path = path
        self.narHash = narHash
        self.narSize = narSize
        self.references = Set(references).sorted()
    }
}

/// Store paths that are complete: whatever one of them refers to is among them.
public struct Closure: Sendable, Hashable {
    /// The paths it was asked for, each once, in the order they were given.
    public let roots: [StorePath]
    /// All its paths, sorted by their bytes.
    public let paths: [PathInfo]

    /// Follows references from `roots` through `known`, and leaves out what they do not need.
    ///
    /// - Throws: when there are no roots, one is not in `known`, a reference leads to a path that is not in `known`, or
    ///   paths refer to each other in a circle (which Nix refuses to register).
    public init(roots: [StorePath], from known: Registration) throws(ImageError) {
        guard !roots.isEmpty else {
            throw ImageError(.invalidInput, "there is no store path to start from", remedy: "name one with --closure")
        }
        var needed: [StorePath: PathInfo] = [:]
        var unique: [StorePath] = []
        var waiting: [StorePath] = []
        for root in roots where needed[root] == nil || !unique.contains(root) {
            guard let info = known[root] else {
                throw ImageError(
                    .notFound, "the registration does not list", path: root.path,
                    reason: "it has \(known.entries.count) other paths",
                    remedy: "make the registration from the closure of this path")
            }
            unique.append(root)
            if needed.updateValue(info, forKey: root) == nil { waiting.append(root) }
            while let next = waiting.popLast() {
                for reference in needed[next]?.references ?? [] where needed[reference] == nil {
                    guard let info = known[reference] else {
                        throw ImageError(
                            .invalidInput, "the closure is not complete: nothing is known of", path: reference.path,
                            reason: "'\(next.path)' refers to it",
                            remedy: "make the registration from the whole closure, as 'nix-store -qR' lists it")
                    }
                    needed[reference] = info
                    waiting.append(reference)
                }
            }
        }
        self.roots = unique
        paths = needed.values.sorted { $0.path < $1.path }
        try checkAcyclic()
    }

    /// What is known of a path; `nil` where it is not in the closure.
    public subscript(path: StorePath) -> PathInfo? { paths.info(of: path) }

    /// The sum of all NAR sizes in bytes, or `UInt64.max` where that is too small.
    public var narSize: UInt64 {
        paths.reduce(0) { sum, info in
            let (value, overflow) = sum.addingReportingOverflow(info.narSize)
            return overflow ? .max : value
        }
    }

    /// What `nix-store --load-db` registers on the first boot.
    public var registration: Registration { Registration(sorted: paths) }

    /// Throws when paths refer to each other in a circle. (Referring to oneself is fine.)
    private func checkAcyclic() throws(ImageError) {
        guard let circle = Self.circle(in: paths) else { return }
        throw ImageError(
            .invalidInput, "store paths refer to each other in a circle, which Nix does not register",
            reason: circle.map { "'\($0.path)'" }.joined(separator: " → "),
            remedy: "use the registration that Nix gives (--registration)")
    }

    /// A circle of references among complete paths, which are sorted; its first path is repeated at the end. `nil` where
    /// there is none.
    static func circle(in paths: [PathInfo]) -> [StorePath]? {
        // Takes away paths that nothing left refers to; what cannot be taken away is, or leads to, a circle.
        var referrers: [StorePath: Int] = [:]
        for info in paths {
            for reference in info.references where reference != info.path { referrers[reference, default: 0] += 1 }
        }
        var free = paths.filter { referrers[$0.path] == nil }
        var taken = 0
        while let info = free.popLast() {
            taken += 1
            for reference in info.references where reference != info.path {
                let left = (referrers[reference] ?? 0) - 1
                referrers[reference] = left
                if left == 0, let next = paths.info(of: reference) { free.append(next) }
            }
        }
        return taken == paths.count ? nil : circle(in: paths) { (referrers[$0] ?? 0) > 0 }
    }

    /// A circle of references among the paths that `isLeft` allows, its first path repeated at the end.
    private static func circle(in paths: [PathInfo], among isLeft: (StorePath) -> Bool) -> [StorePath] {
        // Every path left has a referrer that is left, so walking from referred to referrer must come round.
        var referrer: [StorePath: StorePath] = [:]
        for info in paths where isLeft(info.path) {
            for reference in info.references where reference != info.path { referrer[reference] = info.path }
        }
        var walk: [StorePath] = []
        var place: [StorePath: Int] = [:]
        var current = paths.first { isLeft($0.path) }?.path
        while let path = current {
            if let start = place[path] { return ([path] + walk[start...].reversed()) }
            place[path] = walk.count
            walk.append(path)
            current = referrer[path]
        }
        return walk
    }
}

extension [PathInfo] {
    /// The entry of that path in a sorted list.
    func info(of path: StorePath) -> PathInfo? {
        let index = partitioningIndex { $0.path >= path }
        return index < endIndex && self[index].path == path ? self[index] : nil
    }
}
