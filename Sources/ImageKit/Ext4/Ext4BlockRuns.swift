/// A run of blocks of a file that is a run of blocks on the disk. What no run covers is zero.
struct Ext4Run: Hashable, Sendable {
    var first: UInt64
    var count: UInt64
    var disk: UInt64
}

/// Finds where a file's blocks are: by its tree of extents or its indirect blocks.
///
/// libext2fs's own iterators are made for images that are sound. Here every number is checked before it is used: trees
/// get lower with each step, no block of a map is visited twice, extents ascend, and none is outside of the filesystem or
/// in its metadata.
struct Ext4BlockRuns {
    private let source: any ByteSource
    private let superblock: Ext4Superblock
    private let handle: Ext4Handle
    private let inode: Ext4Inode
    /// Blocks from here on are beyond the file's end.
    private let end: UInt64
    private var visited: Set<UInt64> = []
    private var runs: [Ext4Run] = []
    /// Every run of blocks that its map leads to, also those set aside and beyond its end; `nil` where nobody asks.
    private var places: [Range<UInt64>]?
    private var nextLogical: UInt64 = 0
    private let limit: UInt64

    /// - Parameter limit: as many runs and blocks of maps as there may be; what is found is taken off it. Files that share
    ///   a map (which no sound filesystem has) would otherwise cost as much as there are files.
    static func find(
        _ inode: Ext4Inode, _ volume: Ext4Volume, limit: inout UInt64
    ) throws(ImageError) -> [Ext4Run] {
        var finder = Ext4BlockRuns(inode, volume, limit: limit)
        if inode.flags & Ext4Inode.Flag.extents != 0 {
            try finder.node(inode.area, capacity: 4, depth: nil, at: inode.offset)
        } else {
            try finder.indirect()
        }
        limit -= min(limit, finder.cost)
        return finder.runs
    }

    /// All blocks that are a file's: those of its bytes, written or only set aside, and those of its map.
    /// - Parameter limit: as for ``find(_:_:limit:)``.
    static func places(
        of inode: Ext4Inode, _ volume: Ext4Volume, limit: inout UInt64
    ) throws(ImageError) -> (data: [Range<UInt64>], maps: [UInt64]) {
        var finder = Ext4BlockRuns(inode, volume, limit: limit)
        finder.places = []
        if inode.flags & Ext4Inode.Flag.extents != 0 {
            try finder.node(inode.area, capacity: 4, depth: nil, at: inode.offset)
        } else {
            try finder.indirect()
        }
        let places = finder.places ?? []
        limit -= min(limit, max(finder.cost, UInt64(places.count)))
        return (places, finder.visited.sorted())
    }

    private mutating func note(_ disk: UInt64, _ count: UInt64, at offset: UInt64) throws(ImageError) {
        guard let last = places?.count else { return }
        if last > 0, places?[last - 1].upperBound == disk, let start = places?[last - 1].lowerBound {
            places?[last - 1] = start..<disk + count
            return
        }
        guard UInt64(last) < limit else { throw tooMany(offset) }
        places?.append(disk..<disk + count)
    }

    private init(_ inode: Ext4Inode, _ volume: Ext4Volume, limit: UInt64) {
        source = volume.source
        superblock = volume.superblock
        handle = volume.handle
        self.inode = inode
        end = inode.size.dividedRoundingUp(by: volume.superblock.blockSize)
        self.limit = limit
    }

    private var cost: UInt64 { UInt64(runs.count) + UInt64(visited.count) }

    private func damage(_ reason: String, _ offset: UInt64? = nil) -> ImageError {
        .damagedInode(inode.number, at: offset ?? inode.offset, reason)
    }

    private func tooMany(_ offset: UInt64) -> ImageError {
        damage("the maps of files have more parts than the filesystem has blocks", offset)
    }

    private func check(_ disk: UInt64, _ count: UInt64, at offset: UInt64) throws(ImageError) {
        guard disk >= superblock.firstBlock, disk < superblock.blocks, count <= superblock.blocks - disk else {
            throw damage("it has \(count) blocks at block \(disk), outside of the filesystem", offset)
        }
        let next = handle.metadata.partitioningIndex { $0.upperBound > disk }
        guard next == handle.metadata.count || handle.metadata[next].lowerBound >= disk + count else {
            throw damage("it has \(count) blocks at block \(disk), among the filesystem's own", offset)
        }
    }

