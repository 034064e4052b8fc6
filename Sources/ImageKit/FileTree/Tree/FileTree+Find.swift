extension FileTree {
    /// The number of symbolic links that may be followed on the way to a file. Linux has the same limit.
    private static let maximumSymlinks = 40

    /// The node at a path of names from the root, ignoring case, as FAT finds files.
    func node(ignoringCaseAt path: String) -> NodeID? {
        var node = root
        for component in path.split(separator: "/") {
            let name = component.lowercased()
            let next = children(of: node).first { String(decoding: $0.name, as: UTF8.self).lowercased() == name }
            guard let next else { return nil }
            node = next.node
        }
        return node
    }

    /// The node at a path from the root. Symbolic links are followed, as the kernel does if this is the root
    /// filesystem.
    ///
    /// - Parameter goesOn: called before each name on the way, including names in link targets. There can be thousands.
    /// - Returns: `nil` if the path does not exist, if its links form a loop, or if `goesOn` returned `false`.
    func node(followingLinksAt path: String, while goesOn: () -> Bool = { true }) -> NodeID? {
        var pending = Self.names(of: Array(path.utf8))
        var ancestors = [root]
        var links = 0
        while let name = pending.popLast() {
            guard goesOn(), let directory = ancestors.last, kind(of: directory) == .directory else { return nil }
            if name == [0x2E] { continue }
            if name == [0x2E, 0x2E] {
                if ancestors.count > 1 { ancestors.removeLast() }
                continue
            }
            guard let next = child(name, of: directory) else { return nil }
            guard kind(of: next) == .symlink else {
                ancestors.append(next)
                continue
            }
            links += 1
            guard links <= Self.maximumSymlinks else { return nil }
            let target = Array(target(of: next))
            if target.first == UInt8(ascii: "/") { ancestors = [root] }
            pending += Self.names(of: target)
        }
        return ancestors.last
    }

    /// The names in a path, the last one first.
    private static func names(of path: [UInt8]) -> [[UInt8]] {
        path.split(separator: UInt8(ascii: "/")).map(Array.init).reversed()
    }
}
