/// Bitmaps, counts and inode tables, group after group.
extension Ext4GroupCheck {
    /// A block's bits, in words.
    private struct Bits {
        var words: [UInt64]

        init(count: Int) { words = [UInt64](repeating: 0, count: count.dividedRoundingUp(by: 64)) }

        init(_ bytes: [UInt8]) {
            words = [UInt64](repeating: 0, count: bytes.count.dividedRoundingUp(by: 8))
            for index in words.indices { words[index] = bytes.load(at: 8 * index) ?? 0 }
        }

        subscript(bit: Int) -> Bool {
            get { bit >> 6 < words.count && words[bit >> 6] >> UInt64(bit & 63) & 1 != 0 }
            set {
                guard bit >= 0, bit >> 6 < words.count else { return }
                let mask = UInt64(1) << UInt64(bit & 63)
                if newValue { words[bit >> 6] |= mask } else { words[bit >> 6] &= ~mask }
            }
        }

        mutating func set(_ range: Range<Int>) {
            var bit = range.lowerBound
            while bit < range.upperBound {
                if bit & 63 == 0, range.upperBound - bit >= 64, bit >> 6 < words.count {
                    words[bit >> 6] = .max
                    bit += 64
                } else {
                    self[bit] = true
                    bit += 1
                }
            }
        }

        /// How many of the first bits are not set.
        func free(_ count: Int) -> UInt64 {
            var free: UInt64 = 0
            for index in 0..<count.dividedRoundingUp(by: 64) where index < words.count {
                let rest = count - 64 * index
                let mask: UInt64 = rest >= 64 ? .max : (1 << UInt64(rest)) - 1
                free += UInt64((~words[index] & mask).nonzeroBitCount)
            }
            return free
        }

        /// Runs of bits below `count` that are set here and not there.
        func forEachRun(beside other: Bits, _ count: Int, _ visit: (Range<Int>) -> Void) {
            var start: Int?
            var bit = 0
            while bit < count {
                let word = words[bit >> 6] & ~(bit >> 6 < other.words.count ? other.words[bit >> 6] : 0)
                if start == nil, word == 0, bit & 63 == 0 {
                    bit += 64
                    continue
                }
                let isSet = word >> UInt64(bit & 63) & 1 != 0
                if isSet, start == nil { start = bit }
                if !isSet, let first = start {
                    visit(first..<bit)
                    start = nil
                }
                bit += 1
            }
            if let first = start { visit(first..<count) }
        }
    }

    /// A group's bitmap, its checksum and padding checked.
    /// - Returns: `nil` where it is not kept on the disk, or cannot be found.
    private func bitmap(
        _ name: String, of group: Int, at block: UInt64, bits: Int, used: Int, checksum: UInt32,
        _ kind: Finding.Kind
    ) throws(ImageError) -> Bits? {
        guard isInside(block, 1) else { return nil }
        let place = block * superblock.blockSize
        let bytes = try volume.source.read(Int(superblock.blockSize), at: place)
        if volume.checksums.isOn {
            let sum = volume.checksums.bitmap(bytes.prefix(bits / 8))
            let isWide = superblock.descriptorSize >= 64
            if let wrong = Ext4Checksums.Mismatch(checksum, isWide ? sum : sum & 0xFFFF) {
                census.report(kind, "the \(name) bitmap of group \(group) \(wrong.words)", offset: place)
            }
        }
        let found = Bits(bytes)
        let padding = found.free(bytes.count * 8) - found.free(used)
        if padding > 0 {
            census.report(
                .ext4BitmapPadding,
                "the \(name) bitmap of group \(group) has \(padding) bits after its end that are not set",
                offset: place)
        }
        return found
    }

    private func compare(
        _ kind: Finding.Kind, _ what: String, _ seen: UInt64, _ expected: UInt64, _ offset: UInt64?
    ) {
        guard seen != expected else { return }
        census.report(kind, "\(what): \(seen) are counted, and there are \(expected)", offset: offset)
    }

    // MARK: Inodes

