/// The inodes that the filesystem has for itself: bad blocks, room to grow, journal, quotas.
extension Ext4GroupCheck {
    private enum Own {
        static let badBlocks: UInt32 = 1, root: UInt32 = 2, resize: UInt32 = 7, journal: UInt32 = 8
    }

    func checkOwnInodes() throws(ImageError) {
        var numbers = Array(1..<superblock.firstInode)
        for (feature, place) in [(Ext4Feature.projects, 0x26C), (.orphanFile, 0x280), (.journal, 0xE0)] {
            if superblock.has(feature), let inode: UInt32 = superblock.bytes.load(at: place),
                inode >= superblock.firstInode, inode <= superblock.inodes
            {
                numbers.append(inode)
            }
        }
        for inode in numbers where inode != Own.root {
            do {
                try checkOwn(inode)
            } catch {
                guard error.damage != nil else { throw error }
                census.lost(inode, error)
                census.report(error)
            }
        }
    }

    private func checkOwn(_ inode: UInt32) throws(ImageError) {
        let offset = try volume.offset(of: inode)
        let bytes = try volume.source.read(superblock.inodeSize, at: offset)
        if inode >= superblock.firstInode { census.owns(inode) }
        let journal: UInt32 = superblock.bytes.load(at: 0xE0) ?? 0
        let isJournal = superblock.has(.journal) && inode == journal
        let isResize = inode == Own.resize && superblock.has(.resizeInode)
        guard isJournal || isResize || (bytes.load(UInt16.self, at: 0x1A) ?? 0) > 0 || inode == Own.badBlocks else {
            return
        }
        let hasLinks = (bytes.load(UInt16.self, at: 0x1A) ?? 0) > 0
        if hasLinks, let wrong = volume.checksums.inode(bytes, inode) {
            census.report(
                .ext4InodeChecksum, "inode \(inode), one of the filesystem's own, \(wrong.words)", offset: offset)
        }
        let record = try Ext4Inode(inode, (bytes, offset), superblock)
        let node = Ext4Volume.Node(record: record, kind: .file)
        if isResize { return try checkResize(node) }
        if isJournal { return try checkJournal(node) }
        if inode == Own.badBlocks {
            // Bad blocks have no size, and may lie anywhere.
            let map = try Ext4BlockRuns.survey(record, volume, limit: &census.mapBudget, isComplete: true)
            for (disk, count) in map.claims where !groups.hasMetadata(disk..<disk + count) {
                census.claim(disk, count, owner: inode)
            }
            return
        }
        try claimMap(of: node)
    }

    // MARK: Journal

    /// ```
    ///   00 C03B3998 | 04 kind: 3 or 4 | 0C block size | 10 blocks | 14 first | 1C start (all big-endian)
    /// ```
    ///
    /// Source: the kernel's documentation of ext4, "Journal (jbd2)".
    private func checkJournal(_ node: Ext4Volume.Node) throws(ImageError) {
        func tell(_ what: String, _ offset: UInt64) {
            census.report(.ext4Journal, "the journal, inode \(node.inode), \(what)", offset: offset)
        }
        let record = node.record
        guard record.links > 0, record.fileKind == 0x8000 else {
            return tell(
                "is no file: its kind is \(record.fileKind >> 12) and it has \(record.links) links", record.offset)
        }
        guard let map = try claimMap(of: node), map.failure == nil else { return }
        let blocks = record.size / superblock.blockSize
        let found = map.runs.reduce(0) { $0 + $1.count }
        guard let first = map.runs.first, first.first == 0, found == blocks, blocks > 0 else {
            return tell("has \(found) blocks, and by its size \(blocks)", record.offset)
        }
        let place = first.disk * superblock.blockSize
        let bytes = try volume.source.read(1024, at: place)
        func field(_ offset: Int) -> UInt32 { (bytes.load(UInt32.self, at: offset) ?? 0).byteSwapped }
        guard field(0) == 0xC03B_3998 else {
            return tell("begins with \(Ext4Checksums.Mismatch.hex(field(0))), and should with c03b3998", place)
        }
        if field(4) != 3, field(4) != 4 {
            tell("begins with a block of the kind \(field(4)), and should with 3 or 4", place + 4)
        }
        if UInt64(field(0xC)) != superblock.blockSize {
            tell("has blocks of \(field(0xC)) bytes, and the filesystem of \(superblock.blockSize)", place + 0xC)
        }
        if UInt64(field(0x10)) > blocks || field(0x10) == 0 {
            tell("says that it has \(field(0x10)) blocks, and its inode has \(blocks)", place + 0x10)
        }
        if field(0x14) >= max(1, field(0x10)) || field(0x14) == 0 {
            tell("begins at its block \(field(0x14)) of \(field(0x10))", place + 0x14)
        }
        // Checksums of the second and third version.
        if field(4) == 4, field(0x28) & 0x18 != 0 {
            var cleared = bytes
            cleared.store(UInt32(0), at: 0xFC)
            if let wrong = Ext4Checksums.Mismatch(field(0xFC), Ext4Checksums.crc(.max, cleared[...])) {
                tell(wrong.words, place + 0xFC)
            }
        }
    }

    // MARK: Room to grow

    /// The doubly indirect block of the resize inode leads to the blocks after group 0's descriptors, and each of these to
    /// the ones at the same place in the groups that have copies.
    private func checkResize(_ node: Ext4Volume.Node) throws(ImageError) {
        let reserved = superblock.information.reservedDescriptorBlocks
        let record = node.record
        guard !superblock.has(.metaGroups) else { return }
        func tell(_ what: String, _ offset: UInt64) {
            census.report(.ext4ResizeInode, "the resize inode, inode 7, \(what)", offset: offset)
        }
        let top = UInt64(record.area.load(UInt32.self, at: 52) ?? 0)
        guard let head = groups.heads.first, let range = head.descriptors, reserved > 0 else {
            if top != 0 { census.claim(top, 1, owner: node.inode) }
            return
        }
        guard record.links > 0, record.fileKind == 0x8000 else {
            return tell(
                "is no file: its kind is \(record.fileKind >> 12) and it has \(record.links) links", record.offset)
        }
        guard isInside(top, 1), !groups.hasMetadata(top..<top + 1) else {
            return tell("leads to block \(top), where it cannot be", record.offset + 0x5C)
        }
        census.claim(top, 1, owner: node.inode)
        let blockSize = superblock.blockSize
        let perBlock = Int(blockSize / 4)
        let lines = try volume.source.read(Int(blockSize), at: top * blockSize)
        let used = range.count - Int(clamping: min(reserved, UInt64(range.count)))
        let copies = groups.heads.dropFirst().filter { $0.superblock != nil }
        for index in used..<range.count {
            let expected = range.lowerBound + UInt64(index)
            let place = 4 * (index % perBlock)
            let line = UInt64(lines.load(UInt32.self, at: place) ?? 0)
            guard line == expected, expected < superblock.blocks else {
                return tell("leads to block \(line), and should to \(expected)", top * blockSize + UInt64(place))
            }
            let below = try volume.source.read(Int(blockSize), at: expected * blockSize)
            for (position, copy) in copies.enumerated() {
                let goal = expected + UInt64(copy.group) * superblock.information.blocksPerGroup
                let found = UInt64(below.load(UInt32.self, at: 4 * position) ?? 0)
                guard found == goal else {
                    return tell(
                        "leads to block \(found) for group \(copy.group), and should to \(goal)",
                        expected * blockSize + UInt64(4 * position))
                }
            }
        }
    }
}
