/// The inodes that the filesystem uses itself: bad blocks, space to grow, journal, quotas.
extension Ext4GroupCheck {
    func checkReservedInodes() throws(ImageError) {
        typealias Field = Ext4Superblock.Field
        var numbers = Array(1..<superblock.firstInode)
        for (feature, field) in [
            (Ext4Feature.projects, Field.projectQuotaInode), (.orphanFile, Field.orphanFileInode),
            (.journal, Field.journalInode),
        ] {
            if superblock.has(feature), let inode: UInt32 = superblock.bytes.load(at: field),
                inode >= superblock.firstInode, inode <= superblock.inodes
            {
                numbers.append(inode)
            }
        }
        for inode in numbers where inode != Ext4ReservedInode.root {
            do {
                try checkReserved(inode)
            } catch {
                guard error.damage != nil else { throw error }
                census.didFail(inode, error)
                census.report(error)
            }
        }
    }

    private func checkReserved(_ inode: UInt32) throws(ImageError) {
        let offset = try volume.offset(of: inode)
        let bytes = try volume.source.read(superblock.inodeSize, at: offset)
        if inode >= superblock.firstInode { census.reserve(inode) }
        let journal: UInt32 = superblock.bytes.load(at: Ext4Superblock.Field.journalInode) ?? 0
        let isJournal = superblock.has(.journal) && inode == journal
        let isResize = inode == Ext4ReservedInode.resize && superblock.has(.resizeInode)
        let isBadBlocks = inode == Ext4ReservedInode.badBlocks
        let hasLinks = (bytes.load(UInt16.self, at: Ext4Inode.Field.links) ?? 0) > 0
        guard isJournal || isResize || isBadBlocks || hasLinks else { return }
        if hasLinks, let wrong = volume.checksums.inode(bytes, inode) {
            census.report(
                .ext4InodeChecksum, "inode \(inode), one of the filesystem's own, \(wrong.words)", offset: offset)
        }
        let record = try Ext4Inode(inode, (bytes, offset), superblock)
        let node = Ext4Volume.Node(record: record, kind: .file)
        if isResize { return try checkResize(node) }
        if isJournal { return try checkJournal(node) }
        if isBadBlocks { return try claimBadBlocks(record) }
        try claimMap(of: node)
    }

    /// Bad blocks have no size, and may be in the filesystem's own structures.
    private func claimBadBlocks(_ record: Ext4Inode) throws(ImageError) {
        let map = try Ext4BlockMapReader.read(record, in: volume, budget: &census.extentBudget, isComplete: true)
        for (disk, count) in map.claims where !groups.hasMetadata(disk..<disk + count) {
            census.claim(disk, count, owner: record.number)
        }
    }

    /// Whether a reserved inode is a file in use. Reports it otherwise.
    private func isFile(_ record: Ext4Inode, _ report: (String, UInt64) -> Void) -> Bool {
        if record.links > 0, record.fileKind == Ext4Mode.file { return true }
        report("is no file: its kind is \(record.fileKind >> 12) and it has \(record.links) links", record.offset)
        return false
    }

    // MARK: Journal

    private func checkJournal(_ node: Ext4Volume.Node) throws(ImageError) {
        func report(_ what: String, _ offset: UInt64) {
            census.report(.ext4Journal, "the journal, inode \(node.inode), \(what)", offset: offset)
        }
        let record = node.record
        guard isFile(record, report), let map = try claimMap(of: node), map.failure == nil else { return }
        let blocks = record.size / superblock.blockSize
        let found = map.extents.reduce(0) { $0 + $1.count }
        guard let first = map.extents.first, first.first == 0, found == blocks, blocks > 0 else {
            return report("has \(found) blocks, and by its size \(blocks)", record.offset)
        }
        let start = first.disk * superblock.blockSize
        let bytes = try volume.source.read(Ext4JournalSuperblock.length, at: start)
        checkJournal(bytes, blocks: blocks) { report($0, start + UInt64($1)) }
    }

