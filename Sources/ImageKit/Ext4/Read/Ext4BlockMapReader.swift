/// Reads the map of a file's blocks: its tree of extents or its indirect blocks.
///
/// libext2fs's own iterators are made for sound filesystems. Here every number is checked before it is used: the depth
/// of a tree falls with each step, no block of a map is visited twice, extents ascend, and no extent is outside of the
/// filesystem or in its metadata.
struct Ext4BlockMapReader {
    private let source: any ByteSource
    private let superblock: Ext4Superblock
    private let groups: Ext4Groups
    private let checksums: Ext4Checksums
    private let inode: Ext4Inode
    /// The first block beyond the file's end.
    private let end: UInt64
    private let isComplete: Bool
    private var visited: Set<UInt64> = []
    private var map = Ext4BlockMap()
    private var nextLogical: UInt64 = 0
    private var claims = 0
    private let budget: UInt64

    /// The extents of a file, or the first damage of its map as an error.
    /// - Parameter budget: the extents and map blocks that may be read. Those that are read are subtracted. Files that
    ///   share a map (no sound filesystem has such files) would otherwise cost its size once for each file.
    static func extents(
        of inode: Ext4Inode, in volume: Ext4Volume, budget: inout UInt64
    ) throws(ImageError) -> [Ext4Extent] {
        let map = try read(inode, in: volume, budget: &budget, isComplete: false)
        if let error = map.faults.first ?? map.failure { throw error }
        return map.extents
    }

    /// The map of a file as far as it is readable. Throws only errors of the source.
    /// - Parameters:
    ///   - budget: see ``extents(of:in:budget:)``.
    ///   - isComplete: whether the map is read beyond the file's end, and all claims are kept.
    static func read(
        _ inode: Ext4Inode, in volume: Ext4Volume, budget: inout UInt64, isComplete: Bool
    ) throws(ImageError) -> Ext4BlockMap {
        var reader = Ext4BlockMapReader(inode, volume, budget: budget, isComplete: isComplete)
        do {
            if inode.flags & Ext4Inode.Flag.extents != 0 {
                try reader.node(
                    inode.area, capacity: Ext4ExtentNode.entriesInInode, parent: nil, at: inode.offset)
            } else {
                try reader.indirect()
            }
        } catch {
            guard error.damage != nil else { throw error }
            reader.map.failure = error
        }
        budget -= min(budget, reader.cost)
        return reader.map
    }

    private init(_ inode: Ext4Inode, _ volume: Ext4Volume, budget: UInt64, isComplete: Bool) {
        source = volume.source
        superblock = volume.superblock
        groups = volume.groups
        checksums = volume.checksums
        self.inode = inode
        self.isComplete = isComplete
        end = inode.size.dividedRoundingUp(by: volume.superblock.blockSize)
        self.budget = budget
    }

    private var cost: UInt64 { UInt64(map.extents.count) + UInt64(visited.count) + UInt64(claims) }

    private func damage(_ kind: Finding.Kind, _ reason: String, _ offset: UInt64? = nil) -> ImageError {
        .damagedInode(inode.number, at: offset ?? inode.offset, reason, kind)
    }

    private func overBudget(_ offset: UInt64) -> ImageError {
        damage(.ext4BlockTwice, "the maps of files have more parts than the filesystem has blocks", offset)
    }

    private func check(_ disk: UInt64, _ count: UInt64, at offset: UInt64) throws(ImageError) {
        guard disk >= superblock.firstBlock, disk < superblock.blocks, count <= superblock.blocks - disk else {
            throw damage(
                .ext4BlockOutside, "it has \(count) blocks at block \(disk), outside of the filesystem", offset)
        }
        guard !groups.hasMetadata(disk..<disk + count) else {
            throw damage(
                .ext4BlockTwice, "it has \(count) blocks at block \(disk), among the filesystem's own", offset)
        }
    }

