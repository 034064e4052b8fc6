/// Checks what belongs to no file: the superblock, the groups' descriptors and bitmaps, and the filesystem's own inodes.
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

    /// Where a group's descriptor is on the disk.
    func offset(ofDescriptor group: Int) -> UInt64? {
        let perBlock = superblock.blockSize / UInt64(superblock.descriptorSize)
        let index = UInt64(group) / perBlock
        let within = UInt64(group) % perBlock * UInt64(superblock.descriptorSize)
        let spreadFrom = superblock.has(.metaGroups) ? UInt64(superblock.bytes.load(UInt32.self, at: 0x104) ?? 0) : .max
        if index >= spreadFrom {
            let head = groups.head(ofGroup: UInt32(clamping: index * perBlock))
            return head?.spread.map { $0 * superblock.blockSize + within }
        }
        return groups.heads.first?.descriptors.map { ($0.lowerBound + index) * superblock.blockSize + within }
    }

    // MARK: Superblock

    func checkSuperblock() throws(ImageError) {
        let bytes = superblock.bytes
        let place = Ext4Superblock.offset
        if superblock.has(.metadataChecksums) {
            let type: UInt8 = bytes.load(at: 0x175) ?? 0
            if type != 1 {
                census.report(
                    .ext4SuperblockChecksum, "the superblock has checksums of the type \(type), and only 1 exists",
                    offset: place + 0x175)
            }
            if let wrong = Ext4Checksums.Mismatch(bytes.load(at: 0x3FC) ?? 0, Ext4Checksums.superblock(bytes)) {
                census.report(.ext4SuperblockChecksum, "the superblock \(wrong.words)", offset: place)
            }
        }
        let information = superblock.information
        if information.hasErrors {
            census.report(.ext4Errors, "the superblock says that errors were found", offset: place + 0x3A)
        } else if !information.isClean {
            census.report(.ext4State, "the superblock says that it was not unmounted", offset: place + 0x3A)
        }
        if information.needsRecovery {
            census.report(.ext4Recovery, "the journal has not been written back", offset: place + 0x60)
        }
        if hasOrphans {
            census.report(.ext4Orphans, "files that were deleted while open are waiting", offset: place + 0xE8)
        }
        for feature in information.features where ["encrypt", "casefold", "verity", "ea_inode"].contains(feature) {
            census.report(
                .ext4Unsupported, "what belongs to the feature \(feature) is not checked", offset: place + 0x5C)
        }
    }

    /// Files that were deleted while they were open: in the list that begins in the superblock, or in a file for them.
    var hasOrphans: Bool {
        (superblock.bytes.load(UInt32.self, at: 0xE8) ?? 0) != 0 || superblock.has(.orphans)
    }

    /// Fields that all copies have in common.
    private static let common: [(name: String, place: Int, length: Int)] = [
        ("inodes", 0x00, 4), ("blocks", 0x04, 4), ("high half of blocks", 0x150, 4), ("first block", 0x14, 4),
        ("block size", 0x18, 4), ("cluster size", 0x1C, 4), ("blocks per group", 0x20, 4),
        ("inodes per group", 0x28, 4), ("revision", 0x4C, 4), ("inode size", 0x58, 2), ("UUID", 0x68, 16),
        ("reserved descriptor blocks", 0xCE, 2), ("descriptor size", 0xFE, 2), ("first spread descriptors", 0x104, 4),
    ]
    /// Features that Linux sets when it first needs them, in the superblock alone.
    private static let late: [(place: Int, mask: UInt32)] = [
        (0x5C, 0x4 | 0x8), (0x60, 0x4 | 0x40), (0x64, 0x2 | 0x8 | 0x20 | 0x40 | 0x1_0000),
    ]

    /// The copies of the superblock and of the descriptors.
    func checkBackups() throws(ImageError) {
        for head in groups.heads where head.group > 0 {
            try census.checkCancelled()
            if let place = head.superblock { try checkBackup(of: head.group, at: place) }
            try checkDescriptors(of: head)
        }
    }

    private func checkBackup(of group: UInt32, at block: UInt64) throws(ImageError) {
        guard block < superblock.blocks else { return }
        let place = block * superblock.blockSize
        let bytes = try volume.source.read(Ext4Superblock.length, at: place)
        func tell(_ what: String, _ offset: Int, _ kind: Finding.Kind = .ext4BackupSuperblock) {
            census.report(kind, "the copy of the superblock in group \(group) \(what)", offset: place + UInt64(offset))
        }
        guard bytes.load(UInt16.self, at: 0x38) == 0xEF53 else {
            let magic: UInt16 = bytes.load(at: 0x38) ?? 0
            return tell("begins with \(Ext4Checksums.Mismatch.hex(magic)), and should with ef53", 0x38)
        }
        for field in Self.common {
            let seen = bytes.dropFirst(field.place).prefix(field.length)
            let expected = superblock.bytes.dropFirst(field.place).prefix(field.length)
            if seen != expected {
                tell("has other \(field.name): \(Array(seen)), and not \(Array(expected))", field.place)
            }
        }
        let number: UInt16 = bytes.load(at: 0x5A) ?? 0
        if number != UInt16(truncatingIfNeeded: group) { tell("says that it is in group \(number)", 0x5A) }
        for (field, mask) in Self.late {
            let seen = (bytes.load(UInt32.self, at: field) ?? 0) & ~mask
            let expected = (superblock.bytes.load(UInt32.self, at: field) ?? 0) & ~mask
            if seen != expected {
                tell(
                    "has the features \(Ext4Checksums.Mismatch.hex(seen)), and not "
                        + Ext4Checksums.Mismatch.hex(expected), field, .ext4BackupFeatures)
            }
        }
        if Ext4Feature.metadataChecksums.isSet(in: bytes),
            let wrong = Ext4Checksums.Mismatch(bytes.load(at: 0x3FC) ?? 0, Ext4Checksums.superblock(bytes))
        {
            tell(wrong.words, 0x3FC)
        }
    }

    /// Copies of descriptors say where the same bitmaps and tables are.
    private func checkDescriptors(of head: Ext4Groups.Head) throws(ImageError) {
        let size = superblock.descriptorSize
        let perBlock = Int(superblock.blockSize) / size
        var blocks: [(block: UInt64, first: Int)] = []
        if let range = head.descriptors {
            let used = groups.count.dividedRoundingUp(by: perBlock)
            let spreadFrom =
                superblock.has(.metaGroups) ? Int(superblock.bytes.load(UInt32.self, at: 0x104) ?? 0) : used
            for index in 0..<min(used, spreadFrom, range.count) {
                blocks.append((range.lowerBound + UInt64(index), index * perBlock))
            }
        }
        if let block = head.spread, Int(head.group) % perBlock != 0 {
            blocks.append((block, Int(head.group) / perBlock * perBlock))
        }
        for (block, first) in blocks where block < superblock.blocks {
            let bytes = try volume.source.read(Int(superblock.blockSize), at: block * superblock.blockSize)
            for group in first..<min(first + perBlock, groups.count) {
                let place = (group - first) * size
                let copy = Ext4Groups.Descriptor(bytes: Array(bytes.dropFirst(place).prefix(size)))
                let own = groups[group]
                guard
                    copy.blockBitmap != own.blockBitmap || copy.inodeBitmap != own.inodeBitmap
                        || copy.inodeTable != own.inodeTable
                else { continue }
                census.report(
                    .ext4BackupDescriptors,
                    "the copy in group \(head.group) of the descriptor of group \(group) has bitmaps and table at "
                        + "\(copy.blockBitmap), \(copy.inodeBitmap), \(copy.inodeTable), and not at "
                        + "\(own.blockBitmap), \(own.inodeBitmap), \(own.inodeTable)",
                    offset: block * superblock.blockSize + UInt64(place))
            }
        }
    }

    // MARK: Descriptors

    /// Checksums and places, and claims what they take.
    func checkDescriptors() {
        for head in groups.heads {
            if let block = head.superblock { census.claim(block, 1, owner: 0) }
            if let range = head.descriptors { census.claim(range.lowerBound, UInt64(range.count), owner: 0) }
            if let block = head.spread { census.claim(block, 1, owner: 0) }
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
        if superblock.has(.mountProtection), let block: UInt64 = superblock.bytes.load(at: 0x168), isInside(block, 1) {
            census.claim(block, 1, owner: 0)
        }
    }

    func isInside(_ first: UInt64, _ count: UInt64) -> Bool {
        first > superblock.firstBlock && first < superblock.blocks && count <= superblock.blocks - first
    }
}

extension Ext4Groups {
    /// The head of that group, if it has one.
    func head(ofGroup group: UInt32) -> Head? {
        var low = 0, high = heads.count
        while low < high {
            let middle = (low + high) / 2
            if heads[middle].group < group { low = middle + 1 } else { high = middle }
        }
        return low < heads.count && heads[low].group == group ? heads[low] : nil
    }
}
