/// The parts of files that are cut, because some of their parts are laid out beside similar parts of other files.
struct FileParts {
    /// A part of a file, in bytes, and the number of its cluster, if it is in one.
    struct Part {
        var range: Range<UInt64>
        var cluster: Int?
        /// Whether it is the first part of its cluster.
        var isFirst: Bool
    }

    /// The parts of each file that is cut: ascending, without gaps.
    private(set) var parts: [FileTree.NodeID: [Part]] = [:]

    init(of tree: FileTree, _ clusters: [[FileTree.Part]]) {
        for (number, cluster) in clusters.enumerated() {
            for (index, part) in cluster.enumerated() {
                parts[part.node, default: []].append(Part(range: part.range, cluster: number, isFirst: index == 0))
            }
        }
        for (node, clustered) in parts {
            var all: [Part] = []
            var end: UInt64 = 0
            for part in clustered.sorted(by: { $0.range.lowerBound < $1.range.lowerBound }) {
                if part.range.lowerBound > end {
                    all.append(Part(range: end..<part.range.lowerBound, isFirst: false))
                }
                all.append(part)
                end = part.range.upperBound
            }
            if end < tree.size(of: node) { all.append(Part(range: end..<tree.size(of: node), isFirst: false)) }
            parts[node] = all
        }
    }

    /// Cuts ranges of a file's content, none of them empty, at the ends of its parts.
    func cut(_ ranges: [Range<UInt64>], of node: FileTree.NodeID) -> [Range<UInt64>] {
        guard let parts = parts[node] else { return ranges }
        return ranges.flatMap { range in
            parts[parts.partitioningIndex { $0.range.upperBound > range.lowerBound }...]
                .prefix { $0.range.lowerBound < range.upperBound }.map { $0.range.clamped(to: range) }
        }
    }

    /// A number for a cluster that depends only on its first part, so that frames are cut alike in the next image.
    static func key(of first: FileTree.Part, size: UInt64, in unit: UInt64) -> UInt64 {
        (unit ^ (size &+ first.range.lowerBound &* .goldenRatio)).mixed
    }
}
