import CExt2FS
import Glibc

/// A new filesystem that libext2fs writes. The library owns the format: superblock, group descriptors, bitmaps, inode
/// records and every checksum. The caller decides all locations. Random values and times are pinned.
///
/// It is not `Sendable`: its handle is used by one thread at a time.
struct Ext4Filesystem: ~Copyable {
    /// The features that mke2fs has set by default for years, without those that old kernels or boot loaders cannot
    /// read: inline_data (U-Boot), orphan_file and metadata_csum_seed.
    private enum Features {
        static let compatible = Ext4Feature.mask(.journal, .extendedAttributes, .resizeInode, .directoryIndex)
        static let incompatible = Ext4Feature.mask(.fileTypes, .extents, .is64Bit, .flexGroups)
        static let readOnlyCompatible = Ext4Feature.mask(
            .sparseSuperblocks, .largeFiles, .hugeFiles, .manyLinks, .extraInodeSize, .metadataChecksums)
    }

    /// The time of structures without a time of their own: one second after the start of 1970, as in the Nix store.
    static let time: UInt32 = 1

    private let filesystem: ext2_filsys
    let store: BlockStore
    let geometry: Ext4Geometry

    init(_ geometry: Ext4Geometry, options: Ext4Options, reservedBlocks: UInt64) throws(ImageError) {
        let store = BlockStore()
        var parameters = ext2_super_block()
        parameters.s_blocks_count = UInt32(truncatingIfNeeded: geometry.blocks)
        parameters.s_blocks_count_hi = UInt32(truncatingIfNeeded: geometry.blocks >> 32)
        parameters.s_r_blocks_count = UInt32(truncatingIfNeeded: reservedBlocks)
        parameters.s_r_blocks_count_hi = UInt32(truncatingIfNeeded: reservedBlocks >> 32)
        parameters.s_inodes_count = UInt32(truncatingIfNeeded: geometry.inodes)
        parameters.s_log_block_size = 2
        parameters.s_log_cluster_size = 2
        parameters.s_blocks_per_group = UInt32(Ext4Geometry.blocksPerGroup)
        parameters.s_rev_level = 1
        parameters.s_first_ino = Ext4ReservedInode.firstUnreserved
        parameters.s_inode_size = UInt16(Ext4Geometry.inodeSize)
        parameters.s_desc_size = UInt16(Ext4Geometry.descriptorSize)
        parameters.s_reserved_gdt_blocks = UInt16(geometry.reservedDescriptorBlocks)
        parameters.s_log_groups_per_flex = Ext4Geometry.logGroupsPerFlex
        parameters.s_feature_compat = Features.compatible
        parameters.s_feature_incompat = Features.incompatible
        parameters.s_feature_ro_compat = Features.readOnlyCompatible
        parameters.s_max_mnt_count = -1
        parameters.s_errors = 1  // continue
        parameters.s_default_mount_opts = 0x000C  // user_xattr, acl

        var handle: ext2_filsys?
        let code = ext2fs_initialize(store.deviceName, EXT2_FLAG_64BITS, &parameters, BlockStore.manager, &handle)
        guard code == 0, let handle else { throw .ext2(code, "cannot lay out the root filesystem") }
        do throws(ImageError) {
            try Self.check(handle, against: geometry)
        } catch {
            ext2fs_free(handle)
            throw error
        }
        filesystem = handle
        self.store = store
        self.geometry = geometry
        pin(options)
    }

    deinit { ext2fs_free(filesystem) }

