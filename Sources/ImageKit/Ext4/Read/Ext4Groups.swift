import CExt2FS

/// Where a filesystem's own structures are: its groups' descriptors, as libext2fs found them when it opened it.
///
/// ```
///   00 block bitmap | 04 inode bitmap | 08 inode table | 0C free blocks, 0E free inodes, 10 directories | 12 flags
///   18, 1A checksums of the bitmaps | 1C unused inodes | 1E checksum | 20… the high halves of all, where it has 64 bytes
/// ```
///
/// Source: the kernel's documentation of ext4, "Block Group Descriptors".
struct Ext4Groups: Sendable {
    /// The copies at a group's beginning.
    struct Head: Sendable {
        var group: UInt32
        var superblock: UInt64?
        /// All descriptors, with the room for more, and one block of them where they are spread (`meta_bg`).
        var descriptors: Range<UInt64>?, spread: UInt64?
    }

    /// A group's descriptor.
    struct Descriptor: Sendable {
        let bytes: [UInt8]

        /// A number whose high half has a place of its own.
        private func wide(_ low: Int, _ high: Int) -> UInt64 {
            UInt64(bytes.load(UInt32.self, at: low) ?? 0) | UInt64(bytes.load(UInt32.self, at: high) ?? 0) << 32
        }
        private func narrow(_ low: Int, _ high: Int) -> UInt64 {
            UInt64(bytes.load(UInt16.self, at: low) ?? 0) | UInt64(bytes.load(UInt16.self, at: high) ?? 0) << 16
        }

        var blockBitmap: UInt64 { wide(0x00, 0x20) }
        var inodeBitmap: UInt64 { wide(0x04, 0x24) }
        var inodeTable: UInt64 { wide(0x08, 0x28) }
        var freeClusters: UInt64 { narrow(0x0C, 0x2C) }
        var freeInodes: UInt64 { narrow(0x0E, 0x2E) }
        var directories: UInt64 { narrow(0x10, 0x30) }
        var unusedInodes: UInt64 { narrow(0x1C, 0x32) }
        var blockBitmapChecksum: UInt32 { UInt32(truncatingIfNeeded: narrow(0x18, 0x38)) }
        var inodeBitmapChecksum: UInt32 { UInt32(truncatingIfNeeded: narrow(0x1A, 0x3A)) }
        /// Whether the bitmaps' checksums have their high halves.
        var hasWideChecksums: Bool { bytes.count >= 64 }
        var checksum: UInt16 { bytes.load(at: 0x1E) ?? 0 }
        var hasNoInodes: Bool { bytes.load(UInt16.self, at: 0x12).map { $0 & 1 != 0 } ?? false }
        var hasNoBlocks: Bool { bytes.load(UInt16.self, at: 0x12).map { $0 & 2 != 0 } ?? false }
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
            if let failure = channel.takeFailure() { throw failure }
            throw ImageError(
                .corrupt, "cannot open the ext2, ext3 or ext4 filesystem", offset: Ext4Superblock.offset,
                reason: ImageError.ext2(code, "").reason, remedy: "'e2fsck -n' tells more about it")
        }
        defer { ext2fs_free(handle) }
        count = Int(handle.pointee.group_desc_count)
        tableBlocks = UInt64(handle.pointee.inode_blocks_per_group)
        descriptorSize = superblock.descriptorSize
        var descriptors: [UInt8] = []
        var heads: [Head] = []
        let spreadFrom = superblock.has(.metaGroups) ? superblock.bytes.load(UInt32.self, at: 0x104) ?? 0 : nil
        let run = UInt64(
            spreadFrom ?? UInt32(handle.pointee.desc_blocks)
                + UInt32(handle.pointee.super.pointee.s_reserved_gdt_blocks))
        for group in 0..<handle.pointee.group_desc_count {
            if let descriptor = ext2fs_group_desc(handle, handle.pointee.group_desc, group) {
                descriptors += UnsafeRawBufferPointer(start: descriptor, count: descriptorSize)
            }
            var copy: blk64_t = 0, old: blk64_t = 0, new: blk64_t = 0
            var used: blk_t = 0
            ext2fs_super_and_bgd_loc2(handle, group, &copy, &old, &new, &used)
            guard group == 0 || copy != 0 || old != 0 || new != 0 else { continue }
            heads.append(
                Head(
                    group: group, superblock: group == 0 || copy != 0 ? copy : nil,
                    descriptors: old != 0 ? old..<old.addingClamping(run) : nil, spread: new != 0 ? new : nil))
        }
        self.descriptors = descriptors
        self.heads = heads
        metadata = Self.metadata(of: heads, descriptors, descriptorSize, count, tableBlocks, superblock)
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
            if let place = head.superblock { add(place, 1) }
            if let place = head.descriptors {
                add(place.lowerBound, UInt64(place.count) - min(UInt64(place.count), reserved))
            }
            if let place = head.spread { add(place, 1) }
        }
        for group in 0..<count {
            let descriptor = Descriptor(bytes: Array(descriptors.dropFirst(group * size).prefix(size)))
            for (place, count) in [
                (descriptor.blockBitmap, 1), (descriptor.inodeBitmap, 1), (descriptor.inodeTable, tableBlocks),
            ] where place != 0 { add(place, count) }
        }
        return joined(ranges)
    }

    /// Ranges in ascending order, those that touch as one.
    static func joined(_ ranges: [Range<UInt64>]) -> [Range<UInt64>] {
        var joined: [Range<UInt64>] = []
        for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            if let last = joined.last, range.lowerBound <= last.upperBound {
                joined[joined.count - 1] = last.lowerBound..<max(last.upperBound, range.upperBound)
            } else {
                joined.append(range)
            }
        }
        return joined
    }

    /// The descriptor of a group (all zero for one that is not there).
    subscript(group: Int) -> Descriptor {
        guard group >= 0, group < count else { return Descriptor(bytes: []) }
        return Descriptor(bytes: Array(descriptors.dropFirst(group * descriptorSize).prefix(descriptorSize)))
    }

    /// The first block of a group's inode table.
    func inodeTable(_ group: Int) -> UInt64 {
        guard group >= 0, group < count else { return 0 }
        let low: UInt32 = descriptors.load(at: group * descriptorSize + 8) ?? 0
        let high: UInt32 = descriptorSize >= 64 ? descriptors.load(at: group * descriptorSize + 0x28) ?? 0 : 0
        return UInt64(low) | UInt64(high) << 32
    }

    /// Whether a block is one of the filesystem's own.
    func hasMetadata(_ blocks: Range<UInt64>) -> Bool {
        let low = metadata.partitioningIndex { $0.upperBound > blocks.lowerBound }
        return low < metadata.count && metadata[low].lowerBound < blocks.upperBound
    }
}
