import CExt2FS

/// Turns a plan into blocks: gives out block numbers, writes inodes through libext2fs, and records where data goes.
struct Ext4Writer: ~Copyable {
    private let plan: Ext4Plan
    private let geometry: Ext4Geometry
    private let hash: DirectoryHash
    private let filesystem: Ext4Filesystem
    private let taken: [Range<UInt64>]
    private var cursor: BlockCursor
    private var map: SegmentMap
    private var table = 0, firstChunk = 0
    private var directoriesInGroup: [UInt32]
    /// Files whose extents do not fit their inode, until the blocks for their trees are known.
    private var fragmented: [(node: FileTree.NodeID, extents: [ExtentTree.Extent], blocks: UInt64, isIndexed: Bool)] =
        []
    private let reservedBlocks: UInt64

    init(
        _ plan: Ext4Plan, _ geometry: Ext4Geometry, hash: DirectoryHash, options: Ext4Options, reservedBlocks: UInt64
    ) throws(ImageError) {
        let filesystem = try Ext4Filesystem(geometry, options: options, reservedBlocks: reservedBlocks)
        let (places, taken) = geometry.places()
        filesystem.place(places)
        self.plan = plan
        self.geometry = geometry
        self.hash = hash
        self.filesystem = filesystem
        self.taken = taken
        self.reservedBlocks = reservedBlocks
        // Half of the slack at the most: the other half stays in one piece at the end.
        cursor = BlockCursor(
            blocks: geometry.blocks, taken: taken, gapBudget: options.slack / Ext4Geometry.blockSize / 2)
        map = SegmentMap(size: geometry.blocks * Ext4Geometry.blockSize)
        directoriesInGroup = [UInt32](repeating: 0, count: geometry.groups)
    }

    mutating func layOut(journalBlocks: UInt64, progress: Progress?) throws(ImageError) -> Ext4Formatter.Layout {
        try progress?.begin(.layout, total: UInt64(plan.order.count))
        table = map.addTable(plan.tree.hostFiles)
        firstChunk = map.addChunks(plan.tree.bytes.chunks)
        let resizeBlock = try cursor.take(1)[0].lowerBound
        try filesystem.writeResizeInode(block: resizeBlock)
        try writeJournal(journalBlocks)
        try writeDirectories(progress)
        markBoundary()
        try writeData(progress)
        markBoundary()
        let extentBlocks = try writeExtentTrees()
        try writeInlineNodes()

        let used = merged(taken, cursor.given)
        filesystem.account(used: used, lastInode: plan.lastInode, directories: directoriesInGroup)
        try filesystem.finish()
        addMetadata()
        try map.seal()
        let usedBlocks = used.reduce(0) { $0 + $1.length }
        return Ext4Formatter.Layout(
            map: map,
            summary: Ext4Formatter.Summary(
                blocks: geometry.blocks, freeBlocks: geometry.blocks - usedBlocks, reservedBlocks: reservedBlocks,
                inodes: geometry.inodes, freeInodes: geometry.inodes - UInt64(plan.lastInode),
                dataBlocks: plan.dataBlocks, directoryBlocks: plan.directoryBlocks, extentBlocks: extentBlocks,
                journalBlocks: journalBlocks, groups: geometry.groups))
    }

    // MARK: Parts

    private mutating func writeJournal(_ blocks: UInt64) throws(ImageError) {
        let runs = try cursor.take(blocks)
        let extents = Self.extents([(0, runs)])
        var record = ext2_inode_large(
            mode: 0o100600, attributes: FileAttributes(permissions: 0o600), size: blocks * Ext4Geometry.blockSize,
            links: 1)
        // 64 MiB cross one group's structures at the most: always few enough for the inode.
        record.setExtents(ExtentTree.build(extents, disk: []).inode, blocks: blocks)
        try filesystem.write(Ext4Filesystem.journalInode, record)
        try filesystem.writeJournal(blocks, firstBlock: runs[0].lowerBound, inode: record)
    }

    private mutating func writeDirectories(_ progress: Progress?) throws(ImageError) {
        for (count, node) in plan.order.enumerated() where plan.tree.kind(of: node) == .directory {
            if count % 4096 == 0 { try progress?.checkCancelled() }
            let directory: DirectoryBlocks
            if let built = plan.indexed[node] {
                directory = built
            } else {
                directory = try plan.buildDirectory(node, hash: hash)
            }
            let inode = plan.inode(of: node)
            let runs = try cursor.take(UInt64(directory.blocks.count))
            var place = runs.lazy.flatMap { $0 }.makeIterator()
            for var block in directory.blocks {
                try filesystem.setChecksum(ofDirectoryBlock: &block, of: inode)
                if let place = place.next() { add(block, at: place) }
            }
            try write(
                node, runs: [(first: 0, runs: runs)], blocks: UInt64(directory.blocks.count),
                isIndexed: directory.isIndexed)
            directoriesInGroup[Int(UInt64(inode - 1) / geometry.inodesPerGroup)] += 1
        }
    }

