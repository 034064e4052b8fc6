extension SpaceUse {
    /// A line of an outline: a node, or the small ones of a directory taken together.
    public struct Line: Sendable {
        /// How many lines above it hold it; 0 of the disk.
        public var depth: Int
        /// The node; `nil` of small ones taken together.
        public var node: Int32?
        /// How many nodes it stands for.
        public var count: Int
        /// What it takes itself, see the properties of ``Node`` of the same names. Of small ones, with all that is in them.
        public var size: UInt64, disk: UInt64, compressed: Double
    }

    /// The tree without its smallest parts, each before what is in it, the largest first.
    ///
    /// What is left out of a directory is one line in it. The partitions and what is right in them (store paths) are kept as
    /// far as half of the lines go; below that, the space that it takes decides.
    ///
    /// - Parameters:
    ///   - limit: as many nodes are kept, about.
    ///   - bytes: as many bytes their names may have, with 30 more for each.
    public func outline(nodes limit: Int, bytes: Int) -> [Line] {
        let totals = totals { $0.disk }
        let isKept = kept(totals, limit, bytes)
        var children: [Int32: [Int32]] = [:]
        for index in nodes.indices.dropFirst() {
            let parent = nodes[index].parent
            if isKept[index], totals[index] > 0 || nodes[index].kind == .partition {
                children[parent, default: []].append(Int32(index))
            }
        }
        // All that is left out, summed up in the nearest directory that is not.
        var rest: [Int32: Line] = [:]
        var above = [Int32](repeating: 0, count: nodes.count)
        for index in nodes.indices.dropFirst() {
            let node = nodes[index]
            above[index] = isKept[index] ? Int32(index) : above[Int(node.parent)]
            if isKept[index] { continue }
            let parent = above[index]
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
            let below = (children[index] ?? []).sorted {
                (totals[Int($0)], $1) < (totals[Int($1)], $0)
            }
            stack += below.map { ($0, depth + 1) }
        }
        return lines
    }

    /// Which nodes are kept. One that is has all that it is in.
    private func kept(_ totals: [UInt64], _ limit: Int, _ bytes: Int) -> [Bool] {
        var isKept = [Bool](repeating: false, count: nodes.count)
        var left = (nodes: limit, bytes: bytes)
        func take(_ places: [Int], _ share: Int) {
            var share = share
            for index in places.sorted(by: { (totals[$1], $0) < (totals[$0], $1) }) where !isKept[index] {
                let cost = nodes[index].name.utf8.count + 30
                // What has what is above it left out would hang in the air.
                let parent = Int(nodes[index].parent)
                guard share > 0, left.nodes > 0, left.bytes >= cost else { break }
                guard parent < 0 || isKept[parent] else { continue }
                isKept[index] = true
                left = (left.nodes - 1, left.bytes - cost)
                share -= 1
            }
        }
        isKept[0] = true
        let always: Set<Kind> = [.partition, .structures, .free, .other, .gap]
        take(nodes.indices.filter { always.contains(nodes[$0].kind) }, 1 << 12)
        func isTop(_ node: Node) -> Bool { node.parent >= 0 && nodes[Int(node.parent)].kind == .partition }
        take(nodes.indices.filter { isTop(nodes[$0]) }, limit / 2)
        take(Array(nodes.indices), limit)
        return isKept
    }
}
