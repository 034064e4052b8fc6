extension ImageNode {
    /// Visits this directory and every directory below it, each with its children, in the order of `ls -R`.
    ///
    /// It ends on any filesystem. These are errors: a directory that was visited before, a path deeper than
    /// ``maximumDepth`` or longer than ``maximumPathLength``, and more in all directories together than the filesystem
    /// can hold. Memory grows with the number of directories that wait for their turn.
    ///
    /// - Parameters:
    ///   - onDamage: is called for each error, with the path below this directory. If it returns, the walk goes on; the
    ///     default throws.
    ///   - visit: receives a directory's path below this one, without a leading slash, and its children by name.
    public func walk(
        onDamage: (_ path: [UInt8], ImageError) throws(ImageError) -> Void = { (_, error) throws(ImageError) in
            throw error
        },
        _ visit: (_ path: [UInt8], _ directory: ImageNode, _ children: [(name: [UInt8], node: ImageNode)])
            throws(ImageError)
            -> Void
    ) throws(ImageError) {
        // Waiting directories share the path of their parent.
        var pending: [(parent: [UInt8], name: [UInt8], node: ImageNode, depth: Int)] = [([], [], self, 0)]
        var reader = DirectoryReader(volume)
        while let (parent, name, directory, depth) = pending.popLast() {
            let path = parent.isEmpty ? name : parent + [0x2F] + name
            func below(_ name: [UInt8]) -> [UInt8] { path.isEmpty ? name : path + [0x2F] + name }
            guard depth <= Self.maximumDepth, path.count <= Self.maximumPathLength else {
                try onDamage(
                    path,
                    ImageError(
                        .doesNotFit, "cannot read a folder that lies too deep",
                        reason: "its path has \(path.count) bytes and \(depth) folders"))
                continue
            }
            let children: [(name: [UInt8], node: ImageNode)]
            do throws(ImageError) {
                children = try reader.children(of: directory, at: path) { (name, error) throws(ImageError) in
                    try onDamage(below(name), error)
                }
            } catch {
                try onDamage(path, error)
                continue
            }
            try visit(path, directory, children)
            for child in children.reversed() where child.node.kind == .directory {
                pending.append((path, child.name, child.node, depth + 1))
            }
        }
    }

    /// How many directories deep a walk goes.
    public static let maximumDepth = 4096
    /// The longest path that a walk follows, in bytes. Linux accepts 4,096.
    public static let maximumPathLength = 1 << 16
}