    /// Throws `internal` if libext2fs changed the geometry. It adjusts numbers that it does not accept, and the planner
    /// must have foreseen that.
    private static func check(_ handle: ext2_filsys, against geometry: Ext4Geometry) throws(ImageError) {
        let superblock = handle.pointee.super.pointee
        let made = [
            UInt64(superblock.s_blocks_count) | UInt64(superblock.s_blocks_count_hi) << 32,
            UInt64(superblock.s_inodes_count), UInt64(superblock.s_inodes_per_group),
            UInt64(superblock.s_blocks_per_group), UInt64(superblock.s_reserved_gdt_blocks),
            UInt64(handle.pointee.group_desc_count), UInt64(handle.pointee.desc_blocks),
        ]
        let planned = [
            geometry.blocks, geometry.inodes, geometry.inodesPerGroup, Ext4Geometry.blocksPerGroup,
            geometry.reservedDescriptorBlocks, UInt64(geometry.groups), geometry.descriptorBlocks,
        ]
        guard made == planned else {
            throw ImageError(
                .internal, "libext2fs laid the filesystem out otherwise than planned",
                reason: "planned \(planned), made \(made)", remedy: "please report this")
        }
    }

    /// Sets every value that libext2fs would take from the clock, from a random source or from the machine.
    private func pin(_ options: Ext4Options) {
        filesystem.pointee.now = time_t(Self.time)
        let superblock: UnsafeMutablePointer<ext2_super_block> = filesystem.pointee.super
        withUnsafeMutableBytes(of: &superblock.pointee.s_uuid) { $0.copyBytes(from: options.uuid.bytes) }
        withUnsafeMutableBytes(of: &superblock.pointee.s_hash_seed) { $0.copyBytes(from: options.uuid.bytes) }
        withUnsafeMutableBytes(of: &superblock.pointee.s_volume_name) { $0.copyBytes(from: Array(options.label.utf8)) }
        superblock.pointee.s_def_hash_version = DirectoryHash.versionOnDisk
        superblock.pointee.s_flags = UInt32(EXT2_FLAGS_UNSIGNED_HASH)
        superblock.pointee.s_checksum_type = Ext4Superblock.crc32cType
        superblock.pointee.s_creator_os = 0  // Linux
        superblock.pointee.s_mkfs_time = Self.time
        superblock.pointee.s_lastcheck = Self.time
        superblock.pointee.s_wtime = Self.time
        ext2fs_init_csum_seed(filesystem)
    }

    // MARK: Groups

    /// Sets the locations of the groups' structures.
    func setLocations(_ locations: [Ext4Geometry.GroupLocations]) {
        for (group, structures) in locations.enumerated() {
            ext2fs_block_bitmap_loc_set(filesystem, dgrp_t(group), structures.blockBitmap)
            ext2fs_inode_bitmap_loc_set(filesystem, dgrp_t(group), structures.inodeBitmap)
            ext2fs_inode_table_loc_set(filesystem, dgrp_t(group), structures.inodeTable)
        }
    }

    /// Records the blocks and inodes in use in the bitmaps, the group descriptors and the superblock.
    /// - Parameters:
    ///   - used: the blocks in use: ascending and disjoint.
    ///   - lastInode: the inodes 1 to this one are in use.
    ///   - directories: the number of directories in each group.
    func setUsed(_ used: [Range<UInt64>], lastInode: UInt32, directories: [UInt32]) {
        let perGroup = Ext4Geometry.blocksPerGroup
        var usedInGroup = [UInt64](repeating: 0, count: geometry.groups)
        for range in used {
            ext2fs_mark_block_bitmap_range2(
                filesystem.pointee.block_map, range.lowerBound, blk_t(range.length))
            var start = range.lowerBound
            while start < range.upperBound {
                let group = start / perGroup
                let end = min(range.upperBound, (group + 1) * perGroup)
                usedInGroup[Int(group)] += end - start
                start = end
            }
        }
        for inode in 1...max(1, lastInode) { ext2fs_mark_inode_bitmap2(filesystem.pointee.inode_map, inode) }

        var freeBlocks: UInt64 = 0
        for group in 0..<geometry.groups {
            let size = min(perGroup, geometry.blocks - UInt64(group) * perGroup)
            let first = UInt64(group) * geometry.inodesPerGroup
            let inodes = min(geometry.inodesPerGroup, UInt64(lastInode) - min(UInt64(lastInode), first))
            let free = UInt32(geometry.inodesPerGroup - inodes)
            let number = dgrp_t(group)
            freeBlocks += size - usedInGroup[group]
            ext2fs_bg_free_blocks_count_set(filesystem, number, UInt32(size - usedInGroup[group]))
            ext2fs_bg_free_inodes_count_set(filesystem, number, free)
            ext2fs_bg_itable_unused_set(filesystem, number, free)
            ext2fs_bg_used_dirs_count_set(filesystem, number, directories[group])
            // The image has all of the tables (zeros), so no kernel has to write them on the card. The flag of a group
            // without inodes lets every check skip its table.
            ext2fs_bg_flags_zap(filesystem, number)
            let flags = EXT2_BG_INODE_ZEROED | (inodes == 0 ? EXT2_BG_INODE_UNINIT : 0)
            ext2fs_bg_flags_set(filesystem, number, UInt16(flags))
        }
        ext2fs_free_blocks_count_set(filesystem.pointee.super, freeBlocks)
        filesystem.pointee.super.pointee.s_free_inodes_count = UInt32(geometry.inodes - UInt64(lastInode))
    }