    /// Checks the first block of the journal.
    /// - Parameters:
    ///   - blocks: the journal's size by its inode.
    ///   - report: takes a fault and the offset of its field.
    private func checkJournal(_ bytes: [UInt8], blocks: UInt64, _ report: (String, Int) -> Void) {
        typealias Field = Ext4JournalSuperblock.Field
        func load(_ field: Int) -> UInt32 { (bytes.load(UInt32.self, at: field) ?? 0).byteSwapped }
        let magic = load(Field.magic), kind = load(Field.kind), blockSize = load(Field.blockSize)
        let stated = load(Field.blocks), first = load(Field.firstBlock)
        guard magic == Ext4JournalSuperblock.magic else {
            return report("begins with \(Ext4Checksums.Mismatch.hex(magic)), and should with c03b3998", Field.magic)
        }
        if !Ext4JournalSuperblock.kinds.contains(kind) {
            report("begins with a block of the kind \(kind), and should with 3 or 4", Field.kind)
        }
        if UInt64(blockSize) != superblock.blockSize {
            report("has blocks of \(blockSize) bytes, and the filesystem of \(superblock.blockSize)", Field.blockSize)
        }
        if UInt64(stated) > blocks || stated == 0 {
            report("says that it has \(stated) blocks, and its inode has \(blocks)", Field.blocks)
        }
        if first >= max(1, stated) || first == 0 {
            report("begins at its block \(first) of \(stated)", Field.firstBlock)
        }
        if kind == Ext4JournalSuperblock.kinds.last,
            load(Field.incompatible) & Ext4JournalSuperblock.checksumFeatures != 0
        {
            var cleared = bytes
            cleared.store(UInt32(0), at: Field.checksum)
            let checksum = Ext4Checksums.crc(.max, cleared[...])
            if let wrong = Ext4Checksums.Mismatch(load(Field.checksum), checksum) {
                report(wrong.words, Field.checksum)
            }
        }
    }

    // MARK: Space to grow

    /// The doubly indirect block of the resize inode leads to the blocks after group 0's descriptors. Each of these
    /// leads to the blocks with the same position in the groups that have copies.
    private func checkResize(_ node: Ext4Volume.Node) throws(ImageError) {
        typealias Area = Ext4Inode.BlockArea
        let reserved = superblock.information.reservedDescriptorBlocks
        let record = node.record
        guard !superblock.has(.metaGroups) else { return }
        func report(_ what: String, _ offset: UInt64) {
            census.report(.ext4ResizeInode, "the resize inode, inode 7, \(what)", offset: offset)
        }
        let top = UInt64(record.area.load(UInt32.self, at: Area.doublyIndirect) ?? 0)
        guard let head = groups.heads.first, let range = head.descriptors, reserved > 0 else {
            if top != 0 { census.claim(top, 1, owner: node.inode) }
            return
        }
        guard isFile(record, report) else { return }
        guard isInside(top, 1), !groups.hasMetadata(top..<top + 1) else {
            let field = Ext4Inode.Field.area + Area.doublyIndirect
            return report("leads to block \(top), where it cannot be", record.offset + UInt64(field))
        }
        census.claim(top, 1, owner: node.inode)
        let blockSize = superblock.blockSize
        let perBlock = Int(blockSize / 4)
        let children = try volume.source.read(Int(blockSize), at: top * blockSize)
        let used = range.count - Int(clamping: min(reserved, UInt64(range.count)))
        for index in used..<range.count {
            let expected = range.lowerBound + UInt64(index)
            let position = 4 * (index % perBlock)
            let child = UInt64(children.load(UInt32.self, at: position) ?? 0)
            guard child == expected, expected < superblock.blocks else {
                return report("leads to block \(child), and should to \(expected)", top * blockSize + UInt64(position))
            }
            guard try checkResizeBlock(expected, report) else { return }
        }
    }

    /// Checks one block that the resize inode leads to.
    /// - Returns: whether it is right. A fault is reported.
    private func checkResizeBlock(
        _ block: UInt64, _ report: (String, UInt64) -> Void
    ) throws(ImageError) -> Bool {
        let offset = block * superblock.blockSize
        let bytes = try volume.source.read(Int(superblock.blockSize), at: offset)
        let copies = groups.heads.dropFirst().filter { $0.superblock != nil }
        for (index, copy) in copies.enumerated() {
            let expected = block + UInt64(copy.group) * superblock.information.blocksPerGroup
            let found = UInt64(bytes.load(UInt32.self, at: 4 * index) ?? 0)
            guard found == expected else {
                report(
                    "leads to block \(found) for group \(copy.group), and should to \(expected)",
                    offset + UInt64(4 * index))
                return false
            }
        }
        return true
    }
}