    /// Reads all inode tables and compares them with the bitmaps and with what has a name.
    /// - Returns: how many inodes the groups say are free.
    func checkInodes() throws(ImageError) -> UInt64 {
        let perGroup = Int(superblock.inodesPerGroup)
        var reached: [Int: [(index: Int, seen: Ext4Census.Reached)]] = [:]
        for (inode, seen) in census.reached where inode > 0 && inode <= superblock.inodes {
            reached[Int(inode - 1) / perGroup, default: []].append((Int(inode - 1) % perGroup, seen))
        }
        var free: UInt64 = 0
        var nameless = 0, leaked = 0
        for group in 0..<groups.count {
            try census.checkCancelled()
            let descriptor = groups[group]
            let place = offset(ofDescriptor: group)
            free = free.addingClamping(descriptor.freeInodes)
            let isEmpty = hasGroupChecksums && descriptor.hasNoInodes
            var marked = Bits(count: perGroup)
            if !isEmpty {
                guard
                    let found = try bitmap(
                        "inode", of: group, at: descriptor.inodeBitmap, bits: perGroup, used: perGroup,
                        checksum: descriptor.inodeBitmapChecksum, .ext4InodeBitmapChecksum)
                else { continue }
                marked = found
            }
            var inUse = Bits(count: perGroup)
            var named = Bits(count: perGroup)
            var directories: UInt64 = 0
            for (index, seen) in reached[group] ?? [] {
                inUse[index] = true
                named[index] = true
                if seen.kind == 2 { directories += 1 }
            }
            let first = UInt32(clamping: group * perGroup)
            if group * perGroup < Int(superblock.firstInode) - 1 {
                let own = 0..<min(perGroup, Int(superblock.firstInode) - 1 - group * perGroup)
                inUse.set(own)
                named.set(own)
            }
            let unused = hasGroupChecksums ? Int(clamping: descriptor.unusedInodes) : 0
            let count = isEmpty ? 0 : max(0, perGroup - unused)
            try forEachRecord(of: group, count) { (index, bytes, offset) throws(ImageError) in
                guard !named[index] else { return }
                inUse[index] = true
                let kind = try orphan(first + UInt32(index) + 1, bytes, at: offset)
                if kind == 2 { directories += 1 }
                if kind != 0 { nameless += 1 }
                guard kind != 0, nameless <= Findings.limitPerKind, !census.isPartial, !hasOrphans else { return }
                census.report(
                    .ext4InodeOrphan,
                    "inode \(first + UInt32(index) + 1) is in use, and no name leads to it", offset: offset)
            }
            inUse.forEachRun(beside: marked, perGroup) { run in
                for index in run.prefix(Findings.limitPerKind) {
                    let inode = first + UInt32(index) + 1
                    census.report(
                        .ext4InodeFree, "inode \(inode) is in use, and free in the bitmap of its group", inode: inode,
                        offset: descriptor.inodeBitmap.multipliedClamping(by: superblock.blockSize)
                            .addingClamping(UInt64(index / 8)))
                }
            }
            marked.forEachRun(beside: inUse, perGroup) { run in
                leaked += run.count
                guard !hasOrphans else { return }
                census.report(
                    .ext4InodeLeaked,
                    "\(run.count) inodes from \(Int(first) + run.lowerBound + 1) on are in use in the bitmap of their "
                        + "group, and are not",
                    offset: descriptor.inodeBitmap.multipliedClamping(by: superblock.blockSize)
                        .addingClamping(UInt64(run.lowerBound / 8)))
            }
            compare(
                .ext4FreeInodes, "free inodes of group \(group)", descriptor.freeInodes, marked.free(perGroup), place)
            if !census.isPartial, !hasOrphans {
                compare(.ext4DirectoryCount, "folders of group \(group)", descriptor.directories, directories, place)
            }
            let beyond = (perGroup - min(perGroup, unused))..<perGroup
            if unused > perGroup || beyond.contains(where: { marked[$0] || inUse[$0] }) {
                census.report(
                    .ext4UnusedInodes,
                    "group \(group) says that its last \(unused) inodes have never been used, and some are",
                    offset: place)
            }
        }
        if nameless > 0, census.isPartial, !census.isUnsupported {
            census.report(.ext4InodeOrphan, "\(nameless) inodes are in use, and no name that can be read leads to them")
        }
        return free
    }

