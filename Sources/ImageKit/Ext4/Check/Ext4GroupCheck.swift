/// Checks the structures that belong to no file: the superblock, the groups' descriptors and bitmaps, and the reserved
/// inodes.
struct Ext4GroupCheck {
    let volume: Ext4Volume
    let census: Ext4Census
    let superblock: Ext4Superblock
    let groups: Ext4Groups
    /// Whether descriptors have flags, counts of unused inodes, and checksums.
    let hasGroupChecksums: Bool

    init(_ volume: Ext4Volume, _ census: Ext4Census) {
        self.volume = volume
        self.census = census
        superblock = volume.superblock
        groups = volume.groups
        hasGroupChecksums = superblock.has(.metadataChecksums) || superblock.has(.groupChecksums)
    }

    /// The blocks of a group.
    func blocks(of group: Int) -> Range<UInt64> {
        let first = superblock.firstBlock + UInt64(group) * superblock.information.blocksPerGroup
        return first..<max(first, min(first + superblock.information.blocksPerGroup, superblock.blocks))
    }

    /// The offset of a group's descriptor on the disk.
    func offset(ofDescriptor group: Int) -> UInt64? {
        let perBlock = superblock.blockSize / UInt64(superblock.descriptorSize)
        let index = UInt64(group) / perBlock
        let offset = UInt64(group) % perBlock * UInt64(superblock.descriptorSize)
        if let firstMetaGroup = superblock.firstMetaGroup, index >= firstMetaGroup {
            let head = groups.head(ofGroup: UInt32(clamping: index * perBlock))
            return head?.metaDescriptors.map { $0 * superblock.blockSize + offset }
        }
        return groups.heads.first?.descriptors.map { ($0.lowerBound + index) * superblock.blockSize + offset }
    }

    /// Whether blocks are in the filesystem, and not the first of it.
    func isInside(_ first: UInt64, _ count: UInt64) -> Bool {
        first > superblock.firstBlock && first < superblock.blocks && count <= superblock.blocks - first
    }

    // MARK: Superblock

    func checkSuperblock() throws(ImageError) {
        typealias Field = Ext4Superblock.Field
        func offset(of field: Int) -> UInt64 { Ext4Superblock.offset + UInt64(field) }
        let bytes = superblock.bytes
        if superblock.has(.metadataChecksums) {
            let type: UInt8 = bytes.load(at: Field.checksumType) ?? 0
            if type != Ext4Superblock.crc32cType {
                census.report(
                    .ext4SuperblockChecksum, "the superblock has checksums of the type \(type), and only 1 exists",
                    offset: offset(of: Field.checksumType))
            }
            let checksum: UInt32 = bytes.load(at: Field.checksum) ?? 0
            if let wrong = Ext4Checksums.Mismatch(checksum, Ext4Checksums.superblock(bytes)) {
                census.report(
                    .ext4SuperblockChecksum, "the superblock \(wrong.words)", offset: Ext4Superblock.offset)
            }
        }
        let information = superblock.information
        if information.hasErrors {
            census.report(.ext4Errors, "the superblock says that errors were found", offset: offset(of: Field.state))
        } else if !information.isClean {
            census.report(.ext4State, "the superblock says that it was not unmounted", offset: offset(of: Field.state))
        }
        if information.needsRecovery {
            census.report(
                .ext4Recovery, "the journal has not been written back", offset: offset(of: Field.incompatible))
        }
        if hasOrphans {
            census.report(
                .ext4Orphans, "files that were deleted while open are waiting", offset: offset(of: Field.orphanList))
        }
        for feature in information.features where ["encrypt", "casefold", "verity", "ea_inode"].contains(feature) {
            census.report(
                .ext4Unsupported, "what belongs to the feature \(feature) is not checked",
                offset: offset(of: Field.compatible))
        }
    }

    /// Whether files were deleted while they were open. A list that begins in the superblock, or a file, has them.
    var hasOrphans: Bool {
        (superblock.bytes.load(UInt32.self, at: Ext4Superblock.Field.orphanList) ?? 0) != 0
            || superblock.has(.orphans)
    }

    // MARK: Descriptors

    /// Checks the descriptors' checksums and the locations in them, and claims the blocks of all structures.
    func checkDescriptors() {
        for head in groups.heads {
            if let block = head.superblock { census.claim(block, 1, owner: 0) }
            if let blocks = head.descriptors { census.claim(blocks.lowerBound, blocks.length, owner: 0) }
            if let block = head.metaDescriptors { census.claim(block, 1, owner: 0) }
        }
        for group in 0..<groups.count {
            let descriptor = groups[group]
            if let expected = volume.checksums.descriptor(
                descriptor.bytes, group: UInt32(clamping: group), superblock.bytes),
                let wrong = Ext4Checksums.Mismatch(UInt32(descriptor.checksum), UInt32(expected))
            {
                census.report(
                    .ext4GroupChecksum, "the descriptor of group \(group) \(wrong.words)",
                    offset: offset(ofDescriptor: group))
            }
            for (name, first, count) in [
                ("block bitmap", descriptor.blockBitmap, 1), ("inode bitmap", descriptor.inodeBitmap, 1),
                ("inode table", descriptor.inodeTable, groups.tableBlocks),
            ] {
                guard isInside(first, count) else {
                    census.report(
                        .ext4GroupLocation,
                        "the \(name) of group \(group) is at block \(first), outside of the filesystem",
                        offset: offset(ofDescriptor: group))
                    continue
                }
                census.claim(first, count, owner: 0)
            }
        }
        if superblock.has(.mountProtection),
            let block: UInt64 = superblock.bytes.load(at: Ext4Superblock.Field.mountProtectionBlock), isInside(block, 1)
        {
            census.claim(block, 1, owner: 0)
        }
    }
}
