extension SpaceUse {
    /// A line of an outline: a node, or all the small nodes below one.
    package struct Line: Sendable {
        /// The number of ancestors in the outline; 0 for the disk.
        package var depth: Int
        /// The index of the node; `nil` for small nodes together.
        package var node: Int32?
        /// The number of nodes that it stands for; small directories are not counted.
        package var count: Int
        /// The node's own figures, see ``Node``; for small nodes, sums that include everything below them.
        package var size: UInt64, disk: UInt64, compressed: Double
    }

    /// The tree without its smallest nodes, parents before their children, the largest first.
    ///
    /// The nodes that are left out of a directory are one line in it. Partitions and their children (store paths) are
    /// chosen first, for up to half of the lines; then the space that a node takes decides.
    ///
    /// - Parameters:
    ///   - maximumNodes: about how many nodes are kept.
    ///   - maximumBytes: how many bytes their names may have together, with 30 more for each.
    package func outline(nodes maximumNodes: Int, bytes maximumBytes: Int) -> [Line] {
        let totals = totals { $0.disk }
        let isKept = kept(totals, maximumNodes, maximumBytes)
        var children: [Int32: [Int32]] = [:]
        for index in nodes.indices.dropFirst() {
            let parent = nodes[index].parent
            if isKept[index], totals[index] > 0 || nodes[index].kind == .partition {
                children[parent, default: []].append(Int32(index))
            }
        }
        // Nodes that are left out are summed up in their nearest ancestor that is kept.
        var rest: [Int32: Line] = [:]
        var ancestors = [Int32](repeating: 0, count: nodes.count)
        for index in nodes.indices.dropFirst() {
            let node = nodes[index]
            ancestors[index] = isKept[index] ? Int32(index) : ancestors[Int(node.parent)]
            if isKept[index] { continue }
            let parent = ancestors[index]
            var line = rest[parent] ?? Line(depth: 0, node: nil, count: 0, size: 0, disk: 0, compressed: 0)
            if node.kind != .directory { line.count += 1 }
            line.size = line.size.addingClamping(node.size)
            line.disk = line.disk.addingClamping(node.disk)
            line.compressed += node.compressed
            rest[parent] = line
        }
        var lines: [Line] = []
        var stack: [(node: Int32, depth: Int)] = [(0, 0)]
        while let (index, depth) = stack.popLast() {
            let node = nodes[Int(index)]
            lines.append(
                Line(
                    depth: depth, node: index, count: 1, size: node.size, disk: node.disk, compressed: node.compressed))
            if var line = rest[index], line.disk > 0 {
                line.depth = depth + 1
                lines.append(line)
            }
            let sorted = (children[index] ?? []).sorted {
                (totals[Int($0)], $1) < (totals[Int($1)], $0)
            }
            stack += sorted.map { ($0, depth + 1) }
        }
        return lines
    }

    /// For each node, whether it is kept. The parent of a kept node is kept.
    private func kept(_ totals: [UInt64], _ maximumNodes: Int, _ maximumBytes: Int) -> [Bool] {
        var isKept = [Bool](repeating: false, count: nodes.count)
        var left = (nodes: maximumNodes, bytes: maximumBytes)
        /// Keeps the largest of the candidates, at most `count`.
        func keep(_ count: Int, of candidates: [Int]) {
            var count = count
            for index in candidates.sorted(by: { (totals[$1], $0) < (totals[$0], $1) }) where !isKept[index] {
                let cost = nodes[index].name.utf8.count + 30
                let parent = Int(nodes[index].parent)
                guard count > 0, left.nodes > 0, left.bytes >= cost else { break }
                guard parent < 0 || isKept[parent] else { continue }
                isKept[index] = true
                left = (left.nodes - 1, left.bytes - cost)
                count -= 1
            }
        }
        isKept[0] = true
        let always: Set<Kind> = [.partition, .structures, .free, .other, .gap]
        keep(1 << 12, of: nodes.indices.filter { always.contains(nodes[$0].kind) })
        func isTop(_ node: Node) -> Bool { node.parent >= 0 && nodes[Int(node.parent)].kind == .partition }
        keep(maximumNodes / 2, of: nodes.indices.filter { isTop(nodes[$0]) })
        keep(maximumNodes, of: Array(nodes.indices))
        return isKept
    }
}
