extension Ext4Volume {
    /// The symbolic links that one path may cross, as in the kernel.
    private static let maximumLinks = 40

    /// The inode at a path of names from the root. Symbolic links on the way are followed. They cannot lead out of the
    /// filesystem.
    /// - Parameter followingLinks: whether a link at the end of the path is followed too.
    /// - Returns: `nil` if the path does not exist.
    public func node(at path: String, followingLinks: Bool = false) throws(ImageError) -> Node? {
        let slash = UInt8(ascii: "/")
        var pending = Array(path.utf8.split(separator: slash).map(Array.init).reversed())
        // The directories from the root to the current one, and at last the node.
        var nodes = [try root()]
        var links = 0
        while let name = pending.popLast() {
            guard let directory = nodes.last, directory.kind == .directory else { return nil }
            if name == Ext4DirectoryEntry.dot { continue }
            if name == Ext4DirectoryEntry.dots {
                if nodes.count > 1 { nodes.removeLast() }
                continue
            }
            guard let inode = try child(name, of: directory) else { return nil }
            let node = try node(inode)
            guard node.kind == .symlink, followingLinks || !pending.isEmpty else {
                nodes.append(node)
                continue
            }
            links += 1
            guard links <= Self.maximumLinks else {
                throw ImageError(
                    .invalidInput, "cannot follow", path: path,
                    reason: "more than \(Self.maximumLinks) symbolic links")
            }
            let target = try target(of: node)
            if target.first == slash { nodes.removeSubrange(1...) }
            pending += target.split(separator: slash).map(Array.init).reversed()
        }
        return nodes.last
    }
}