    /// Visits the records of a group's table that are in use.
    private func forEachRecord(
        of group: Int, _ count: Int, _ visit: (Int, [UInt8], UInt64) throws(ImageError) -> Void
    ) throws(ImageError) {
        let size = superblock.inodeSize
        let table = groups.inodeTable(group)
        guard count > 0, isInside(table, groups.tableBlocks) else { return }
        let start = table * superblock.blockSize
        let perRead = (1 << 20) / size
        for first in stride(from: 0, to: count, by: perRead) {
            let part = min(perRead, count - first)
            let bytes = try volume.source.read(part * size, at: start + UInt64(first * size))
            let used = bytes.withUnsafeBytes { raw in
                (0..<part).filter { raw[$0 * size + 0x1A] != 0 || raw[$0 * size + 0x1B] != 0 }
            }
            for index in used {
                try visit(
                    first + index, Array(bytes[index * size..<(index + 1) * size]),
                    start + UInt64((first + index) * size))
            }
        }
    }

    /// An inode that is in use and that no name leads to.
    /// - Returns: its kind as a directory would say it; 0 for what needs no name.
    private func orphan(_ inode: UInt32, _ bytes: [UInt8], at offset: UInt64) throws(ImageError) -> UInt8 {
        do {
            let node = try volume.node(inode, bytes, at: offset) { census.report($0) }
            try census.check(node)
            try claimMap(of: node)
            return node.record.flags & Ext4Inode.Flag.attributeValue != 0 ? 0 : node.kind.inDirectories
        } catch {
            guard error.damage != nil else { throw error }
            census.report(error)
            return .max
        }
    }

    /// Claims what the map of an inode has that is in no tree.
    /// - Returns: the map, where there is one.
    @discardableResult
    func claimMap(of node: Ext4Volume.Node) throws(ImageError) -> Ext4BlockMap? {
        switch node.kind {
        case .file, .directory: break
        case .symlink where !volume.hasTargetInside(node.record): break
        default: return nil
        }
        guard node.record.flags & Ext4Inode.Flag.inline == 0 else { return nil }
        let map = try Ext4BlockRuns.survey(node.record, volume, limit: &census.mapBudget, isComplete: true)
        census.claim(map, of: node)
        for error in map.faults { census.report(error) }
        if let failure = map.failure {
            census.lost(node.inode, failure)
            census.report(failure)
        }
        return map
    }

    // MARK: Blocks