    // MARK: Inodes and blocks

    /// Sets an inode record's checksum and stores it. (libext2fs's own function reads and checks the record, and writes
    /// its whole block, for each inode.)
    func write(_ inode: UInt32, _ record: ext2_inode_large) throws(ImageError) {
        guard inode > 0, UInt64(inode) <= geometry.inodes else {
            throw ImageError(.internal, "cannot write inode \(inode)", reason: "there are \(geometry.inodes)")
        }
        let (group, index) = (UInt64(inode) - 1).quotientAndRemainder(dividingBy: geometry.inodesPerGroup)
        let table = ext2fs_inode_table_loc(filesystem, dgrp_t(group)) * Ext4Geometry.blockSize
        let offset = table + index * Ext4Geometry.inodeSize
        let code = withUnsafeTemporaryAllocation(byteCount: Int(Ext4Geometry.inodeSize), alignment: 16) { bytes in
            bytes.initializeMemory(as: UInt8.self, repeating: 0)
            withUnsafeBytes(of: record) { bytes.copyMemory(from: $0) }
            let code = ext2fs_inode_csum_set(
                filesystem, inode, bytes.baseAddress?.assumingMemoryBound(to: ext2_inode_large.self))
            store.write(bytes: UnsafeRawBufferPointer(bytes), at: offset)
            return code
        }
        // The library's cache of the table is stale now.
        ext2fs_flush_icache(filesystem)
        if code != 0 { throw .ext2(code, "cannot write inode \(inode)") }
    }

    /// Sets a directory block's checksum.
    func setChecksum(ofDirectoryBlock block: inout [UInt8], of inode: UInt32) throws(ImageError) {
        let code = block.withUnsafeMutableBytes {
            ext2fs_dir_block_csum_set(filesystem, inode, $0.baseAddress?.assumingMemoryBound(to: ext2_dir_entry.self))
        }
        if code != 0 { throw .ext2(code, "cannot write a block of the folder with inode \(inode)") }
    }

    /// Sets an extent block's checksum and stores it.
    /// - Parameter number: the block's number on the disk.
    func writeExtentBlock(_ block: inout [UInt8], of inode: UInt32, at number: UInt64) throws(ImageError) {
        let code = block.withUnsafeMutableBytes {
            ext2fs_extent_block_csum_set(
                filesystem, inode, $0.baseAddress?.assumingMemoryBound(to: ext3_extent_header.self))
        }
        if code != 0 { throw .ext2(code, "cannot write an extent block of inode \(inode)") }
        block.withUnsafeBytes { store.write(bytes: $0, at: number * Ext4Geometry.blockSize) }
    }

    // MARK: Reserved inodes

