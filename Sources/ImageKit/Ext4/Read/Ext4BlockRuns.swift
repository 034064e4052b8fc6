/// A run of blocks of a file that is a run of blocks on the disk. What no run covers is zero.
struct Ext4Run: Hashable, Sendable {
    var first: UInt64
    var count: UInt64
    var disk: UInt64
}

/// What a file's map of blocks says.
struct Ext4BlockMap {
    /// What can be read of the file's bytes.
    var runs: [Ext4Run] = []
    /// All blocks that the file has on the disk, where they were asked for: of its bytes, also those that are only set
    /// aside or beyond its end, and of the map itself.
    var claims: [(disk: UInt64, count: UInt64)] = []
    /// Those of the claims, each of one block, that are of the map itself.
    var maps: Set<UInt64> = []
    /// The last block of the file that has been written to, and the last one that it has at all.
    var lastWritten: UInt64?, last: UInt64?
    /// Damage that did not stop the reading.
    var faults: [ImageError] = []
    /// Damage that did: what is after it is not known.
    var failure: ImageError?
}

/// Finds where a file's blocks are: by its tree of extents or its indirect blocks.
///
/// libext2fs's own iterators are made for images that are sound. Here every number is checked before it is used: trees
/// get lower with each step, no block of a map is visited twice, extents ascend, and none is outside of the filesystem or
/// in its metadata.
struct Ext4BlockRuns {
    private let source: any ByteSource
    private let superblock: Ext4Superblock
    private let groups: Ext4Groups
    private let checksums: Ext4Checksums
    private let inode: Ext4Inode
    /// Blocks from here on are beyond the file's end.
    private let end: UInt64
    private let isComplete: Bool
    private var visited: Set<UInt64> = []
    private var map = Ext4BlockMap()
    private var nextLogical: UInt64 = 0
    private var leaves = 0
    private let limit: UInt64

    /// - Parameter limit: as many runs and blocks of maps as there may be; what is found is taken off it. Files that share
    ///   a map (which no sound filesystem has) would otherwise cost as much as there are files.
    static func find(
        _ inode: Ext4Inode, _ volume: Ext4Volume, limit: inout UInt64
    ) throws(ImageError) -> [Ext4Run] {
        let map = try survey(inode, volume, limit: &limit, isComplete: false)
        if let error = map.faults.first ?? map.failure { throw error }
        return map.runs
    }

    /// The same as far as it can be had. Throws only what the source throws.
    /// - Parameter isComplete: whether also what lies beyond the file's end is looked at, and all claims are kept.
    static func survey(
        _ inode: Ext4Inode, _ volume: Ext4Volume, limit: inout UInt64, isComplete: Bool
    ) throws(ImageError) -> Ext4BlockMap {
        var finder = Ext4BlockRuns(inode, volume, limit: limit, isComplete: isComplete)
        do {
            if inode.flags & Ext4Inode.Flag.extents != 0 {
                try finder.node(inode.area, capacity: 4, parent: nil, at: inode.offset)
            } else {
                try finder.indirect()
            }
        } catch {
            guard error.damage != nil else { throw error }
            finder.map.failure = error
        }
        limit -= min(limit, finder.cost)
        return finder.map
    }

    private init(_ inode: Ext4Inode, _ volume: Ext4Volume, limit: UInt64, isComplete: Bool) {
        source = volume.source
        superblock = volume.superblock
        groups = volume.groups
        checksums = volume.checksums
        self.inode = inode
        self.isComplete = isComplete
        end = inode.size.dividedRoundingUp(by: volume.superblock.blockSize)
        self.limit = limit
    }

    private var cost: UInt64 { UInt64(map.runs.count) + UInt64(visited.count) + UInt64(leaves) }

    private func damage(_ kind: Finding.Kind, _ reason: String, _ offset: UInt64? = nil) -> ImageError {
        .damagedInode(inode.number, at: offset ?? inode.offset, reason, kind)
    }