    private mutating func add(
        _ first: UInt64, _ count: UInt64, _ disk: UInt64, isWritten: Bool, at offset: UInt64
    ) throws(ImageError) {
        map.last = max(map.last ?? 0, first + count - 1)
        if isWritten { map.lastWritten = max(map.lastWritten ?? 0, first + count - 1) }
        if isComplete {
            if let last = map.claims.last, last.disk + last.count == disk, !map.mapBlocks.contains(last.disk) {
                map.claims[map.claims.count - 1].count += count
            } else {
                claims += 1
                guard cost <= budget else { throw overBudget(offset) }
                map.claims.append((disk, count))
            }
        }
        // A file may own blocks beyond its end.
        guard isWritten, first < end else { return }
        let count = min(count, end - first)
        if let last = map.extents.last, last.first + last.count == first, last.disk + last.count == disk {
            map.extents[map.extents.count - 1].count += count
            return
        }
        guard cost < budget else { throw overBudget(offset) }
        map.extents.append(Ext4Extent(first: first, count: count, disk: disk))
    }

    private mutating func mapBlock(_ block: UInt64, at offset: UInt64) throws(ImageError) -> [UInt8] {
        try check(block, 1, at: offset)
        guard visited.insert(block).inserted else {
            throw damage(.ext4BlockTwice, "block \(block) is twice in the map of its blocks", offset)
        }
        guard cost <= budget else { throw overBudget(offset) }
        if isComplete {
            map.claims.append((block, 1))
            map.mapBlocks.insert(block)
        }
        return try source.read(Int(superblock.blockSize), at: block * superblock.blockSize)
    }

    // MARK: Extents

    private mutating func node(
        _ bytes: [UInt8], capacity: Int, parent: (depth: UInt16, first: UInt32)?, at offset: UInt64
    ) throws(ImageError) {
        typealias Header = Ext4ExtentNode.Header
        guard bytes.load(UInt16.self, at: Header.magic) == Ext4ExtentNode.magic,
            let count: UInt16 = bytes.load(at: Header.entries), let maximum: UInt16 = bytes.load(at: Header.maximum),
            let depth: UInt16 = bytes.load(at: Header.depth), count <= maximum, Int(maximum) <= capacity,
            depth <= Ext4ExtentNode.maximumDepth, parent == nil || depth + 1 == parent?.depth
        else { throw damage(.ext4ExtentTree, "its tree of extents is damaged", offset) }
        if parent != nil {
            let seed = checksums.seed(inode: inode.number, generation: inode.generation)
            if let wrong = checksums.extentBlock(bytes, seed: seed) {
                map.faults.append(damage(.ext4ExtentChecksum, "a block of its extents \(wrong.words)", offset))
            }
        }
        if isComplete, let fault = shapeFault(bytes, count: count, depth: depth, parent: parent) {
            map.faults.append(damage(.ext4ExtentTree, fault, offset))
        }
        for index in 0..<Int(count) {
            let position = Header.length + Ext4ExtentNode.Entry.length * index
            if depth > 0 {
                try child(bytes, position, depth: depth, at: offset)
            } else {
                try extent(bytes, position, at: offset)
            }
        }
    }

    /// The first block of an entry, which is not below the end of the extents before it.
    private func first(_ bytes: [UInt8], _ position: Int, at offset: UInt64) throws(ImageError) -> UInt32 {
        // The whole entry must be in the node.
        guard let first: UInt32 = bytes.load(at: position + Ext4ExtentNode.Entry.first),
            position + Ext4ExtentNode.Entry.length <= bytes.count
        else { throw damage(.ext4ExtentTree, "its tree of extents is damaged", offset) }
        guard UInt64(first) >= nextLogical else {
            throw damage(.ext4ExtentTree, "its extents do not ascend", offset)
        }
        return first
    }

