extension FileTree {
    /// Adds all nodes of another tree, and gives where each, by its index, is now.
    ///
    /// - Parameters:
    ///   - links: the host's files with several names in the other tree.
    ///   - known: those of this tree, to which the other's are added. A node of a file that is known already is not
    ///     added again.
    mutating func append(
        _ other: FileTree, links: HostLinks, knowing known: inout HostLinks
    ) -> [NodeID] {
        var knownHere: [NodeID: NodeID] = [:]
        for (key, node) in links.nodes { knownHere[node] = known.nodes[key] }
        var moved: [NodeID] = []
        moved.reserveCapacity(other.nodes.count)
        let firstEntry = UInt64(entries.count), firstByte = bytes.append(other.bytes),
            firstSource = UInt64(sources.count)
        let firstName = UInt32(names.count)
        let firstFile = UInt64(hostFiles.append(other.hostFiles))
        for (index, var node) in other.nodes.enumerated() {
            if let place = knownHere[NodeID(index: UInt32(index))] {
                moved.append(place)
                continue
            }
            switch (node.kind, node.storage) {
            case (.directory, _): node.place += firstEntry
            case (_, .memory): node.place += firstByte
            case (_, .host): node.place += firstFile
            case (_, .source): node.place += firstSource
            }
            moved.append(add(node))
        }
        for (key, node) in links.nodes where known.nodes[key] == nil { known.nodes[key] = moved[Int(node.index)] }
        for entry in other.entries {
            entries.append(
                Entry(name: entry.name + firstName, nameLength: entry.nameLength, node: moved[Int(entry.node.index)]))
        }
        names += other.names
        sources += other.sources
        return moved
    }
}
