extension Ext4Volume {
    /// As many links as one path may lead over, as in the kernel.
    private static let linkLimit = 40

    /// What is at a path of names from the root. Links on the way are followed, and the last one if asked for; they cannot
    /// lead out of the filesystem.
    /// - Returns: `nil` where there is nothing of that name.
    public func node(at path: String, followingLinks: Bool = false) throws(ImageError) -> Node? {
        var pending = Array(path.utf8.split(separator: UInt8(ascii: "/")).map(Array.init).reversed())
        var way = [try root()]
        var links = 0
        while let name = pending.popLast() {
            guard let directory = way.last, directory.kind == .directory else { return nil }
            if name == [0x2E] { continue }
            if name == [0x2E, 0x2E] {
                if way.count > 1 { way.removeLast() }
                continue
            }
            guard let inode = try child(name, of: directory) else { return nil }
            let node = try node(inode)
            guard node.kind == .symlink, followingLinks || !pending.isEmpty else {
                way.append(node)
                continue
            }
            links += 1
            guard links <= Self.linkLimit else {
                throw ImageError(
                    .invalidInput, "cannot follow", path: path, reason: "more than \(Self.linkLimit) symbolic links")
            }
            let target = try target(of: node)
            if target.first == 0x2F { way.removeSubrange(1...) }
            pending += target.split(separator: 0x2F).map(Array.init).reversed()
        }
        return way.last
    }
}