    /// Compares the block bitmaps with what is claimed, and finds what is claimed twice.
    /// - Returns: how many clusters the groups say are free.
    func checkBlocks() throws(ImageError) -> UInt64 {
        var claims = census.sortedClaims()
        let ratio = superblock.clusterBlocks
        if ratio == 1 {
            checkTwice(claims)
        } else if claims.contains(where: { $0.owner != 0 }) {
            census.report(.ext4Unsupported, "the block bitmaps are not compared with files where clusters are in use")
        }
        claims = Self.disjoint(claims)
        var free: UInt64 = 0
        var next = 0
        var leaked: UInt64 = 0
        for group in 0..<groups.count {
            try census.checkCancelled()
            let descriptor = groups[group]
            free = free.addingClamping(descriptor.freeClusters)
            let range = blocks(of: group)
            let clusters = Int(range.length.dividedRoundingUp(by: ratio))
            var claimed = Bits(count: clusters), own = Bits(count: clusters)
            while next < claims.count, claims[next].end <= range.lowerBound { next += 1 }
            var index = next
            while index < claims.count, claims[index].first < range.upperBound {
                let part = range.clamped(to: claims[index].first..<claims[index].end)
                if !part.isEmpty {
                    let bits =
                        Int(
                            (part.lowerBound - range.lowerBound) / ratio)..<Int(
                            (part.upperBound - range.lowerBound).dividedRoundingUp(by: ratio))
                    claimed.set(bits)
                    if claims[index].owner == 0 { own.set(bits) }
                }
                index += 1
            }
            var marked = own
            if !(hasGroupChecksums && descriptor.hasNoBlocks) {
                guard
                    let found = try bitmap(
                        "block", of: group, at: descriptor.blockBitmap,
                        bits: Int(superblock.information.blocksPerGroup / ratio), used: clusters,
                        checksum: descriptor.blockBitmapChecksum, .ext4BlockBitmapChecksum)
                else { continue }
                marked = found
            }
            compare(
                .ext4FreeBlocks, "free blocks of group \(group)", descriptor.freeClusters, marked.free(clusters),
                offset(ofDescriptor: group))
            guard ratio == 1 else { continue }
            claimed.forEachRun(beside: marked, clusters) { run in
                let first = range.lowerBound + UInt64(run.lowerBound)
                let owner = Self.owner(of: first, claims)
                census.report(
                    .ext4BlockFree,
                    "\(run.count) blocks from \(first) on are in use by "
                        + "\(owner == 0 ? "the filesystem itself" : "inode \(owner)"), and free in the bitmap",
                    inode: owner, offset: first * superblock.blockSize)
            }
            marked.forEachRun(beside: claimed, clusters) { run in
                leaked += UInt64(run.count)
                guard !census.isPartial, !hasOrphans else { return }
                let first = range.lowerBound + UInt64(run.lowerBound)
                census.report(
                    .ext4BlockLeaked,
                    "\(run.count) blocks from \(first) on are in use in the bitmap, and belong to nothing",
                    offset: first * superblock.blockSize)
            }
        }
        if leaked > 0, census.isPartial, !census.isUnsupported {
            census.report(.ext4BlockLeaked, "\(leaked) blocks are in use, and belong to nothing that can be read")
        }
        return free
    }

    private func checkTwice(_ claims: [Ext4Census.Claim]) {
        guard !superblock.has(.sharedBlocks) else { return }
        var last: Ext4Census.Claim?
        for claim in claims {
            if let last, claim.first < last.end {
                let (file, other) = claim.owner == 0 ? (last.owner, claim.owner) : (claim.owner, last.owner)
                let count = min(claim.end, last.end) - claim.first
                let words = "\(count) blocks from \(claim.first) on are twice in use: by "
                let offset = claim.first * superblock.blockSize
                if file == 0 {
                    census.report(.ext4GroupLocation, words + "the filesystem itself", offset: offset)
                } else {
                    census.report(
                        .ext4BlockTwice,
                        words + "inode \(file) and by \(other == 0 ? "the filesystem itself" : "inode \(other)")",
                        inode: file, other: other == 0 ? nil : other, offset: offset)
                }
            }
            if last == nil || claim.end > (last?.end ?? 0) { last = claim }
        }
    }

    /// Each block once, so that the groups' parts follow one another.
    private static func disjoint(_ claims: [Ext4Census.Claim]) -> [Ext4Census.Claim] {
        var found: [Ext4Census.Claim] = []
        found.reserveCapacity(claims.count)
        for var claim in claims {
            if let end = found.last?.end, claim.first < end {
                guard claim.end > end else { continue }
                claim.count -= UInt32(end - claim.first)
                claim.first = end
            }
            found.append(claim)
        }
        return found
    }

    /// Whose a block is.
    private static func owner(of block: UInt64, _ claims: [Ext4Census.Claim]) -> UInt32 {
        var low = 0, high = claims.count
        while low < high {
            let middle = (low + high) / 2
            if claims[middle].first <= block { low = middle + 1 } else { high = middle }
        }
        return low > 0 && claims[low - 1].end > block ? claims[low - 1].owner : 0
    }

    // MARK: Totals

    /// What the superblock says is free, against the sums of the groups.
    func checkTotals(_ freeInodes: UInt64, _ freeClusters: UInt64) {
        let information = superblock.information
        compare(
            .ext4Totals, "free inodes of the superblock", information.freeInodes, freeInodes,
            Ext4Superblock.offset + 0x10)
        compare(
            .ext4Totals, "free blocks of the superblock", information.freeBlocks,
            freeClusters.multipliedClamping(by: superblock.clusterBlocks), Ext4Superblock.offset + 0x0C)
    }
}