    private mutating func add(_ first: UInt64, _ count: UInt64, _ disk: UInt64, at offset: UInt64) throws(ImageError) {
        // Blocks may be set aside beyond the end.
        guard first < end else { return }
        let count = min(count, end - first)
        if let last = runs.last, last.first + last.count == first, last.disk + last.count == disk {
            runs[runs.count - 1].count += count
            return
        }
        guard cost < limit else { throw tooMany(offset) }
        runs.append(Ext4Run(first: first, count: count, disk: disk))
    }

    private mutating func mapBlock(_ block: UInt64, at offset: UInt64) throws(ImageError) -> [UInt8] {
        try check(block, 1, at: offset)
        guard visited.insert(block).inserted else {
            throw damage("block \(block) is twice in the map of its blocks", offset)
        }
        guard cost <= limit else { throw tooMany(offset) }
        return try source.read(Int(superblock.blockSize), at: block * superblock.blockSize)
    }

    // MARK: Extents

    private mutating func node(
        _ bytes: [UInt8], capacity: Int, depth expected: UInt16?, at offset: UInt64
    ) throws(ImageError) {
        guard bytes.load(UInt16.self, at: 0) == 0xF30A, let count: UInt16 = bytes.load(at: 2),
            let maximum: UInt16 = bytes.load(at: 4), let depth: UInt16 = bytes.load(at: 6),
            count <= maximum, Int(maximum) <= capacity, depth <= 5, expected == nil || depth == expected
        else { throw damage("its tree of extents is damaged", offset) }
        if expected != nil {
            var block = bytes
            guard handle.isSound(extentBlock: &block, of: inode.number) else {
                throw damage("the checksum of a block of extents is wrong", offset)
            }
        }
        for index in 0..<Int(count) {
            let place = 12 + 12 * index
            guard let first: UInt32 = bytes.load(at: place), let low: UInt32 = bytes.load(at: place + 8),
                let length: UInt16 = bytes.load(at: place + 4), let high: UInt16 = bytes.load(at: place + 6),
                let childLow: UInt32 = bytes.load(at: place + 4), let childHigh: UInt16 = bytes.load(at: place + 8)
            else { throw damage("its tree of extents is damaged", offset) }
            guard UInt64(first) >= nextLogical else { throw damage("its extents do not ascend", offset) }
            if depth > 0 {
                let child = UInt64(childLow) | UInt64(childHigh) << 32
                let block = try mapBlock(child, at: offset)
                try node(
                    block, capacity: (block.count - 12) / 12, depth: depth - 1, at: child * superblock.blockSize)
                continue
            }
            let isUnwritten = length > 32_768
            let count = UInt64(isUnwritten ? length - 32_768 : length)
            let disk = UInt64(low) | UInt64(high) << 32
            guard count > 0 else { throw damage("it has an extent of no blocks", offset) }
            try check(disk, count, at: offset)
            try note(disk, count, at: offset)
            nextLogical = UInt64(first) + count
            if !isUnwritten { try add(UInt64(first), count, disk, at: offset) }
        }
    }

    // MARK: Indirect blocks

    private mutating func indirect() throws(ImageError) {
        let perBlock = superblock.blockSize / 4
        guard end <= 12 + perBlock + perBlock * perBlock + perBlock * perBlock * perBlock else {
            throw damage("its size is \(inode.size), more than the map of its blocks can hold")
        }
        var logical: UInt64 = 0
        for index in 0..<15 where logical < end {
            guard let block: UInt32 = inode.area.load(at: 4 * index) else { return }
            let level = max(0, index - 11)
            try indirect(UInt64(block), level: level, from: logical, at: inode.offset)
            logical += Self.span(level, perBlock)
        }
    }

    private static func span(_ level: Int, _ perBlock: UInt64) -> UInt64 {
        (0..<level).reduce(1 as UInt64) { span, _ in span * perBlock }
    }

    private mutating func indirect(
        _ block: UInt64, level: Int, from first: UInt64, at offset: UInt64
    ) throws(ImageError) {
        guard block != 0 else { return }
        if level == 0 {
            try check(block, 1, at: offset)
            try note(block, 1, at: offset)
            return try add(first, 1, block, at: offset)
        }
        let bytes = try mapBlock(block, at: offset)
        let span = Self.span(level - 1, superblock.blockSize / 4)
        var logical = first
        for place in stride(from: 0, to: bytes.count, by: 4) where logical < end {
            let child: UInt32 = bytes.load(at: place) ?? 0
            try indirect(UInt64(child), level: level - 1, from: logical, at: block * superblock.blockSize)
            logical += span
        }
    }
}