    private mutating func child(
        _ bytes: [UInt8], _ position: Int, depth: UInt16, at offset: UInt64
    ) throws(ImageError) {
        typealias Entry = Ext4ExtentNode.Entry
        let first = try first(bytes, position, at: offset)
        let low: UInt32 = bytes.load(at: position + Entry.childLow) ?? 0
        let high: UInt16 = bytes.load(at: position + Entry.childHigh) ?? 0
        let child = UInt64(low) | UInt64(high) << 32
        let block = try mapBlock(child, at: offset)
        try node(
            block, capacity: Ext4ExtentNode.entries(inBlockOf: block.count), parent: (depth, first),
            at: child * superblock.blockSize)
    }

    private mutating func extent(_ bytes: [UInt8], _ position: Int, at offset: UInt64) throws(ImageError) {
        typealias Entry = Ext4ExtentNode.Entry
        let first = UInt64(try first(bytes, position, at: offset))
        let length: UInt16 = bytes.load(at: position + Entry.count) ?? 0
        let high: UInt16 = bytes.load(at: position + Entry.diskHigh) ?? 0
        let low: UInt32 = bytes.load(at: position + Entry.diskLow) ?? 0
        let isUnwritten = length > Ext4ExtentNode.maximumLength
        let count = UInt64(isUnwritten ? length - Ext4ExtentNode.maximumLength : length)
        guard count > 0 else { throw damage(.ext4ExtentTree, "it has an extent of no blocks", offset) }
        guard first + count <= 1 << 32 else {
            throw damage(.ext4ExtentTree, "it has \(count) blocks from its block \(first) on", offset)
        }
        let disk = UInt64(low) | UInt64(high) << 32
        try check(disk, count, at: offset)
        nextLogical = first + count
        try add(first, count, disk, isWritten: !isUnwritten, at: offset)
    }

    /// A fault that does not stop this reader, but keeps the kernel from finding extents.
    private func shapeFault(
        _ bytes: [UInt8], count: UInt16, depth: UInt16, parent: (depth: UInt16, first: UInt32)?
    ) -> String? {
        guard count > 0 || (parent == nil && depth == 0) else { return "a part of its tree of extents is empty" }
        guard let parent, let first: UInt32 = bytes.load(at: Ext4ExtentNode.Header.length), first != parent.first
        else { return nil }
        return "a block of its extents begins with its block \(first), and the tree says \(parent.first)"
    }

    // MARK: Indirect blocks

    private mutating func indirect() throws(ImageError) {
        typealias Area = Ext4Inode.BlockArea
        let perBlock = superblock.blockSize / 4
        let maximum = UInt64(Area.directBlocks) + perBlock + perBlock * perBlock + perBlock * perBlock * perBlock
        guard end <= maximum else {
            throw damage(
                .ext4InodeSize, "its size is \(inode.size), more than the map of its blocks can hold")
        }
        let stop = isComplete ? maximum : end
        var logical: UInt64 = 0
        for index in 0..<Area.blocks where logical < stop {
            guard let block: UInt32 = inode.area.load(at: 4 * index) else { return }
            let level = max(0, index - Area.directBlocks + 1)
            try indirect(UInt64(block), level: level, from: logical, until: stop, at: inode.offset)
            logical += Self.span(level, perBlock)
        }
    }

    /// The blocks of a file that a block number of that level stands for.
    private static func span(_ level: Int, _ perBlock: UInt64) -> UInt64 {
        (0..<level).reduce(1 as UInt64) { span, _ in span * perBlock }
    }

    private mutating func indirect(
        _ block: UInt64, level: Int, from first: UInt64, until stop: UInt64, at offset: UInt64
    ) throws(ImageError) {
        guard block != 0 else { return }
        if level == 0 {
            try check(block, 1, at: offset)
            return try add(first, 1, block, isWritten: true, at: offset)
        }
        let bytes = try mapBlock(block, at: offset)
        let span = Self.span(level - 1, superblock.blockSize / 4)
        var logical = first
        for position in stride(from: 0, to: bytes.count, by: 4) where logical < stop {
            let child: UInt32 = bytes.load(at: position) ?? 0
            try indirect(
                UInt64(child), level: level - 1, from: logical, until: stop, at: block * superblock.blockSize)
            logical += span
        }
    }
}
