extension Ext4Volume {
    /// A name that a walk has reached, with the locations of its inode's blocks.
    public struct Visit: Sendable {
        /// The number of directories above it; 0 for the root directory, which has no name.
        public let depth: Int
        /// The name's bytes.
        public let name: [UInt8]
        /// The inode that it leads to.
        public let node: Node
        /// Whether another name led here before: it is a hard link, and its blocks were in that visit.
        public let isRepeated: Bool
        /// The blocks of its bytes (or of a directory's entries), written or only allocated, in bytes of the source.
        public let data: [Range<UInt64>]
        /// The blocks of its map and of its attributes, in bytes of the source.
        public let maps: [Range<UInt64>]
    }

    /// Visits every name with the locations of its inode's blocks: a directory before its entries, in the order of
    /// names.
    ///
    /// Each directory is visited once. All directories together have no more blocks, and all files no more extents,
    /// than the filesystem has blocks. Two names of a file are recognised if its inode states more than one.
    ///
    /// - Parameter onDamage: called once per error. If it returns, the walk continues.
    public func walk(
        onDamage: (ImageError) throws(ImageError) -> Void, _ visit: (Visit) throws(ImageError) -> Void
    ) throws(ImageError) {
        var walk = BlockWalk(volume: self)
        try walk.run(onDamage, visit)
    }

    private struct BlockWalk {
        typealias OnVisit = (Visit) throws(ImageError) -> Void

        let volume: Ext4Volume
        var directories: Set<UInt32> = []
        /// Inodes with several names, by their numbers.
        var known: [UInt32: Node] = [:]
        var blockBudget: UInt64
        var extentBudget: UInt64
        /// Bytes of the names that wait for their visit.
        var nameBudget = UInt64(UInt32.max)
        /// For each directory on the way, the entries that have not been visited yet, the next one last.
        var levels: [[Ext4DirectoryEntry]] = []

        init(volume: Ext4Volume) {
            self.volume = volume
            blockBudget = volume.superblock.blocks
            extentBudget = volume.superblock.maximumExtents
        }

        mutating func run(_ onDamage: OnDamage, _ visit: OnVisit) throws(ImageError) {
            try enter(try volume.root(), [], onDamage, visit)
            while let level = levels.indices.last {
                guard let entry = levels[level].popLast() else {
                    levels.removeLast()
                    continue
                }
                if let node = known[entry.inode] {
                    try visit(
                        Visit(depth: levels.count, name: entry.name, node: node, isRepeated: true, data: [], maps: []))
                    continue
                }
                let node: Node
                do {
                    node = try volume.node(entry.inode)
                } catch {
                    guard error.damage != nil else { throw error }
                    try onDamage(error)
                    continue
                }
                try enter(node, entry.name, onDamage, visit)
            }
        }

        /// Visits an inode for the first time, and makes a directory the current one.
        private mutating func enter(
            _ node: Node, _ name: [UInt8], _ onDamage: OnDamage, _ visit: OnVisit
        ) throws(ImageError) {
            let isDirectory = node.kind == .directory
            if isDirectory, !directories.insert(node.inode).inserted {
                return try onDamage(
                    .damagedInode(node.inode, at: node.record.offset, "a folder that is in two places"))
            }
            let (data, maps) = try blocks(of: node, onDamage)
            try visit(Visit(depth: levels.count, name: name, node: node, isRepeated: false, data: data, maps: maps))
            guard isDirectory else {
                if node.links > 1 { known[node.inode] = node }
                return
            }
            guard levels.count < Ext4Volume.maximumDepth else {
                throw ImageError(
                    .doesNotFit, "cannot read a folder that lies \(Ext4Volume.maximumDepth) folders deep,",
                    reason: "its inode is \(node.inode)")
            }
            var entries: [Ext4DirectoryEntry] = []
            do {
                entries = try volume.entries(
                    of: node, blockBudget: &blockBudget, observer: Ext4NoObserver(), onDamage: onDamage)
            } catch {
                guard error.damage != nil else { throw error }
                try onDamage(error)
            }
            let bytes = entries.reduce(0 as UInt64) { $0 + UInt64($1.name.count) }
            guard bytes <= nameBudget else {
                throw ImageError(.doesNotFit, "cannot read the filesystem's names", reason: "they have more than 4 GiB")
            }
            nameBudget -= bytes
            levels.append(entries.reversed())
        }

        /// The bytes of all blocks that belong to an inode.
        private mutating func blocks(
            of node: Node, _ onDamage: OnDamage
        ) throws(ImageError) -> (data: [Range<UInt64>], maps: [Range<UInt64>]) {
            var data: [Range<UInt64>] = [], maps: [Range<UInt64>] = []
            let attributes = node.record.attributeBlock
            if attributes > 0, attributes < volume.superblock.blocks {
                maps.append(volume.bytes(attributes..<attributes + 1))
            }
            guard volume.hasMap(node) else { return (data, maps) }
            let map = try Ext4BlockMapReader.read(node.record, in: volume, budget: &extentBudget, isComplete: true)
            if let damage = map.failure ?? map.faults.first { try onDamage(damage) }
            for (disk, count) in map.claims {
                let bytes = volume.bytes(disk..<disk + count)
                if map.mapBlocks.contains(disk) { maps.append(bytes) } else { data.append(bytes) }
            }
            return (data, maps)
        }
    }
}