    private mutating func writeData(_ progress: Progress?) throws(ImageError) {
        // Files that lie in several places, until all of them are known.
        var scattered: [FileTree.NodeID: (runs: [Run], blocks: UInt64)] = [:]
        for (index, node) in plan.dataOrder.enumerated() {
            if index % 4096 == 0 {
                try progress?.checkCancelled()
                progress?.advance(4096)
            }
            if let blocks = plan.batches[index] { cursor.makeRoom(for: blocks) }
            if let unit = plan.unitStarts[index] {
                map.addMark(
                    at: cursor.position * Ext4Geometry.blockSize, unit: unit.key, isGathered: unit.isGathered)
            }
            if plan.tree.kind(of: node) == .symlink {
                let runs = try cursor.take(1)
                addMemory(
                    of: node, 0..<plan.tree.size(of: node), at: runs[0].lowerBound * Ext4Geometry.blockSize)
                try write(node, runs: [(0, runs)], blocks: 1)
                continue
            }
            let size = plan.tree.size(of: node)
            let part = plan.parts[index]
            var runs: [Run] = []
            var blocks: UInt64 = 0
            for range in plan.storedRanges(of: node, in: part ?? 0..<size) {
                let count = range.length.dividedRoundingUp(by: Ext4Geometry.blockSize)
                let places = try cursor.take(count, inPiecesOf: Ext4Plan.batchBlocks)
                addContent(of: node, range, at: places)
                runs.append((range.lowerBound / Ext4Geometry.blockSize, places))
                blocks += count
            }
            if part == nil {
                try write(node, runs: runs, blocks: blocks)
            } else {
                scattered[node, default: ([], 0)].runs += runs
                scattered[node, default: ([], 0)].blocks += blocks
            }
        }
        for (node, file) in scattered.sorted(by: { $0.key < $1.key }) {
            try write(node, runs: file.runs.sorted { $0.first < $1.first }, blocks: file.blocks)
        }
    }

    /// Records where a part of a file's content lies.
    private mutating func addContent(of node: FileTree.NodeID, _ range: Range<UInt64>, at places: [Range<UInt64>]) {
        var start = range.lowerBound
        for place in places {
            let offset = place.lowerBound * Ext4Geometry.blockSize
            let room = place.length * Ext4Geometry.blockSize
            let length = min(room, range.upperBound - start)
            switch plan.tree.content(of: node) {
            case .bytes: addMemory(of: node, start..<start + length, at: offset)
            case .host(let file): map.add(file: file, of: table, start: start, length: length, at: offset)
            case .source(let source, let base): map.add(source, start: base + start, length: length, at: offset)
            }
            start += length
        }
    }

    /// Records where a part of a link's target lies, or of a file's content that is in memory.
    private mutating func addMemory(of node: FileTree.NodeID, _ range: Range<UInt64>, at offset: UInt64) {
        let (chunk, bytes) = plan.tree.memoryRange(of: node)
        let start = bytes.lowerBound + Int(range.lowerBound)
        map.add(chunk: firstChunk + chunk, start..<start + Int(range.length), at: offset)
    }

    /// Writes the trees of fragmented files, and gives the blocks they take.
    private mutating func writeExtentTrees() throws(ImageError) -> UInt64 {
        var total: UInt64 = 0
        for file in fragmented {
            let inode = plan.inode(of: file.node)
            let count = UInt64(ExtentTree.blocks(forExtents: file.extents.count))
            let disk = try cursor.take(count).flatMap { $0 }
            let (top, blocks) = ExtentTree.build(file.extents, disk: disk)
            for (place, var block) in zip(disk, blocks) {
                try filesystem.writeExtentBlock(&block, of: inode, at: place)
            }
            var record = record(of: file.node, blocks: file.blocks)
            record.setExtents(top, blocks: file.blocks + count, isIndexed: file.isIndexed)
            try filesystem.write(inode, record)
            total += count
        }
        return total
    }

    /// Writes the inodes of files and links that have no blocks.
    private func writeInlineNodes() throws(ImageError) {
        let empty = ExtentTree.build([], disk: []).inode
        for node in plan.order {
            let size = plan.tree.size(of: node)
            var record: ext2_inode_large
            switch plan.tree.kind(of: node) {
            case .file where size == 0:
                record = self.record(of: node)
                record.setExtents(empty, blocks: 0)
            case .symlink where size <= Ext4Plan.longestInlineTarget:
                record = self.record(of: node)
                record.setBlockArea(plan.tree.target(of: node))
            default: continue
            }
            try filesystem.write(plan.inode(of: node), record)
        }
    }

