import CExt2FS

/// Lays a plan out in blocks: allocates block numbers, writes inodes through libext2fs, and maps the blocks of data to
/// their sources.
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
    /// Files whose extents do not fit their inodes. The blocks of their trees are allocated after all data.
    private var fragmented: [FragmentedFile] = []
    private let reservedBlocks: UInt64

    private struct FragmentedFile {
        var node: FileTree.NodeID
        var extents: [ExtentTree.Extent]
        /// The blocks of its data.
        var blocks: UInt64
        var isIndexed: Bool
    }

    /// Consecutive blocks of a file, from the block `first` of the file on, and their numbers on the disk.
    private typealias Fragment = (first: UInt64, disk: [Range<UInt64>])

    init(
        _ plan: Ext4Plan, _ geometry: Ext4Geometry, hash: DirectoryHash, options: Ext4Options, reservedBlocks: UInt64
    ) throws(ImageError) {
        let filesystem = try Ext4Filesystem(geometry, options: options, reservedBlocks: reservedBlocks)
        let (locations, taken) = geometry.groupLocations()
        filesystem.setLocations(locations)
        self.plan = plan
        self.geometry = geometry
        self.hash = hash
        self.filesystem = filesystem
        self.taken = taken
        self.reservedBlocks = reservedBlocks
        // At most half of the slack: the other half stays in one range at the end.
        cursor = BlockCursor(
            blocks: geometry.blocks, taken: taken, gapBudget: options.slack / Ext4Geometry.blockSize / 2)
        map = SegmentMap(size: geometry.blocks * Ext4Geometry.blockSize)
        directoriesInGroup = [UInt32](repeating: 0, count: geometry.groups)
    }

    mutating func layOut(journalBlocks: UInt64, progress: Progress?) throws(ImageError) -> Ext4Formatter.Layout {
        try progress?.begin(.layout, total: UInt64(plan.order.count))
        table = map.addTable(plan.tree.hostFiles)
        firstChunk = map.addChunks(plan.tree.bytes.chunks)
        let resizeBlock = try cursor.allocate(1)[0].lowerBound
        try filesystem.writeResizeInode(block: resizeBlock)
        try writeJournal(journalBlocks)
        try writeDirectories(progress)
        markBoundary()
        try writeData(progress)
        markBoundary()
        let extentBlocks = try writeExtentTrees()
        try writeInlineNodes()

        let used = (taken + cursor.allocated).sorted { $0.lowerBound < $1.lowerBound }
        filesystem.setUsed(used, lastInode: plan.lastInode, directories: directoriesInGroup)
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

    // MARK: Journal and directories

    private mutating func writeJournal(_ blocks: UInt64) throws(ImageError) {
        let disk = try cursor.allocate(blocks)
        let extents = Self.extents([(0, disk)])
        let attributes = FileAttributes(permissions: 0o600)
        var record = ext2_inode_large(
            mode: Ext4Mode.file | attributes.permissions, attributes: attributes,
            size: blocks * Ext4Geometry.blockSize, links: 1)
        // 64 MiB cross the structures of at most one group, so the extents always fit the inode.
        record.setExtents(ExtentTree.build(extents, disk: []).inode, blocks: blocks)
        try filesystem.write(Ext4ReservedInode.journal, record)
        try filesystem.writeJournal(blocks, firstBlock: disk[0].lowerBound, inode: record)
    }

    private mutating func writeDirectories(_ progress: Progress?) throws(ImageError) {
        for (count, node) in plan.order.enumerated() where plan.tree.kind(of: node) == .directory {
            if count % 4096 == 0 { try progress?.checkCancelled() }
            let directory: DirectoryBlocks
            if let built = plan.largeDirectories[node] {
                directory = built
            } else {
                directory = try plan.buildDirectory(node, hash: hash)
            }
            let inode = plan.inode(of: node)
            let disk = try cursor.allocate(UInt64(directory.blocks.count))
            var numbers = disk.lazy.flatMap { $0 }.makeIterator()
            for var block in directory.blocks {
                try filesystem.setChecksum(ofDirectoryBlock: &block, of: inode)
                if let number = numbers.next() { add(block, at: number) }
            }
            try write(
                node, [(first: 0, disk: disk)], blocks: UInt64(directory.blocks.count), isIndexed: directory.isIndexed)
            directoriesInGroup[Int(UInt64(inode - 1) / geometry.inodesPerGroup)] += 1
        }
    }

    // MARK: Data

    private mutating func writeData(_ progress: Progress?) throws(ImageError) {
        // The parts of files that are cut, until all parts are allocated.
        var scattered: [FileTree.NodeID: (fragments: [Fragment], blocks: UInt64)] = [:]
        for (index, item) in plan.items.enumerated() {
            if index % 4096 == 0 {
                try progress?.checkCancelled()
                progress?.advance(4096)
            }
            if item.batchBlocks > 0 { cursor.makeRoom(for: UInt64(item.batchBlocks)) }
            if let unit = item.unit {
                map.addMark(
                    at: cursor.position * Ext4Geometry.blockSize, unit: unit.key, isGathered: unit.isCluster)
            }
            if plan.tree.kind(of: item.node) == .symlink {
                let disk = try cursor.allocate(1)
                addMemory(of: item.node, item.range, at: disk[0].lowerBound * Ext4Geometry.blockSize)
                try write(item.node, [(0, disk)], blocks: 1)
                continue
            }
            var fragments: [Fragment] = []
            var blocks: UInt64 = 0
            for range in plan.storedRanges(of: item.node, in: item.range) {
                let count = range.length.dividedRoundingUp(by: Ext4Geometry.blockSize)
                let disk = try cursor.allocate(count, inMultiplesOf: Ext4DataOrder.batchBlocks)
                addContent(of: item.node, range, at: disk)
                fragments.append((range.lowerBound / Ext4Geometry.blockSize, disk))
                blocks += count
            }
            if item.isWhole {
                try write(item.node, fragments, blocks: blocks)
            } else {
                scattered[item.node, default: ([], 0)].fragments += fragments
                scattered[item.node, default: ([], 0)].blocks += blocks
            }
        }
        for (node, file) in scattered.sorted(by: { $0.key < $1.key }) {
            try write(node, file.fragments.sorted { $0.first < $1.first }, blocks: file.blocks)
        }
    }

    /// Maps the blocks of a part of a file's content to their source.
    private mutating func addContent(of node: FileTree.NodeID, _ range: Range<UInt64>, at disk: [Range<UInt64>]) {
        var start = range.lowerBound
        for blocks in disk {
            let offset = blocks.lowerBound * Ext4Geometry.blockSize
            let room = blocks.length * Ext4Geometry.blockSize
            let length = min(room, range.upperBound - start)
            switch plan.tree.content(of: node) {
            case .bytes: addMemory(of: node, start..<start + length, at: offset)
            case .host(let file): map.add(file: file, of: table, start: start, length: length, at: offset)
            case .source(let source, let base): map.add(source, start: base + start, length: length, at: offset)
            }
            start += length
        }
    }

    /// Maps the block of a link's target, or of file content that is in memory.
    private mutating func addMemory(of node: FileTree.NodeID, _ range: Range<UInt64>, at offset: UInt64) {
        let (chunk, bytes) = plan.tree.memoryRange(of: node)
        let start = bytes.lowerBound + Int(range.lowerBound)
        map.add(chunk: firstChunk + chunk, start..<start + Int(range.length), at: offset)
    }

    /// Writes the trees and inodes of fragmented files.
    /// - Returns: the blocks of the trees.
    private mutating func writeExtentTrees() throws(ImageError) -> UInt64 {
        var total: UInt64 = 0
        for file in fragmented {
            let inode = plan.inode(of: file.node)
            let count = UInt64(ExtentTree.blocks(forExtents: file.extents.count))
            let disk = try cursor.allocate(count).flatMap { $0 }
            let (top, blocks) = ExtentTree.build(file.extents, disk: disk)
            for (number, var block) in zip(disk, blocks) {
                try filesystem.writeExtentBlock(&block, of: inode, at: number)
            }
            var record = record(of: file.node, blocks: file.blocks)
            record.setExtents(top, blocks: file.blocks + count, isIndexed: file.isIndexed)
            try filesystem.write(inode, record)
            total += count
        }
        return total
    }

    /// Writes the inodes of files and links without blocks.
    private func writeInlineNodes() throws(ImageError) {
        let empty = ExtentTree.build([], disk: []).inode
        for node in plan.order {
            let size = plan.tree.size(of: node)
            var record: ext2_inode_large
            switch plan.tree.kind(of: node) {
            case .file where size == 0:
                record = self.record(of: node)
                record.setExtents(empty, blocks: 0)
            case .symlink where size <= Ext4Plan.maximumInlineTarget:
                record = self.record(of: node)
                record.setBlockArea(plan.tree.target(of: node))
            default: continue
            }
            try filesystem.write(plan.inode(of: node), record)
        }
    }

    // MARK: Inodes

    /// Writes the inode of a node whose blocks are allocated, or keeps it until those of its extent tree are.
    private mutating func write(
        _ node: FileTree.NodeID, _ fragments: [Fragment], blocks: UInt64, isIndexed: Bool = false
    ) throws(ImageError) {
        let extents = Self.extents(fragments)
        if extents.count > ExtentTree.entriesInInode {
            fragmented.append(FragmentedFile(node: node, extents: extents, blocks: blocks, isIndexed: isIndexed))
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
            // The number 1 stands for more than 65,000 subdirectories (feature dir_nlink).
            return ext2_inode_large(
                mode: Ext4Mode.directory | attributes.permissions, attributes: attributes,
                size: blocks * Ext4Geometry.blockSize,
                links: links > UInt32(FileTree.maximumLinks) ? 1 : UInt16(links))
        case .file:
            return ext2_inode_large(
                mode: Ext4Mode.file | attributes.permissions, attributes: attributes, size: plan.tree.size(of: node),
                links: UInt16(truncatingIfNeeded: links))
        case .symlink:
            return ext2_inode_large(
                mode: Ext4Mode.symlink | 0o777, attributes: attributes, size: plan.tree.size(of: node),
                links: UInt16(truncatingIfNeeded: links))
        }
    }

    /// The extents of a file, ascending.
    private static func extents(_ fragments: [Fragment]) -> [ExtentTree.Extent] {
        var extents: [ExtentTree.Extent] = []
        for (first, disk) in fragments {
            var logical = first
            for blocks in disk {
                var start = blocks.lowerBound
                while start < blocks.upperBound {
                    let count = min(blocks.upperBound - start, ExtentTree.maximumLength)
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

    /// Ends a frame where the kind of content changes.
    private mutating func markBoundary() { map.addMark(at: cursor.position * Ext4Geometry.blockSize) }

    /// Adds a directory's block without the zeros inside it, which may be most of it.
    private mutating func add(_ block: [UInt8], at number: UInt64) {
        let offset = number * Ext4Geometry.blockSize
        let tail = DirectoryBlocks.tail
        let used = block.withUnsafeBytes { UnsafeRawBufferPointer(rebasing: $0[..<tail]).lengthInUse }
        if used + 64 < tail {
            map.add(block[..<used], at: offset)
            map.add(block[tail...], at: offset + UInt64(tail))
        } else {
            map.add(block, at: offset)
        }
    }

    /// Adds the blocks that libext2fs wrote, and marks where the groups' structures interrupt the data.
    private mutating func addMetadata() {
        for (block, bytes) in filesystem.store.blocks.sorted(by: { $0.key < $1.key }) {
            let used = bytes.withUnsafeBytes { $0.lengthInUse }
            map.add(sharing: bytes, count: used, at: block * Ext4Geometry.blockSize)
        }
        for skip in cursor.skips {
            map.addMark(at: skip.lowerBound * Ext4Geometry.blockSize)
            map.addMark(at: skip.upperBound * Ext4Geometry.blockSize)
        }
    }
}