    private func tooMany(_ offset: UInt64) -> ImageError {
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
            if let last = map.claims.last, last.disk + last.count == disk, !map.maps.contains(last.disk) {
                map.claims[map.claims.count - 1].count += count
            } else {
                leaves += 1
                guard cost <= limit else { throw tooMany(offset) }
                map.claims.append((disk, count))
            }
        }
        // Blocks may be set aside beyond the end.
        guard isWritten, first < end else { return }
        let count = min(count, end - first)
        if let last = map.runs.last, last.first + last.count == first, last.disk + last.count == disk {
            map.runs[map.runs.count - 1].count += count
            return
        }
        guard cost < limit else { throw tooMany(offset) }
        map.runs.append(Ext4Run(first: first, count: count, disk: disk))
    }

    private mutating func mapBlock(_ block: UInt64, at offset: UInt64) throws(ImageError) -> [UInt8] {
        try check(block, 1, at: offset)
        guard visited.insert(block).inserted else {
            throw damage(.ext4BlockTwice, "block \(block) is twice in the map of its blocks", offset)
        }
        guard cost <= limit else { throw tooMany(offset) }
        if isComplete {
            map.claims.append((block, 1))
            map.maps.insert(block)
        }
        return try source.read(Int(superblock.blockSize), at: block * superblock.blockSize)
    }

    // MARK: Extents

    private mutating func node(
        _ bytes: [UInt8], capacity: Int, parent: (depth: UInt16, first: UInt32)?, at offset: UInt64
    ) throws(ImageError) {
        guard bytes.load(UInt16.self, at: 0) == 0xF30A, let count: UInt16 = bytes.load(at: 2),
            let maximum: UInt16 = bytes.load(at: 4), let depth: UInt16 = bytes.load(at: 6),
            count <= maximum, Int(maximum) <= capacity, depth <= 5, parent == nil || depth + 1 == parent?.depth
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
            let place = 12 + 12 * index
            guard let first: UInt32 = bytes.load(at: place), let low: UInt32 = bytes.load(at: place + 8),
                let length: UInt16 = bytes.load(at: place + 4), let high: UInt16 = bytes.load(at: place + 6),
                let childLow: UInt32 = bytes.load(at: place + 4), let childHigh: UInt16 = bytes.load(at: place + 8)
            else { throw damage(.ext4ExtentTree, "its tree of extents is damaged", offset) }
            guard UInt64(first) >= nextLogical else {
                throw damage(.ext4ExtentTree, "its extents do not ascend", offset)
            }
            if depth > 0 {
                let child = UInt64(childLow) | UInt64(childHigh) << 32
                let block = try mapBlock(child, at: offset)
                try node(
                    block, capacity: (block.count - 12) / 12, parent: (depth, first),
                    at: child * superblock.blockSize)
                continue
            }
            let isUnwritten = length > 32_768
            let count = UInt64(isUnwritten ? length - 32_768 : length)
            let disk = UInt64(low) | UInt64(high) << 32
            guard count > 0 else { throw damage(.ext4ExtentTree, "it has an extent of no blocks", offset) }
            guard UInt64(first) + count <= 1 << 32 else {
                throw damage(.ext4ExtentTree, "it has \(count) blocks from its block \(first) on", offset)
            }
            try check(disk, count, at: offset)
            nextLogical = UInt64(first) + count
            try add(UInt64(first), count, disk, isWritten: !isUnwritten, at: offset)
        }
    }

    /// What does not keep the tree from being read, but the kernel from finding what is in it.
    private func shapeFault(
        _ bytes: [UInt8], count: UInt16, depth: UInt16, parent: (depth: UInt16, first: UInt32)?
    ) -> String? {
        guard count > 0 || (parent == nil && depth == 0) else { return "a part of its tree of extents is empty" }
        guard let parent, let first: UInt32 = bytes.load(at: 12), first != parent.first else { return nil }
        return "a block of its extents begins with its block \(first), and the tree says \(parent.first)"
    }

    // MARK: Indirect blocks

    private mutating func indirect() throws(ImageError) {
        let perBlock = superblock.blockSize / 4
        let most = 12 + perBlock + perBlock * perBlock + perBlock * perBlock * perBlock
        guard end <= most else {
            throw damage(
                .ext4InodeSize, "its size is \(inode.size), more than the map of its blocks can hold")
        }
        let stop = isComplete ? most : end
        var logical: UInt64 = 0
        for index in 0..<15 where logical < stop {
            guard let block: UInt32 = inode.area.load(at: 4 * index) else { return }
            let level = max(0, index - 11)
            try indirect(UInt64(block), level: level, from: logical, until: stop, at: inode.offset)
            logical += Self.span(level, perBlock)
        }
    }

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
        for place in stride(from: 0, to: bytes.count, by: 4) where logical < stop {
            let child: UInt32 = bytes.load(at: place) ?? 0
            try indirect(
                UInt64(child), level: level - 1, from: logical, until: stop, at: block * superblock.blockSize)
            logical += span
        }
    }
}