    // MARK: Inodes

    /// Writes the inode of a node whose blocks are known, or keeps it until the blocks of its extent tree are.
    private mutating func write(
        _ node: FileTree.NodeID, runs: [Run], blocks: UInt64, isIndexed: Bool = false
    ) throws(ImageError) {
        let extents = Self.extents(runs)
        if extents.count > ExtentTree.entriesInInode {
            fragmented.append((node, extents, blocks, isIndexed))
            return
        }
        var record = record(of: node, blocks: blocks)
        record.setExtents(ExtentTree.build(extents, disk: []).inode, blocks: blocks, isIndexed: isIndexed)
        try filesystem.write(plan.inode(of: node), record)
    }

    private func record(of node: FileTree.NodeID, blocks: UInt64 = 0) -> ext2_inode_large {
        let attributes = plan.tree.attributes(of: node)
        let links = plan.links[Int(node.index)]
        switch plan.tree.kind(of: node) {
        case .directory:
            // A directory with more than 65,000 subdirectories says 1, meaning "many" (feature dir_nlink).
            return ext2_inode_large(
                mode: 0o040000 | attributes.permissions, attributes: attributes, size: blocks * Ext4Geometry.blockSize,
                links: links > UInt32(FileTree.maximumLinks) ? 1 : UInt16(links))
        case .file:
            return ext2_inode_large(
                mode: 0o100000 | attributes.permissions, attributes: attributes, size: plan.tree.size(of: node),
                links: UInt16(truncatingIfNeeded: links))
        case .symlink:
            return ext2_inode_large(
                mode: 0o120777, attributes: attributes, size: plan.tree.size(of: node),
                links: UInt16(truncatingIfNeeded: links))
        }
    }

    /// Blocks of a file from `first` on, and the disk's that hold them.
    private typealias Run = (first: UInt64, runs: [Range<UInt64>])

    /// Extents for what lies where, ascending.
    private static func extents(_ runs: [Run]) -> [ExtentTree.Extent] {
        var extents: [ExtentTree.Extent] = []
        for (first, runs) in runs {
            var logical = first
            for run in runs {
                var start = run.lowerBound
                while start < run.upperBound {
                    let count = min(run.upperBound - start, ExtentTree.maximumLength)
                    if let last = extents.last, last.disk + UInt64(last.count) == start,
                        UInt64(last.first) + UInt64(last.count) == logical,
                        UInt64(last.count) + count <= ExtentTree.maximumLength
                    {
                        extents[extents.count - 1].count += UInt32(count)
                    } else {
                        extents.append(
                            ExtentTree.Extent(
                                first: UInt32(truncatingIfNeeded: logical), count: UInt32(count), disk: start))
                    }
                    start += count
                    logical += count
                }
            }
        }
        return extents
    }

    // MARK: Map

    /// A frame ends where the kind of content changes.
    private mutating func markBoundary() { map.addMark(at: cursor.position * Ext4Geometry.blockSize) }

    /// Adds a block without the zeros inside it, of which a directory block has many.
    private mutating func add(_ block: [UInt8], at place: UInt64) {
        let offset = place * Ext4Geometry.blockSize
        let tail = DirectoryBlocks.tail
        let used = block.withUnsafeBytes { UnsafeRawBufferPointer(rebasing: $0[..<tail]).lengthInUse }
        if used + 64 < tail {
            map.add(block[..<used], at: offset)
            map.add(block[tail...], at: offset + UInt64(tail))
        } else {
            map.add(block, at: offset)
        }
    }

    /// Adds what libext2fs wrote, and marks where the groups' structures interrupt the data.
    private mutating func addMetadata() {
        for (block, bytes) in filesystem.store.blocks.sorted(by: { $0.key < $1.key }) {
            let used = bytes.withUnsafeBytes { $0.lengthInUse }
            map.add(sharing: bytes, count: used, at: block * Ext4Geometry.blockSize)
        }
        for step in cursor.steps {
            map.addMark(at: step.lowerBound * Ext4Geometry.blockSize)
            map.addMark(at: step.upperBound * Ext4Geometry.blockSize)
        }
    }

    private func merged(_ one: [Range<UInt64>], _ other: [Range<UInt64>]) -> [Range<UInt64>] {
        (one + other).sorted { $0.lowerBound < $1.lowerBound }
    }
}