    /// Writes the first block of the journal, and the copy of the journal's inode in the superblock.
    func writeJournal(_ blocks: UInt64, firstBlock: UInt64, inode: ext2_inode_large) throws(ImageError) {
        var parameters = ext2fs_journal_params(num_journal_blocks: blk_t(blocks), num_fc_blocks: 0)
        var buffer: UnsafeMutablePointer<CChar>?
        let code = ext2fs_create_journal_superblock2(filesystem, &parameters, 0, &buffer)
        guard code == 0, let buffer else { throw .ext2(code, "cannot create the journal") }
        store.write(
            bytes: UnsafeRawBufferPointer(start: buffer, count: Int(Ext4Geometry.blockSize)),
            at: firstBlock * Ext4Geometry.blockSize)
        free(buffer)
        let superblock: UnsafeMutablePointer<ext2_super_block> = filesystem.pointee.super
        superblock.pointee.s_journal_inum = Ext4ReservedInode.journal
        superblock.pointee.s_jnl_backup_type = 1
        withUnsafeMutableBytes(of: &superblock.pointee.s_jnl_blocks) { target in
            withUnsafeBytes(of: inode.i_block) { target.copyMemory(from: $0) }
            let end = Ext4Inode.areaLength
            target.storeBytes(of: inode.i_size_high, toByteOffset: end, as: UInt32.self)
            target.storeBytes(of: inode.i_size, toByteOffset: end + 4, as: UInt32.self)
        }
    }

    /// Writes the inode that owns the space for more group descriptors.
    /// - Parameter block: the block for its map.
    func writeResizeInode(block: UInt64) throws(ImageError) {
        // The library would choose a block itself. The callback gives it the planned one.
        filesystem.pointee.priv_data = UnsafeMutableRawPointer(bitPattern: UInt(block))
        ext2fs_set_alloc_block_callback(
            filesystem,
            { filesystem, _, block in
                guard let filesystem, let block else { return mk_et_invalid_argument() }
                block.pointee = blk64_t(UInt(bitPattern: filesystem.pointee.priv_data))
                return 0
            }, nil)
        defer { filesystem.pointee.priv_data = nil }
        var code = ext2fs_create_resize_inode(filesystem)
        guard code == 0 else { throw .ext2(code, "cannot create the resize inode") }
        var record = ext2_inode_large()
        code = withUnsafeMutableBytes(of: &record) { bytes in
            ext2fs_read_inode_full(
                filesystem, Ext4ReservedInode.resize, bytes.baseAddress?.assumingMemoryBound(to: ext2_inode.self),
                Int32(bytes.count))
        }
        guard code == 0 else { throw .ext2(code, "cannot read the resize inode") }
        record.setTimes(Int64(Self.time))
        try write(Ext4ReservedInode.resize, record)
    }

    /// Writes bitmaps, descriptors and superblocks with their backups into ``store``, and pins the fields that depend
    /// on the library's version. Nothing may change afterwards.
    func finish() throws(ImageError) {
        for group in 0..<geometry.groups { ext2fs_group_desc_csum_set(filesystem, dgrp_t(group)) }
        filesystem.pointee.flags |= Int32(EXT2_FLAG_DIRTY | EXT2_FLAG_CHANGED | EXT2_FLAG_BB_DIRTY | EXT2_FLAG_IB_DIRTY)
        filesystem.pointee.flags &= ~Int32(EXT2_FLAG_SUPER_ONLY | EXT2_FLAG_MASTER_SB_ONLY)
        let code = ext2fs_flush2(filesystem, 0)
        guard code == 0 else { throw .ext2(code, "cannot finish the root filesystem") }
        for group in 0..<geometry.groups where Ext4Geometry.hasSuperblock(group: group) {
            let start = UInt64(group) * Ext4Geometry.blocksPerGroup * Ext4Geometry.blockSize
            pinSuperblock(at: group == 0 ? Ext4Superblock.offset : start)
        }
    }

    private func pinSuperblock(at offset: UInt64) {
        typealias Field = Ext4Superblock.Field
        guard let block = store.blocks[offset / Ext4Geometry.blockSize] else { return }
        let start = Int(offset % Ext4Geometry.blockSize)
        var bytes = Array(block[start..<start + Ext4Superblock.length])
        bytes.store(Self.time, at: Field.writeTime)
        for index in Field.timesHigh { bytes[index] = 0 }
        bytes.store(Ext4Checksums.superblock(bytes), at: Field.checksum)
        bytes.withUnsafeBytes { store.write(bytes: $0, at: offset) }
    }
}
