extension ImageVolume {
    /// Visits a folder and every folder below it, each with what is in it, in the order in which `ls -R` lists them.
    ///
    /// It comes to an end on any filesystem: a folder that is met a second time is an error, and so is one more than
    /// ``depthLimit`` folders deep. Memory goes by the folders that wait for their turn.
    ///
    /// - Parameters:
    ///   - onDamage: hears of what cannot be read, with its path below `top`; unless it throws, the walk goes on.
    ///   - visit: gets the folder's path below `top`, without a leading slash, and its children by name.
    public func walk(
        from top: ImageNode,
        onDamage: (_ path: [UInt8], ImageError) throws(ImageError) -> Void,
        _ visit: (_ path: [UInt8], _ folder: ImageNode, _ children: [(name: [UInt8], node: ImageNode)])
            throws(ImageError)
            -> Void
    ) throws(ImageError) {
        var pending: [(path: [UInt8], node: ImageNode, depth: Int)] = [([], top, 0)]
        var seen: Set<UInt64> = []
        while let (path, folder, depth) = pending.popLast() {
            func below(_ name: [UInt8]) -> [UInt8] { path.isEmpty ? name : path + [0x2F] + name }
            guard seen.insert(folder.identity).inserted else {
                try onDamage(path, ImageError(.corrupt, "a folder is in two places:", path: Self.text(path)))
                continue
            }
            guard depth <= Self.depthLimit else {
                try onDamage(
                    path,
                    ImageError(.doesNotFit, "cannot read a folder more than \(Self.depthLimit) folders deep"))
                continue
            }
            let children: [(name: [UInt8], node: ImageNode)]
            do throws(ImageError) {
                children = try self.children(of: folder) { (name, error) throws(ImageError) in
                    try onDamage(below(name), error)
                }
            } catch {
                try onDamage(path, error)
                continue
            }
            try visit(path, folder, children)
            for child in children.reversed() where child.node.kind == .directory {
                pending.append((below(child.name), child.node, depth + 1))
            }
        }
    }

    /// As deep as a walk goes.
    public static let depthLimit = 4096

    private static func text(_ path: [UInt8]) -> String { String(decoding: path, as: UTF8.self) }
}
