extension Ext4Volume {
    /// A name that a walk has come to, and where what it leads to lies.
    public struct Visit: Sendable {
        /// How many directories it is in; 0 for the top directory, which has no name.
        public let depth: Int
        /// The name's bytes.
        public let name: [UInt8]
        /// What it leads to.
        public let node: Node
        /// Whether another name led here before: it is a hard link, and its places have been told.
        public let isRepeated: Bool
        /// Where its bytes (or a directory's entries) lie, in bytes of the source: whole blocks, written or only set aside.
        public let data: [Range<UInt64>]
        /// Blocks of its map, and of its attributes.
        public let maps: [Range<UInt64>]
    }

    /// Visits every name with the places of what it leads to, a directory before what is in it, in the order of names.
    ///
    /// Each directory is visited once. Directories cannot have more blocks, and files not more parts, than the filesystem has
    /// blocks. Two names of a file count as such where its inode says that it has several.
    ///
    /// - Parameter onDamage: hears of what is damaged; unless it throws, the rest is visited.
    public func places(
        onDamage: (ImageError) throws(ImageError) -> Void, _ visit: (Visit) throws(ImageError) -> Void
    ) throws(ImageError) {
        var walk = PlaceWalk(volume: self)
        try walk.run(onDamage, visit)
    }

    private struct PlaceWalk {
        let volume: Ext4Volume
        var directories: Set<UInt32> = []
        /// What has several names, by its inode.
        var known: [UInt32: Node] = [:]
        var blockBudget: UInt64
        var mapBudget: UInt64
        /// Bytes of names that wait for their turn, at most.
        var nameBudget = UInt64(UInt32.max)
        /// What is still to be visited in each directory on the way.
        var levels: [[Ext4DirectoryEntry]] = []

        init(volume: Ext4Volume) {
            self.volume = volume
            blockBudget = volume.superblock.blocks
            mapBudget = volume.superblock.mapLimit
        }

        mutating func run(
            _ onDamage: (ImageError) throws(ImageError) -> Void, _ visit: (Visit) throws(ImageError) -> Void
        ) throws(ImageError) {
            try come(to: try volume.root(), [], onDamage, visit)
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
                try come(to: node, entry.name, onDamage, visit)
            }
        }

        private mutating func come(
            to node: Node, _ name: [UInt8], _ onDamage: (ImageError) throws(ImageError) -> Void,
            _ visit: (Visit) throws(ImageError) -> Void
        ) throws(ImageError) {
            let isDirectory = node.kind == .directory
            if isDirectory, !directories.insert(node.inode).inserted {
                return try onDamage(
                    .damagedInode(node.inode, at: node.record.offset, "a folder that is in two places"))
            }
            let (data, maps) = try places(of: node, onDamage)
            try visit(Visit(depth: levels.count, name: name, node: node, isRepeated: false, data: data, maps: maps))
            guard isDirectory else {
                if node.links > 1 { known[node.inode] = node }
                return
            }
            guard levels.count < Ext4Volume.depthLimit else {
                throw ImageError(
                    .doesNotFit, "cannot read a folder that lies \(Ext4Volume.depthLimit) folders deep,",
                    reason: "its inode is \(node.inode)")
            }
            var entries: [Ext4DirectoryEntry] = []
            do {
                entries = try volume.entries(of: node, blockBudget: &blockBudget, onDamage: onDamage)
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

        /// The bytes of all blocks that are an inode's.
        private mutating func places(
            of node: Node, _ onDamage: (ImageError) throws(ImageError) -> Void
        ) throws(ImageError) -> (data: [Range<UInt64>], maps: [Range<UInt64>]) {
            let record = node.record, superblock = volume.superblock
            var data: [Range<UInt64>] = [], maps: [Range<UInt64>] = []
            let attributes = record.attributeBlock
            if attributes > 0, attributes < superblock.blocks { maps.append(volume.bytes(attributes..<attributes + 1)) }
            switch node.kind {
            case .directory, .file: break
            case .symlink where !volume.hasTargetInside(record): break
            default: return (data, maps)
            }
            guard record.flags & Ext4Inode.Flag.inline == 0 else { return (data, maps) }
            let map = try Ext4BlockRuns.survey(record, volume, limit: &mapBudget, isComplete: true)
            if let damage = map.failure ?? map.faults.first { try onDamage(damage) }
            for (disk, count) in map.claims {
                let bytes = volume.bytes(disk..<disk + count)
                if map.maps.contains(disk) { maps.append(bytes) } else { data.append(bytes) }
            }
            return (data, maps)
        }
    }
}
