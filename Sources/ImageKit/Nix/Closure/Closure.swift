/// A complete set of store paths: every path that one of them refers to is in the set.
public struct Closure: Sendable, Hashable {
    /// The paths that the closure was asked for, each once, in their order.
    public let roots: [StorePath]
    /// All paths, sorted by their bytes.
    public let paths: [PathInfo]

    /// Follows references from `roots` through a registration, and leaves out paths that are not needed.
    ///
    /// - Throws: when there are no roots, the registration lacks a root or a path that another refers to, or paths
    ///   refer to each other in a circle (which Nix refuses to register).
    public init(roots: [StorePath], from registration: Registration) throws(ImageError) {
        guard !roots.isEmpty else {
            throw ImageError(.invalidInput, "there is no store path to start from", remedy: "name one with \(.closure)")
        }
        var needed: [StorePath: PathInfo] = [:]
        var unique: [StorePath] = []
        var waiting: [StorePath] = []
        for root in roots where needed[root] == nil || !unique.contains(root) {
            guard let info = registration[root] else {
                throw ImageError(
                    .notFound, "the registration does not list", path: root.path,
                    reason: "it has \(registration.entries.count) other paths",
                    remedy: "make the registration from the closure of this path")
            }
            unique.append(root)
            if needed.updateValue(info, forKey: root) == nil { waiting.append(root) }
            while let next = waiting.popLast() {
                for reference in needed[next]?.references ?? [] where needed[reference] == nil {
                    guard let info = registration[reference] else {
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

    /// The entry of a path; `nil` if it is not in the closure.
    public subscript(path: StorePath) -> PathInfo? { paths.info(of: path) }

    /// The sum of all NAR sizes in bytes, at most `UInt64.max`.
    public var narSize: UInt64 { paths.reduce(0) { $0.addingClamping($1.narSize) } }

    /// The registration that `nix-store --load-db` loads on the first boot.
    public var registration: Registration { Registration(sorted: paths) }

    /// Throws when paths refer to each other in a circle. (A path may refer to itself.)
    private func checkAcyclic() throws(ImageError) {
        guard let circle = Self.circle(in: paths) else { return }
        throw ImageError(
            .invalidInput, "store paths refer to each other in a circle, which Nix does not register",
            reason: circle.map { "'\($0.path)'" }.joined(separator: " → "),
            remedy: "use the registration that Nix gives (\(.registration))")
    }

    /// A circle of references; `nil` if the references have no circle. Its first path is repeated at the end.
    /// - Parameter paths: a complete set, sorted.
    static func circle(in paths: [PathInfo]) -> [StorePath]? {
        // Remove paths that no remaining path refers to. Each path that is left is in a circle, or a circle leads to
        // it.
        var referrers: [StorePath: Int] = [:]
        for info in paths {
            for reference in info.references where reference != info.path { referrers[reference, default: 0] += 1 }
        }
        var free = paths.filter { referrers[$0.path] == nil }
        var removed = 0
        while let info = free.popLast() {
            removed += 1
            for reference in info.references where reference != info.path {
                let left = (referrers[reference] ?? 0) - 1
                referrers[reference] = left
                if left == 0, let next = paths.info(of: reference) { free.append(next) }
            }
        }
        return removed == paths.count ? nil : circle(in: paths) { (referrers[$0] ?? 0) > 0 }
    }

    /// A circle of references among the paths that are left. Its first path is repeated at the end.
    private static func circle(in paths: [PathInfo], among isLeft: (StorePath) -> Bool) -> [StorePath] {
        // Each of them has a referrer among them, so a walk from each path to its referrer ends in a circle.
        var referrer: [StorePath: StorePath] = [:]
        for info in paths where isLeft(info.path) {
            for reference in info.references where reference != info.path { referrer[reference] = info.path }
        }
        var walk: [StorePath] = []
        var position: [StorePath: Int] = [:]
        var current = paths.first { isLeft($0.path) }?.path
        while let path = current {
            if let start = position[path] { return ([path] + walk[start...].reversed()) }
            position[path] = walk.count
            walk.append(path)
            current = referrer[path]
        }
        return walk
    }
}
