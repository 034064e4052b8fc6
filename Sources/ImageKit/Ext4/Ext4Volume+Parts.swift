import CExt2FS
import Synchronization

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

    /// Where the filesystem's own structures lie, in bytes of its source, group after group.
    public func parts() -> [(part: Part, bytes: Range<UInt64>)] {
        var found: [(part: Part, bytes: Range<UInt64>)] = []
        let size = superblock.blockSize, blocks = superblock.blocks
        handle.forEachPart { part, run in
            // The superblock's place says so itself; where descriptors say that the rest lies is anybody's guess.
            let run = run.clamped(to: 0..<blocks)
            if !run.isEmpty { found.append((part, run.lowerBound * size..<run.upperBound * size)) }
        }
        return found
    }

    /// Where the journal lies; nothing where there is none in the filesystem.
    public func journal() throws(ImageError) -> [Range<UInt64>] {
        let field = try source.read(4, at: Ext4Superblock.offset + 0xE0)
        guard information.features.contains("has_journal"), let inode: UInt32 = field.load(at: 0), inode > 0,
            inode <= superblock.inodes
        else { return [] }
        var limit = superblock.mapLimit
        let record = try Ext4Inode(inode, handle.record(inode), superblock)
        let (data, maps) = try Ext4BlockRuns.places(of: record, self, limit: &limit)
        return (data + maps.map { $0..<$0 + 1 }).map(bytes)
    }

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
        let information = information
        for group in 0..<information.groups {
            let first = superblock.firstBlock + group * information.blocksPerGroup
            let end = min(first + information.blocksPerGroup, superblock.blocks)
            guard first < end, found.count < limit else { break }
            let (place, isUnwritten, ratio) = handle.bitmap(ofGroup: UInt32(clamping: group))
            if isUnwritten {
                add(first..<end)
                continue
            }
            guard place > 0, place < superblock.blocks, ratio > 0 else { continue }
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

extension Ext4Handle {
    /// Tells where the filesystem's own blocks are, group after group, as the descriptors have it: within the filesystem or
    /// not.
    func forEachPart(_ visit: (Ext4Volume.Part, Range<UInt64>) -> Void) {
        lock.withLock { _ in Self.forEachPart(of: filesystem, superblock, visit) }
    }

    static func forEachPart(
        of handle: ext2_filsys, _ superblock: Ext4Superblock, _ visit: (Ext4Volume.Part, Range<UInt64>) -> Void
    ) {
        func add(_ part: Ext4Volume.Part, _ first: UInt64, _ count: UInt64) {
            let (end, overflow) = first.addingReportingOverflow(count)
            if count > 0, !overflow, first < superblock.blocks { visit(part, first..<end) }
        }
        let tables = UInt64(handle.pointee.inode_blocks_per_group)
        let descriptors = UInt64(handle.pointee.desc_blocks)
        for group in 0..<handle.pointee.group_desc_count {
            var copy: blk64_t = 0, old: blk64_t = 0, new: blk64_t = 0
            var used: blk_t = 0
            ext2fs_super_and_bgd_loc2(handle, group, &copy, &old, &new, &used)
            if group == 0 || copy != 0 { add(.superblock, copy, 1) }
            if old != 0 {
                add(.descriptors, old, descriptors)
                add(
                    .reservedDescriptors, old.addingClamping(descriptors),
                    superblock.information.reservedDescriptorBlocks)
            }
            if new != 0 { add(.descriptors, new, 1) }
            let places: [(Ext4Volume.Part, UInt64, UInt64)] = [
                (.bitmap, ext2fs_block_bitmap_loc(handle, group), 1),
                (.bitmap, ext2fs_inode_bitmap_loc(handle, group), 1),
                (.inodeTable, ext2fs_inode_table_loc(handle, group), tables),
            ]
            for (part, place, count) in places where place != 0 { add(part, place, count) }
        }
    }

    /// A group's bitmap of blocks: its block, whether it was never written, and how many blocks a bit stands for.
    func bitmap(ofGroup group: UInt32) -> (block: UInt64, isUnwritten: Bool, ratio: UInt64) {
        lock.withLock { _ in
            guard group < filesystem.pointee.group_desc_count else { return (0, false, 1) }
            let isUnwritten =
                ext2fs_has_group_desc_csum(filesystem) != 0
                && ext2fs_bg_flags_test(filesystem, group, UInt16(EXT2_BG_BLOCK_UNINIT)) != 0
            let shift = filesystem.pointee.cluster_ratio_bits
            return (ext2fs_block_bitmap_loc(filesystem, group), isUnwritten, 1 << UInt64(max(0, min(shift, 20))))
        }
    }
}
