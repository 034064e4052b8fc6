extension FileTree {
    /// As many symbolic links are followed on the way to a file; Linux does the same.
    private static let linkLimit = 40

    /// The node at a path of names from the root, whatever their case is: how FAT finds files.
    func node(ignoringCaseAt path: String) -> NodeID? {
        var node = root
        for part in path.split(separator: "/") {
            let name = part.lowercased()
            let next = children(of: node).first { String(decoding: $0.name, as: UTF8.self).lowercased() == name }
            guard let next else { return nil }
            node = next.node
        }
        return node
    }

    /// The node at a path from the root, with links followed as the kernel does where this is the root filesystem; `nil`
    /// where that leads to nothing, or in circles.
    /// - Parameter goesOn: asked before each name on the way, links' included, of which there can be some thousand.
    func node(followingLinksAt path: String, while goesOn: () -> Bool = { true }) -> NodeID? {
        var pending = Self.names(of: Array(path.utf8))
        var way = [root]
        var links = 0
        while let name = pending.popLast() {
            guard goesOn(), let directory = way.last, kind(of: directory) == .directory else { return nil }
            if name == [0x2E] { continue }
            if name == [0x2E, 0x2E] {
                if way.count > 1 { way.removeLast() }
                continue
            }
            guard let next = child(name, of: directory) else { return nil }
            guard kind(of: next) == .symlink else {
                way.append(next)
                continue
            }
            links += 1
            guard links <= Self.linkLimit else { return nil }
            let target = Array(target(of: next))
            if target.first == UInt8(ascii: "/") { way = [root] }
            pending += Self.names(of: target)
        }
        return way.last
    }

    /// A path's names, the last one first.
    private static func names(of path: [UInt8]) -> [[UInt8]] {
        path.split(separator: UInt8(ascii: "/")).map(Array.init).reversed()
    }
}
