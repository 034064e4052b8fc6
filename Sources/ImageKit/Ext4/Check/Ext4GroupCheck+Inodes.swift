/// The inode tables and bitmaps, group after group.
extension Ext4GroupCheck {
    /// One group's inodes while they are checked. Bits count from the group's first inode.
    private struct InodeGroup {
        let number: Int
        let descriptor: Ext4GroupDescriptor
        /// The number of inodes before the group.
        let base: UInt32
        /// Inodes that are in use by the bitmap.
        var marked: Ext4Bitmap
        /// Inodes that are in use by the directories and the inode table.
        var inUse: Ext4Bitmap
        /// Inodes that a name leads to, and reserved ones.
        var named: Ext4Bitmap
        var directories: UInt64 = 0

        /// The inode at an index in the group.
        func inode(at index: Int) -> UInt32 { base + UInt32(index) + 1 }
    }

    /// Reads all inode tables and compares them with the bitmaps and with the inodes that have a name.
    /// - Returns: the sum of the free inodes that the groups state.
    func checkInodes() throws(ImageError) -> UInt64 {
        let reached = reachedByGroup()
        var free: UInt64 = 0
        var nameless = 0
        for number in 0..<groups.count {
            try census.checkCancelled()
            free = free.addingClamping(groups[number].freeInodes)
            guard var group = try inodeGroup(number, reached[number] ?? []) else { continue }
            try checkTable(of: &group, nameless: &nameless)
            compareInodes(of: group)
            checkCounters(of: group)
        }
        if nameless > 0, census.isPartial, !census.isUnsupported {
            census.report(.ext4InodeOrphan, "\(nameless) inodes are in use, and no name that can be read leads to them")
        }
        return free
    }

    private var inodesPerGroup: Int { Int(superblock.inodesPerGroup) }

    /// The inodes that names lead to, by their groups and their indices in them.
    private func reachedByGroup() -> [Int: [(index: Int, kind: Ext4FileType)]] {
        var reached: [Int: [(index: Int, kind: Ext4FileType)]] = [:]
        for (inode, seen) in census.reached where inode > 0 && inode <= superblock.inodes {
            let (group, index) = Int(inode - 1).quotientAndRemainder(dividingBy: inodesPerGroup)
            reached[group, default: []].append((index, seen.kind))
        }
        return reached
    }

    /// Reads the bitmap of a group, and marks the inodes that names lead to, and the reserved ones, as in use.
    /// - Returns: `nil` if the bitmap is outside of the filesystem.
    private func inodeGroup(
        _ number: Int, _ reached: [(index: Int, kind: Ext4FileType)]
    ) throws(ImageError) -> InodeGroup? {
        let descriptor = groups[number]
        var marked = Ext4Bitmap(count: inodesPerGroup)
        if !isUnused(descriptor) {
            let found = try bitmap(
                "inode", of: number, at: descriptor.inodeBitmap, bits: inodesPerGroup, used: inodesPerGroup,
                checksum: descriptor.inodeBitmapChecksum, .ext4InodeBitmapChecksum)
            guard let found else { return nil }
            marked = found
        }
        var named = Ext4Bitmap(count: inodesPerGroup)
        var directories: UInt64 = 0
        for (index, kind) in reached {
            named[index] = true
            if kind == .directory { directories += 1 }
        }
        let reserved = Int(superblock.firstInode) - 1 - number * inodesPerGroup
        if reserved > 0 { named.set(0..<min(inodesPerGroup, reserved)) }
        return InodeGroup(
            number: number, descriptor: descriptor, base: UInt32(clamping: number * inodesPerGroup), marked: marked,
            inUse: named, named: named, directories: directories)
    }

    private func isUnused(_ descriptor: Ext4GroupDescriptor) -> Bool { hasGroupChecksums && descriptor.hasNoInodes }

    /// The inodes at the end of a group that have never been used, as its descriptor states them.
    private func unusedInodes(_ descriptor: Ext4GroupDescriptor) -> Int {
        hasGroupChecksums ? Int(clamping: descriptor.unusedInodes) : 0
    }

    /// Reads the inode table of a group, and checks the inodes in it that no name leads to.
    private func checkTable(of group: inout InodeGroup, nameless: inout Int) throws(ImageError) {
        let descriptor = group.descriptor
        let count = isUnused(descriptor) ? 0 : max(0, inodesPerGroup - unusedInodes(descriptor))
        try forEachRecord(of: group.number, count) { (index, bytes, offset) throws(ImageError) in
            guard !group.named[index] else { return }
            group.inUse[index] = true
            let inode = group.inode(at: index)
            let (kind, needsName) = try checkNameless(inode, bytes, at: offset)
            if needsName {
                nameless += 1
                if kind == .directory { group.directories += 1 }
            }
            guard needsName, nameless <= Findings.maximumPerKind, !census.isPartial, !hasOrphans else { return }
            census.report(.ext4InodeOrphan, "inode \(inode) is in use, and no name leads to it", offset: offset)
        }
    }

