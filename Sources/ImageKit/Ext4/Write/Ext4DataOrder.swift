/// The order in which the data of files and long links is laid out.
///
/// Layout units come first, in their order, each in tree order; then everything else. The clusters of similar parts
/// follow the unit of their first part.
struct Ext4DataOrder {
    /// A file, a part of one, or a long link.
    struct Item {
        let node: FileTree.NodeID
        /// The part of the content, in bytes.
        let range: Range<UInt64>
        /// Whether that is all of it.
        let isWhole: Bool
        /// The layout unit that begins with this item.
        let unit: Unit?
        /// The blocks of the batch that begins with this item; 0 if none does.
        ///
        /// Small files of a unit are laid out in batches of about 1 MiB that stay together.
        fileprivate(set) var batchBlocks: UInt32 = 0

        fileprivate var blocks: UInt64 { range.length.dividedRoundingUp(by: Ext4Geometry.blockSize) }
    }

    /// A store path, or a cluster of similar parts.
    struct Unit {
        /// A number that depends only on the unit itself.
        let key: UInt64
        let isCluster: Bool
    }

    /// The minimum size of a batch in blocks; large files are cut at multiples of it: 1 MiB.
    static let batchBlocks: UInt64 = 256

    private(set) var items: [Item] = []

    /// - Parameter hasBlocks: whether a node has blocks of its own.
    init(
        _ tree: FileTree, units: [(key: UInt64?, nodes: [FileTree.NodeID])], clusters: [[FileTree.Part]],
        _ fileParts: FileParts, hasBlocks: (FileTree.NodeID) -> Bool
    ) {
        // The unit that begins with the next item.
        var unit: Unit?
        func add(_ node: FileTree.NodeID, _ range: Range<UInt64>, isWhole: Bool) {
            items.append(Item(node: node, range: range, isWhole: isWhole, unit: unit))
            unit = nil
        }
        for (key, nodes) in units {
            var begun: [Int] = []
            if let key { unit = Unit(key: key, isCluster: false) }
            for node in nodes where hasBlocks(node) {
                guard let parts = fileParts.parts[node] else {
                    add(node, 0..<tree.size(of: node), isWhole: true)
                    continue
                }
                for part in parts {
                    if let cluster = part.cluster {
                        if part.isFirst { begun.append(cluster) }
                    } else {
                        add(node, part.range, isWhole: false)
                    }
                }
            }
            for cluster in begun {
                guard let first = clusters[cluster].first else { continue }
                let size = tree.size(of: first.node)
                unit = Unit(key: FileParts.key(of: first, size: size, in: key ?? 0), isCluster: true)
                for part in clusters[cluster] { add(part.node, part.range, isWhole: false) }
            }
        }
        formBatches()
    }

    private mutating func formBatches() {
        var start = 0
        var blocks: UInt64 = 0
        for index in items.indices {
            let item = items[index]
            let isLarge = item.blocks > Self.batchBlocks
            if blocks >= Self.batchBlocks || isLarge || item.unit != nil {
                if blocks > 0 { items[start].batchBlocks = UInt32(blocks) }
                start = index
                blocks = 0
            }
            // A large file is cut at multiples of a batch, so it needs no range for all of it.
            if isLarge { start = index + 1 } else { blocks += item.blocks }
        }
        if blocks > 0 { items[start].batchBlocks = UInt32(blocks) }
    }
}
