import CExt2FS

/// The block groups of a filesystem: their descriptors, and the locations of the filesystem's own structures.
///
/// libext2fs reads the descriptors. The handle is opened and freed in the initializer, so no two threads share one.
struct Ext4Groups: Sendable {
    /// The copies at the beginning of a group.
    struct Head: Sendable {
        var group: UInt32
        /// The block of the superblock.
        var superblock: UInt64?
        /// The blocks of all descriptors, with the space reserved for more.
        var descriptors: Range<UInt64>?
        /// The block with the descriptors of this group and its neighbours (feature `meta_bg`).
        var metaDescriptors: UInt64?
    }

    let count: Int
    /// The blocks of an inode table.
    let tableBlocks: UInt64
    let heads: [Head]
    /// The blocks of superblocks, descriptors, bitmaps and inode tables: ascending, joined.
    let metadata: [Range<UInt64>]
    private let descriptors: [UInt8]
    private let descriptorSize: Int

    /// - Parameter verifiesChecksums: whether wrong checksums are an error.
    init(_ source: any ByteSource, _ superblock: Ext4Superblock, verifiesChecksums: Bool) throws(ImageError) {
        let channel = SourceChannel(source)
        var handle: ext2_filsys?
        var flags = EXT2_FLAG_64BITS | EXT2_FLAG_SOFTSUPP_FEATURES
        if !verifiesChecksums { flags |= EXT2_FLAG_IGNORE_CSUM_ERRORS }
        let code = ext2fs_open(channel.deviceName, Int32(flags), 0, 0, SourceChannel.manager, &handle)
        guard code == 0, let handle else {
            if let failure = channel.failure { throw failure }
            throw ImageError(
                .corrupt, "cannot open the ext2, ext3 or ext4 filesystem", offset: Ext4Superblock.offset,
                reason: ImageError.ext2(code, "").reason, remedy: "'e2fsck -n' tells more about it")
        }
        defer { ext2fs_free(handle) }
        count = Int(handle.pointee.group_desc_count)
        tableBlocks = UInt64(handle.pointee.inode_blocks_per_group)
        descriptorSize = superblock.descriptorSize
        descriptors = Self.descriptors(handle, size: descriptorSize)
        heads = Self.heads(handle, superblock)
        metadata = Self.metadata(of: heads, descriptors, descriptorSize, count, tableBlocks, superblock)
    }

    private static func descriptors(_ handle: ext2_filsys, size: Int) -> [UInt8] {
        var descriptors: [UInt8] = []
        for group in 0..<handle.pointee.group_desc_count {
            if let descriptor = ext2fs_group_desc(handle, handle.pointee.group_desc, group) {
                descriptors += UnsafeRawBufferPointer(start: descriptor, count: size)
            }
        }
        return descriptors
    }

    private static func heads(_ handle: ext2_filsys, _ superblock: Ext4Superblock) -> [Head] {
        var heads: [Head] = []
        let blocks = UInt64(
            superblock.firstMetaGroup
                ?? UInt32(handle.pointee.desc_blocks) + UInt32(handle.pointee.super.pointee.s_reserved_gdt_blocks))
        for group in 0..<handle.pointee.group_desc_count {
            var copy: blk64_t = 0, old: blk64_t = 0, new: blk64_t = 0
            var used: blk_t = 0
            ext2fs_super_and_bgd_loc2(handle, group, &copy, &old, &new, &used)
            guard group == 0 || copy != 0 || old != 0 || new != 0 else { continue }
            heads.append(
                Head(
                    group: group, superblock: group == 0 || copy != 0 ? copy : nil,
                    descriptors: old != 0 ? old..<old.addingClamping(blocks) : nil,
                    metaDescriptors: new != 0 ? new : nil))
        }
        return heads
    }

    private static func metadata(
        of heads: [Head], _ descriptors: [UInt8], _ size: Int, _ count: Int, _ tableBlocks: UInt64,
        _ superblock: Ext4Superblock
    ) -> [Range<UInt64>] {
        var ranges: [Range<UInt64>] = []
        func add(_ first: UInt64, _ count: UInt64) {
            let (end, overflow) = first.addingReportingOverflow(count)
            if count > 0, !overflow, first < superblock.blocks { ranges.append(first..<end) }
        }
        let reserved = superblock.has(.metaGroups) ? 0 : superblock.information.reservedDescriptorBlocks
        for head in heads {
            if let block = head.superblock { add(block, 1) }
            if let blocks = head.descriptors { add(blocks.lowerBound, blocks.length - min(blocks.length, reserved)) }
            if let block = head.metaDescriptors { add(block, 1) }
        }
        for group in 0..<count {
            let descriptor = Ext4GroupDescriptor(bytes: Array(descriptors.dropFirst(group * size).prefix(size)))
            for (first, count) in [
                (descriptor.blockBitmap, 1), (descriptor.inodeBitmap, 1), (descriptor.inodeTable, tableBlocks),
            ] where first != 0 { add(first, count) }
        }
        return ranges.joinedRanges()
    }

    /// The descriptor of a group. A group that does not exist has one of zeros.
    subscript(group: Int) -> Ext4GroupDescriptor {
        guard group >= 0, group < count else { return Ext4GroupDescriptor(bytes: []) }
        return Ext4GroupDescriptor(
            bytes: Array(descriptors.dropFirst(group * descriptorSize).prefix(descriptorSize)))
    }

    /// The first block of a group's inode table.
    func inodeTable(_ group: Int) -> UInt64 {
        guard group >= 0, group < count else { return 0 }
        typealias Field = Ext4GroupDescriptor.Field
        let start = group * descriptorSize
        let low: UInt32 = descriptors.load(at: start + Field.inodeTable) ?? 0
        let high: UInt32 =
            descriptorSize >= Ext4GroupDescriptor.longSize
            ? descriptors.load(at: start + Field.inodeTableHigh) ?? 0 : 0
        return UInt64(low) | UInt64(high) << 32
    }

    /// The copies at the beginning of a group, if it has any.
    func head(ofGroup group: UInt32) -> Head? {
        let index = heads.partitioningIndex { $0.group >= group }
        return index < heads.count && heads[index].group == group ? heads[index] : nil
    }

    /// Whether one of the blocks belongs to the filesystem's own structures.
    func hasMetadata(_ blocks: Range<UInt64>) -> Bool {
        let index = metadata.partitioningIndex { $0.upperBound > blocks.lowerBound }
        return index < metadata.count && metadata[index].lowerBound < blocks.upperBound
    }
}
