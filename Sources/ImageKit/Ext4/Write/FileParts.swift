/// How files are cut that do not lie on the disk in one piece, because parts of them are laid out beside parts of others.
struct FileParts {
    /// A part of a file, in bytes, and the number of the cluster it is in, if it is.
    struct Part {
        var range: Range<UInt64>
        var cluster: Int?
        /// Whether its cluster begins with it.
        var isFirst: Bool
    }

    /// The parts of each file that is cut: ascending, without gaps.
    private(set) var parts: [FileTree.NodeID: [Part]] = [:]

    init(of tree: FileTree) {
        for (number, cluster) in tree.clusters.enumerated() {
            for (index, part) in cluster.enumerated() {
                parts[part.node, default: []].append(Part(range: part.range, cluster: number, isFirst: index == 0))
            }
        }
        for (node, own) in parts {
            var all: [Part] = []
            var end: UInt64 = 0
            for part in own.sorted(by: { $0.range.lowerBound < $1.range.lowerBound }) {
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

    /// Cuts ranges of a file's content, none of them empty, where its parts end.
    func cut(_ ranges: [Range<UInt64>], of node: FileTree.NodeID) -> [Range<UInt64>] {
        guard let parts = parts[node] else { return ranges }
        return ranges.flatMap { range in
            parts[parts.partitioningIndex { $0.range.upperBound > range.lowerBound }...]
                .prefix { $0.range.lowerBound < range.upperBound }.map { $0.range.clamped(to: range) }
        }
    }

    /// A number for a cluster that depends on what its first part is, so that frames are cut alike in the next image.
    static func key(of first: FileTree.Part, size: UInt64, in unit: UInt64) -> UInt64 {
        (unit ^ (size &+ first.range.lowerBound &* .goldenRatio)).mixed
    }
}
