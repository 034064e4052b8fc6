extension FileTree {
    /// Adds all nodes of another tree.
    ///
    /// - Parameters:
    ///   - links: the host files with several names in the added tree.
    ///   - known: those of this tree, which gets those of the added tree. A node of a known file is not added again.
    /// - Returns: the new node of each added node, by the index of the latter.
    mutating func append(
        _ added: FileTree, links: HostLinks, knowing known: inout HostLinks
    ) -> [NodeID] {
        var knownHere: [NodeID: NodeID] = [:]
        for (key, node) in links.nodes { knownHere[node] = known.nodes[key] }
        var moved: [NodeID] = []
        moved.reserveCapacity(added.nodes.count)
        let firstEntry = UInt64(entries.count), firstByte = bytes.append(added.bytes),
            firstSource = UInt64(sources.count)
        let firstName = UInt32(names.count)
        let firstFile = UInt64(hostFiles.append(added.hostFiles))
        for (index, var node) in added.nodes.enumerated() {
            if let existing = knownHere[NodeID(index: UInt32(index))] {
                moved.append(existing)
                continue
            }
            switch (node.kind, node.storage) {
            case (.directory, _): node.location += firstEntry
            case (_, .memory): node.location += firstByte
            case (_, .host): node.location += firstFile
            case (_, .source): node.location += firstSource
            }
            moved.append(add(node))
        }
        for (key, node) in links.nodes where known.nodes[key] == nil { known.nodes[key] = moved[Int(node.index)] }
        for entry in added.entries {
            entries.append(
                Entry(
                    nameOffset: entry.nameOffset + firstName, nameLength: entry.nameLength,
                    node: moved[Int(entry.node.index)]))
        }
        names += added.names
        sources += added.sources
        return moved
    }
}
