extension FileTree {
    /// Visits `top` and every name below it: a directory before its entries, and entries in the order of names.
    ///
    /// Paths are relative to `top`, without a leading slash; the path of `top` is empty. The walk is not recursive, so
    /// the depth of the tree needs no stack.
    public func walk(
        from top: NodeID, _ visit: (_ path: [UInt8], _ node: NodeID) throws(ImageError) -> Void
    ) throws(ImageError) {
        var path: [UInt8] = []
        var stack: [(range: Range<Int>, pathLength: Int)] = []
        try visit(path, top)
        stack.append((entryRange(of: top), 0))
        while let (range, length) = stack.last {
            path.removeSubrange(length...)
            guard !range.isEmpty else {
                stack.removeLast()
                continue
            }
            stack[stack.count - 1].range = range.dropFirst()
            let entry = entries[range.lowerBound]
            if !path.isEmpty { path.append(UInt8(ascii: "/")) }
            path.append(contentsOf: name(ofEntry: range.lowerBound))
            try visit(path, entry.node)
            if nodes[Int(entry.node.index)].kind == .directory {
                stack.append((entryRange(of: entry.node), path.count))
            }
        }
    }

    /// The number of names below `top`.
    func names(below top: NodeID) -> Int {
        var count = 0
        var stack = [top]
        while let directory = stack.popLast() {
            let range = entryRange(of: directory)
            count += range.count
            for index in range where kind(of: entries[index].node) == .directory { stack.append(entries[index].node) }
        }
        return count
    }

    /// The nodes that `top` reaches, each once, in the order in which ``walk(from:_:)`` first visits them.
    ///
    /// - Parameter seen: for each node of the tree, whether to leave it out. Nodes of the result are marked in it.
    func nodesInOrder(from top: NodeID, seen: inout [Bool]) -> [NodeID] {
        var found: [NodeID] = []
        var stack: [Range<Int>] = []
        func visit(_ node: NodeID) {
            if seen[Int(node.index)] { return }
            seen[Int(node.index)] = true
            found.append(node)
            if nodes[Int(node.index)].kind == .directory { stack.append(entryRange(of: node)) }
        }
        visit(top)
        while let range = stack.last {
            guard let first = range.first else {
                stack.removeLast()
                continue
            }
            stack[stack.count - 1] = range.dropFirst()
            visit(entries[first].node)
        }
        return found
    }
}
