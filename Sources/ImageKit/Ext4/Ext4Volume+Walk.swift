extension Ext4Volume {
    /// A name that a walk has come to, and where what it leads to lies.
    public struct Visit: Sendable {
        /// How many folders it is in; 0 for the top folder, which has no name.
        public let depth: Int
        /// The name's bytes.
        public let name: [UInt8]
        /// What it leads to.
        public let node: Node
        /// Whether another name led here before: it is a hard link, and its places have been told.
        public let isRepeated: Bool
        /// Where its bytes (or a folder's entries) lie, in bytes of the source: whole blocks, written or only set aside.
        public let data: [Range<UInt64>]
        /// Blocks of its map, and of its attributes.
        public let maps: [Range<UInt64>]
    }

    /// Visits every name, a folder before what is in it, in the order of names.
    ///
    /// The same bounds hold as for ``tree()``. Two names of a file count as such where its inode says that it has several.
    public func walk(_ visit: (Visit) throws(ImageError) -> Void) throws(ImageError) {
        var folders: Set<UInt32> = []
        var known: [UInt32: Node] = [:]
        var blockBudget = superblock.blocks
        var budget = superblock.mapLimit
        var nameBudget = UInt64(UInt32.max)
        var levels: [[Entry]] = []

        func enter(_ node: Node) throws(ImageError) {
            guard levels.count < Self.depthLimit else {
                throw ImageError(
                    .doesNotFit, "cannot read a folder that lies \(Self.depthLimit) folders deep,",
                    reason: "its inode is \(node.inode)")
            }
            guard folders.insert(node.inode).inserted else {
                throw .damagedInode(node.inode, at: node.record.offset, "a folder that is in two places")
            }
            let entries = try entries(of: node, blockBudget: &blockBudget)
            let bytes = entries.reduce(0 as UInt64) { $0 + UInt64($1.name.count) }
            guard bytes <= nameBudget else {
                throw ImageError(.doesNotFit, "cannot read the filesystem's names", reason: "they have more than 4 GiB")
            }
            nameBudget -= bytes
            levels.append(entries.reversed())
        }

        func come(to node: Node, _ name: [UInt8]) throws(ImageError) {
            let (data, maps) = try places(of: node, budget: &budget)
            try visit(
                Visit(depth: levels.count, name: name, node: node, isRepeated: false, data: data, maps: maps))
            if node.kind == .directory {
                try enter(node)
            } else if node.links > 1 {
                known[node.inode] = node
            }
        }

        try come(to: try root(), [])
        while let level = levels.indices.last {
            guard let entry = levels[level].popLast() else {
                levels.removeLast()
                continue
            }
            if let node = known[entry.inode] {
                try visit(
                    Visit(depth: levels.count, name: entry.name, node: node, isRepeated: true, data: [], maps: []))
            } else {
                try come(to: try node(entry.inode), entry.name)
            }
        }
    }

    /// The bytes of all blocks that are an inode's.
    private func places(
        of node: Node, budget: inout UInt64
    ) throws(ImageError) -> (data: [Range<UInt64>], maps: [Range<UInt64>]) {
        let record = node.record
        var maps: [Range<UInt64>] = []
        let attributes = record.attributeBlock
        if attributes > 0, attributes < superblock.blocks { maps.append(bytes(attributes..<attributes + 1)) }
        let hasMap =
            switch node.kind {
            case .directory, .file: true
            case .symlink:
                record.flags & Ext4Inode.Flag.extents != 0 || record.hasBlocks || record.size >= 60
            default: false
            }
        guard hasMap, record.flags & Ext4Inode.Flag.inline == 0 else { return ([], maps) }
        let (data, blocks) = try Ext4BlockRuns.places(of: record, self, limit: &budget)
        return (data.map(bytes), maps + blocks.map { bytes($0..<$0 + 1) })
    }
}