    /// Compares the inodes in use with the bitmap.
    private func compareInodes(of group: InodeGroup) {
        func offset(ofBit index: Int) -> UInt64 {
            group.descriptor.inodeBitmap.multipliedClamping(by: superblock.blockSize)
                .addingClamping(UInt64(index / 8))
        }
        group.inUse.forEachRange(notIn: group.marked, inodesPerGroup) { range in
            for index in range.prefix(Findings.maximumPerKind) {
                let inode = group.inode(at: index)
                census.report(
                    .ext4InodeFree, "inode \(inode) is in use, and free in the bitmap of its group", inode: inode,
                    offset: offset(ofBit: index))
            }
        }
        // Inodes of deleted files are free once the list of them is cleared.
        guard !hasOrphans else { return }
        group.marked.forEachRange(notIn: group.inUse, inodesPerGroup) { range in
            census.report(
                .ext4InodeLeaked,
                "\(range.count) inodes from \(group.inode(at: range.lowerBound)) on are in use in the bitmap of their "
                    + "group, and are not",
                offset: offset(ofBit: range.lowerBound))
        }
    }

    /// Compares the counters in a group's descriptor with the numbers that were found.
    private func checkCounters(of group: InodeGroup) {
        let descriptor = group.descriptor
        let offset = offset(ofDescriptor: group.number)
        compare(
            .ext4FreeInodes, "free inodes of group \(group.number)", descriptor.freeInodes,
            group.marked.free(inodesPerGroup), offset)
        if !census.isPartial, !hasOrphans {
            compare(
                .ext4DirectoryCount, "folders of group \(group.number)", descriptor.directories, group.directories,
                offset)
        }
        let unused = unusedInodes(descriptor)
        let beyond = (inodesPerGroup - min(inodesPerGroup, unused))..<inodesPerGroup
        if unused > inodesPerGroup || beyond.contains(where: { group.marked[$0] || group.inUse[$0] }) {
            census.report(
                .ext4UnusedInodes,
                "group \(group.number) says that its last \(unused) inodes have never been used, and some are",
                offset: offset)
        }
    }

    /// Visits the records in use among the first `count` of a group's table.
    private func forEachRecord(
        of group: Int, _ count: Int, _ visit: (Int, [UInt8], UInt64) throws(ImageError) -> Void
    ) throws(ImageError) {
        let size = superblock.inodeSize
        let table = groups.inodeTable(group)
        guard count > 0, isInside(table, groups.tableBlocks) else { return }
        let start = table * superblock.blockSize
        let perRead = (1 << 20) / size
        for first in stride(from: 0, to: count, by: perRead) {
            let records = min(perRead, count - first)
            let bytes = try volume.source.read(records * size, at: start + UInt64(first * size))
            let used = bytes.withUnsafeBytes { raw in
                (0..<records).filter {
                    let links = $0 * size + Ext4Inode.Field.links
                    return raw[links] != 0 || raw[links + 1] != 0
                }
            }
            for index in used {
                try visit(
                    first + index, Array(bytes[index * size..<(index + 1) * size]),
                    start + UInt64((first + index) * size))
            }
        }
    }

    /// Checks an inode in use that no name leads to.
    /// - Returns: its kind, unknown if it could not be read, and whether a name should lead to it.
    private func checkNameless(
        _ inode: UInt32, _ bytes: [UInt8], at offset: UInt64
    ) throws(ImageError) -> (kind: Ext4FileType, needsName: Bool) {
        do {
            let node = try volume.node(inode, bytes, at: offset) { census.report($0) }
            try census.check(node)
            try claimMap(of: node)
            return (Ext4FileType(node.kind), node.record.flags & Ext4Inode.Flag.attributeValue == 0)
        } catch {
            guard error.damage != nil else { throw error }
            census.report(error)
            return (.unknown, true)
        }
    }

    /// Reads the map of an inode that is in no tree, and claims its blocks.
    /// - Returns: the map; `nil` if the inode has none.
    @discardableResult
    func claimMap(of node: Ext4Volume.Node) throws(ImageError) -> Ext4BlockMap? {
        guard volume.hasMap(node) else { return nil }
        let map = try volume.read(mapOf: node, budget: &census.extentBudget, observer: census)
        for error in map.faults { census.report(error) }
        if let failure = map.failure {
            census.didFail(node.inode, failure)
            census.report(failure)
        }
        return map
    }
}
