extension ImageVolume {
    /// Visits a directory and every directory below it, each with what is in it, in the order in which `ls -R` lists them.
    ///
    /// It comes to an end on any filesystem: a directory that is met a second time is an error, and so is one more than
    /// ``depthLimit`` directories deep, or more in all directories than the filesystem can have. Memory goes by the directories
    /// that wait for their turn.
    ///
    /// - Parameters:
    ///   - top: the directory to begin with.
    ///   - onDamage: hears of what cannot be read, with its path below `top`; unless it throws (as it does by default), the walk
    ///     goes on.
    ///   - visit: gets the directory's path below `top`, without a leading slash, and its children by name.
    public func walk(
        from top: ImageNode,
        onDamage: (_ path: [UInt8], ImageError) throws(ImageError) -> Void = { (_, error) throws(ImageError) in
            throw error
        },
        _ visit: (_ path: [UInt8], _ directory: ImageNode, _ children: [(name: [UInt8], node: ImageNode)])
            throws(ImageError)
            -> Void
    ) throws(ImageError) {
        // Directories that wait share the path of the one that they are in.
        var pending: [(parent: [UInt8], name: [UInt8], node: ImageNode, depth: Int)] = [([], [], top, 0)]
        var reader = DirectoryReader(self)
        while let (parent, name, directory, depth) = pending.popLast() {
            let path = parent.isEmpty ? name : parent + [0x2F] + name
            func below(_ name: [UInt8]) -> [UInt8] { path.isEmpty ? name : path + [0x2F] + name }
            guard depth <= Self.depthLimit, path.count <= Self.pathLimit else {
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

    /// As deep as a walk goes.
    public static let depthLimit = 4096
    /// The longest path that a walk follows, in bytes: many times what Linux takes.
    public static let pathLimit = 1 << 16
}
