/// The copies of the superblock and of the descriptors.
extension Ext4GroupCheck {
    private typealias Field = Ext4Superblock.Field

    /// Fields that are equal in all copies.
    private static let common: [(name: String, offset: Int, length: Int)] = [
        ("inodes", Field.inodes, 4), ("blocks", Field.blocks, 4), ("high half of blocks", Field.blocksHigh, 4),
        ("first block", Field.firstBlock, 4), ("block size", Field.logBlockSize, 4),
        ("cluster size", Field.logClusterSize, 4), ("blocks per group", Field.blocksPerGroup, 4),
        ("inodes per group", Field.inodesPerGroup, 4), ("revision", Field.revision, 4),
        ("inode size", Field.inodeSize, 2), ("UUID", Field.uuid, Ext4Superblock.uuidLength),
        ("reserved descriptor blocks", Field.reservedDescriptorBlocks, 2),
        ("descriptor size", Field.descriptorSize, 2), ("first spread descriptors", Field.firstMetaGroup, 4),
    ]
    /// Features that Linux sets when it first needs them, only in the first superblock.
    private static let late: [(word: Int, mask: UInt32)] = [
        (Field.compatible, Ext4Feature.mask(.journal, .extendedAttributes)),
        (Field.incompatible, Ext4Feature.mask(.needsRecovery, .extents)),
        (
            Field.readOnlyCompatible,
            Ext4Feature.mask(.largeFiles, .hugeFiles, .manyLinks, .extraInodeSize, .orphans)
        ),
    ]

    func checkBackups() throws(ImageError) {
        for head in groups.heads where head.group > 0 {
            try census.checkCancelled()
            if let block = head.superblock { try checkBackup(of: head.group, at: block) }
            try checkDescriptors(of: head)
        }
    }

    private func checkBackup(of group: UInt32, at block: UInt64) throws(ImageError) {
        guard block < superblock.blocks else { return }
        let offset = block * superblock.blockSize
        let bytes = try volume.source.read(Ext4Superblock.length, at: offset)
        func report(_ what: String, _ field: Int, _ kind: Finding.Kind = .ext4BackupSuperblock) {
            census.report(kind, "the copy of the superblock in group \(group) \(what)", offset: offset + UInt64(field))
        }
        let magic: UInt16 = bytes.load(at: Field.magic) ?? 0
        guard magic == Ext4Superblock.magic else {
            return report("begins with \(Ext4Checksums.Mismatch.hex(magic)), and should with ef53", Field.magic)
        }
        for field in Self.common {
            let seen = bytes.dropFirst(field.offset).prefix(field.length)
            let expected = superblock.bytes.dropFirst(field.offset).prefix(field.length)
            if seen != expected {
                report("has other \(field.name): \(Array(seen)), and not \(Array(expected))", field.offset)
            }
        }
        let number: UInt16 = bytes.load(at: Field.group) ?? 0
        if number != UInt16(truncatingIfNeeded: group) { report("says that it is in group \(number)", Field.group) }
        for (word, mask) in Self.late {
            let seen = (bytes.load(UInt32.self, at: word) ?? 0) & ~mask
            let expected = (superblock.bytes.load(UInt32.self, at: word) ?? 0) & ~mask
            if seen != expected {
                report(
                    "has the features \(Ext4Checksums.Mismatch.hex(seen)), and not "
                        + Ext4Checksums.Mismatch.hex(expected), word, .ext4BackupFeatures)
            }
        }
        if Ext4Feature.metadataChecksums.isSet(in: bytes),
            let wrong = Ext4Checksums.Mismatch(
                bytes.load(at: Field.checksum) ?? 0, Ext4Checksums.superblock(bytes))
        {
            report(wrong.words, Field.checksum)
        }
    }

    /// Compares the locations in copies of descriptors with those in the descriptors.
    private func checkDescriptors(of head: Ext4Groups.Head) throws(ImageError) {
        let size = superblock.descriptorSize
        let perBlock = Int(superblock.blockSize) / size
        // Blocks with copies, and the first group of each.
        var blocks: [(block: UInt64, first: Int)] = []
        if let range = head.descriptors {
            let used = groups.count.dividedRoundingUp(by: perBlock)
            let firstMetaGroup = superblock.firstMetaGroup.map(Int.init) ?? used
            for index in 0..<min(used, firstMetaGroup, range.count) {
                blocks.append((range.lowerBound + UInt64(index), index * perBlock))
            }
        }
        if let block = head.metaDescriptors, Int(head.group) % perBlock != 0 {
            blocks.append((block, Int(head.group) / perBlock * perBlock))
        }
        for (block, first) in blocks where block < superblock.blocks {
            let bytes = try volume.source.read(Int(superblock.blockSize), at: block * superblock.blockSize)
            for group in first..<min(first + perBlock, groups.count) {
                let position = (group - first) * size
                let copy = Ext4GroupDescriptor(bytes: Array(bytes.dropFirst(position).prefix(size)))
                let original = groups[group]
                guard
                    copy.blockBitmap != original.blockBitmap || copy.inodeBitmap != original.inodeBitmap
                        || copy.inodeTable != original.inodeTable
                else { continue }
                census.report(
                    .ext4BackupDescriptors,
                    "the copy in group \(head.group) of the descriptor of group \(group) has bitmaps and table at "
                        + "\(copy.blockBitmap), \(copy.inodeBitmap), \(copy.inodeTable), and not at "
                        + "\(original.blockBitmap), \(original.inodeBitmap), \(original.inodeTable)",
                    offset: block * superblock.blockSize + UInt64(position))
            }
        }
    }
}
