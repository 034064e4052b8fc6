extension Ext4Volume {
    /// The kinds of blocks that belong to the filesystem itself and to no file.
    ///
    /// ```
    ///   group 0, 1, and powers of 3, 5 and 7                        other groups
    ///   ├ superblock ┤ descriptors ┤ reserved ┤ bitmaps, tables ┤   ├ bitmaps, tables ┤
    ///                                           (with flex_bg, those of many groups are together)
    /// ```
    public enum Part: UInt8, Sendable, Hashable, CaseIterable {
        /// A superblock, the first or a copy.
        case superblock
        /// Descriptors of the groups, or a copy.
        case descriptors
        /// Space reserved for the descriptors of a larger filesystem.
        case reservedDescriptors
        /// A group's bitmap of blocks or of inodes.
        case bitmap
        /// A group's inodes.
        case inodeTable
    }

    /// The locations of the filesystem's own structures, in bytes of its source, as the descriptors state them.
    public func parts() -> [(part: Part, bytes: Range<UInt64>)] {
        var found: [(part: Part, bytes: Range<UInt64>)] = []
        func add(_ part: Part, _ first: UInt64, _ count: UInt64) {
            // Damaged descriptors state any block.
            let blocks = (first..<first.addingClamping(count)).clamped(to: 0..<superblock.blocks)
            if !blocks.isEmpty { found.append((part, bytes(blocks))) }
        }
        let reserved = superblock.has(.metaGroups) ? 0 : information.reservedDescriptorBlocks
        for head in groups.heads {
            if let block = head.superblock { add(.superblock, block, 1) }
            if let blocks = head.descriptors {
                let room = min(blocks.length, reserved)
                add(.descriptors, blocks.lowerBound, blocks.length - room)
                add(.reservedDescriptors, blocks.upperBound - room, room)
            }
            if let block = head.metaDescriptors { add(.descriptors, block, 1) }
        }
        for group in 0..<groups.count {
            let descriptor = groups[group]
            for (part, first, count) in [
                (.bitmap, descriptor.blockBitmap, 1), (.bitmap, descriptor.inodeBitmap, 1),
                (.inodeTable, descriptor.inodeTable, groups.tableBlocks),
            ] as [(Part, UInt64, UInt64)] where first != 0 { add(part, first, count) }
        }
        return found
    }

    /// The blocks of the journal, in bytes of the source; empty if the filesystem has none.
    public func journal() throws(ImageError) -> [Range<UInt64>] {
        guard superblock.has(.journal),
            let inode: UInt32 = superblock.bytes.load(at: Ext4Superblock.Field.journalInode), inode > 0,
            inode <= superblock.inodes
        else { return [] }
        var budget = superblock.maximumExtents
        let map = try Ext4BlockMapReader.read(try record(inode), in: self, budget: &budget, isComplete: true)
        return map.claims.map { bytes($0.disk..<$0.disk + $0.count) }
    }

    /// The block that maps the space for more descriptors, in bytes of the source; empty if there is none.
    public func growthMap() throws(ImageError) -> [Range<UInt64>] {
        guard superblock.has(.resizeInode), superblock.firstInode > Ext4ReservedInode.resize else { return [] }
        let record = try record(Ext4ReservedInode.resize)
        let block = UInt64(record.area.load(UInt32.self, at: Ext4Inode.BlockArea.doublyIndirect) ?? 0)
        return block > 0 && block < superblock.blocks ? [bytes(block..<block + 1)] : []
    }

    /// The record of a reserved inode.
    private func record(_ inode: UInt32) throws(ImageError) -> Ext4Inode {
        let offset = try offset(of: inode)
        return try Ext4Inode(inode, (try source.read(superblock.inodeSize, at: offset), offset), superblock)
    }

    /// The bytes of blocks that are in the filesystem.
    func bytes(_ blocks: Range<UInt64>) -> Range<UInt64> {
        blocks.lowerBound * superblock.blockSize..<blocks.upperBound * superblock.blockSize
    }

    /// The blocks that the bitmaps state as free, in bytes of the source: ascending. If a group's bitmap was never
    /// written, that is the whole group, with the filesystem's own structures.
    ///
    /// - Parameter limit: no further group is read once there are that many ranges.
    public func freeRanges(atMost limit: Int = 1 << 20) throws(ImageError) -> [Range<UInt64>] {
        var free = FreeBlocks()
        for group in 0..<groups.count {
            let first = superblock.firstBlock + UInt64(group) * information.blocksPerGroup
            let end = min(first + information.blocksPerGroup, superblock.blocks)
            guard first < end, free.ranges.count < limit else { break }
            let descriptor = groups[group]
            // Flags count only if descriptors have checksums.
            if descriptor.hasNoBlocks, superblock.has(.metadataChecksums) || superblock.has(.groupChecksums) {
                free.add(first..<end)
                continue
            }
            let block = descriptor.blockBitmap
            guard block > 0, block < superblock.blocks else { continue }
            let bitmap = try source.read(Int(superblock.blockSize), at: block * superblock.blockSize)
            free.add(bitmap, of: first..<end, clusterBlocks: superblock.clusterBlocks)
        }
        return free.ranges.map(bytes)
    }
}

/// Ranges of free blocks, ascending and joined.
private struct FreeBlocks {
    private(set) var ranges: [Range<UInt64>] = []

    mutating func add(_ blocks: Range<UInt64>) {
        if let last = ranges.last, last.upperBound == blocks.lowerBound {
            ranges[ranges.count - 1] = last.lowerBound..<blocks.upperBound
        } else {
            ranges.append(blocks)
        }
    }

    /// Adds the free blocks of a group: those whose clusters have no bit in its bitmap.
    mutating func add(_ bitmap: [UInt8], of group: Range<UInt64>, clusterBlocks: UInt64) {
        let end = group.upperBound
        var start: UInt64?
        for (index, byte) in bitmap.enumerated() {
            let first = group.lowerBound + UInt64(index) * 8 * clusterBlocks
            if first >= end { break }
            if byte == (start == nil ? 0xFF : 0) { continue }
            for bit in 0..<8 as Range<UInt64> {
                let block = min(first + bit * clusterBlocks, end)
                let isFree = byte >> bit & 1 == 0
                if isFree, start == nil {
                    start = block
                } else if !isFree, let free = start {
                    if free < block { add(free..<block) }
                    start = nil
                }
            }
        }
        if let start, start < end { add(start..<end) }
    }
}
