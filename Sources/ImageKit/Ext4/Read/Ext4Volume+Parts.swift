extension Ext4Volume {
    /// What blocks are that belong to the filesystem and to no file.
    ///
    /// ```
    ///   group 0, 1, and powers of 3, 5 and 7                        other groups
    ///   ├ superblock ┤ descriptors ┤ reserved ┤ bitmaps, tables ┤   ├ bitmaps, tables ┤
    ///                                           (with flex_bg, those of many groups lie together)
    /// ```
    public enum Part: UInt8, Sendable, Hashable, CaseIterable {
        /// A superblock, the first or a copy.
        case superblock
        /// Descriptors of the groups, or a copy.
        case descriptors
        /// Room for the descriptors of a larger filesystem.
        case reservedDescriptors
        /// A group's bitmap of blocks or of inodes.
        case bitmap
        /// A group's inodes.
        case inodeTable
    }

    /// Where the filesystem's own structures lie, in bytes of its source, as the descriptors have it.
    public func parts() -> [(part: Part, bytes: Range<UInt64>)] {
        var found: [(part: Part, bytes: Range<UInt64>)] = []
        func add(_ part: Part, _ first: UInt64, _ count: UInt64) {
            // Where descriptors say that something lies is anybody's guess.
            let run = (first..<first.addingClamping(count)).clamped(to: 0..<superblock.blocks)
            if !run.isEmpty { found.append((part, bytes(run))) }
        }
        let reserved = superblock.has(.metaGroups) ? 0 : information.reservedDescriptorBlocks
        for head in groups.heads {
            if let place = head.superblock { add(.superblock, place, 1) }
            if let places = head.descriptors {
                let room = min(UInt64(places.count), reserved)
                add(.descriptors, places.lowerBound, UInt64(places.count) - room)
                add(.reservedDescriptors, places.upperBound - room, room)
            }
            if let place = head.spread { add(.descriptors, place, 1) }
        }
        for group in 0..<groups.count {
            let descriptor = groups[group]
            for (part, place, count) in [
                (.bitmap, descriptor.blockBitmap, 1), (.bitmap, descriptor.inodeBitmap, 1),
                (.inodeTable, descriptor.inodeTable, groups.tableBlocks),
            ] as [(Part, UInt64, UInt64)] where place != 0 { add(part, place, count) }
        }
        return found
    }

    /// Where the journal lies; nothing where there is none in the filesystem.
    public func journal() throws(ImageError) -> [Range<UInt64>] {
        guard superblock.has(.journal), let inode: UInt32 = superblock.bytes.load(at: 0xE0), inode > 0,
            inode <= superblock.inodes
        else { return [] }
        let offset = try offset(of: inode)
        let record = try Ext4Inode(inode, (try source.read(superblock.inodeSize, at: offset), offset), superblock)
        var limit = superblock.mapLimit
        let map = try Ext4BlockRuns.survey(record, self, limit: &limit, isComplete: true)
        return map.claims.map { bytes($0.disk..<$0.disk + $0.count) }
    }

    /// The block that says where the room for more descriptors is; nothing where there is none.
    public func growthMap() throws(ImageError) -> [Range<UInt64>] {
        guard superblock.has(.resizeInode), superblock.firstInode > 7 else { return [] }
        let offset = try offset(of: 7)
        let record = try Ext4Inode(7, (try source.read(superblock.inodeSize, at: offset), offset), superblock)
        // Doubly indirect: the second but last of the map's fifteen places.
        let block = UInt64(record.area.load(UInt32.self, at: 13 * 4) ?? 0)
        return block > 0 && block < superblock.blocks ? [bytes(block..<block + 1)] : []
    }

    /// The bytes of blocks that are in the filesystem.
    func bytes(_ blocks: Range<UInt64>) -> Range<UInt64> {
        blocks.lowerBound * superblock.blockSize..<blocks.upperBound * superblock.blockSize
    }

    /// What the bitmaps of blocks call free, ascending. Of a group whose bitmap was never written that is all of it, what
    /// the filesystem keeps for itself included.
    ///
    /// - Parameter limit: once there are as many ranges, no further group is looked at.
    public func freeRanges(atMost limit: Int = 1 << 20) throws(ImageError) -> [Range<UInt64>] {
        var found: [Range<UInt64>] = []
        func add(_ blocks: Range<UInt64>) {
            let bytes = bytes(blocks)
            if let last = found.last, last.upperBound == bytes.lowerBound {
                found[found.count - 1] = last.lowerBound..<bytes.upperBound
            } else {
                found.append(bytes)
            }
        }
        let ratio = superblock.clusterBlocks
        for group in 0..<groups.count {
            let first = superblock.firstBlock + UInt64(group) * information.blocksPerGroup
            let end = min(first + information.blocksPerGroup, superblock.blocks)
            guard first < end, found.count < limit else { break }
            let descriptor = groups[group]
            // Flags count only where descriptors have checksums.
            if descriptor.hasNoBlocks, superblock.has(.metadataChecksums) || superblock.has(.groupChecksums) {
                add(first..<end)
                continue
            }
            let place = descriptor.blockBitmap
            guard place > 0, place < superblock.blocks else { continue }
            let bitmap = try source.read(Int(superblock.blockSize), at: place * superblock.blockSize)
            var start: UInt64?
            for (index, byte) in bitmap.enumerated() {
                let block = first + UInt64(index) * 8 * ratio
                if block >= end { break }
                if byte == (start == nil ? 0xFF : 0) { continue }
                for bit in 0..<8 as Range<UInt64> {
                    let place = min(block + bit * ratio, end)
                    let isFree = byte >> bit & 1 == 0
                    if isFree, start == nil {
                        start = place
                    } else if !isFree, let free = start {
                        if free < place { add(free..<place) }
                        start = nil
                    }
                }
            }
            if let start, start < end { add(start..<end) }
        }
        return found
    }
}
