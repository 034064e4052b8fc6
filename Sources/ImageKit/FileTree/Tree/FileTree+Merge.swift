extension FileTree {
    /// Adds a directory with the entries of two directories and the metadata of `upper`. If both have a name, two
    /// directories are merged; otherwise the entry of `upper` replaces the other.
    ///
    /// - Returns: the new directory, or `upper` if either node is no directory.
    mutating func merge(_ lower: NodeID, with upper: NodeID) throws(ImageError) -> NodeID {
        guard kind(of: lower) == .directory, kind(of: upper) == .directory else { return upper }
        var merged: [[UInt8]: NodeID] = [:]
        for (name, node) in children(of: lower) { merged[Array(name)] = node }
        for (name, node) in children(of: upper) {
            let name = Array(name)
            if let below = merged[name] {
                merged[name] = try merge(below, with: node)
            } else {
                merged[name] = node
            }
        }
        return try addDirectory(merged.map { ($0.key, $0.value) }, attributes(of: upper))
    }
}
