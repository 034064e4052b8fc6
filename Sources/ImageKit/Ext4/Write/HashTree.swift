/// An indexed directory: leaves that hold entries in the order of their hashes, under an index of one or two levels.
///
/// ```
///   block 0, root:   "." | ".." to the block's end | 0 u32, hash version, 8, levels, 0 | limit, count u16, block u32 | hash, block | …
///   index block:     an empty entry over the whole block | limit, count u16, block u32 | hash, block u32 | …
///   leaf:            a linear block
///   The last 8 bytes of root and index blocks are 0 u32 and the checksum. The lowest bit of a hash in the index says
///   that its leaf continues the hash of the leaf before.
/// ```
///
/// Source: the kernel's documentation of ext4, "Hash Tree Directories".
struct HashTree {
    static let rootLimit = (DirectoryBlocks.blockSize - 32 - 8) / 8
    static let nodeLimit = (DirectoryBlocks.blockSize - 8 - 8) / 8

    private enum Field {
        static let info = 24, version = 28, infoLength = 29, levels = 30
        static let rootEntries = 32, nodeEntries = 8
    }

    /// All blocks, in the order of the file: root, index blocks, leaves.
    let blocks: [[UInt8]]

    /// One line of the index: the lowest hash below it, and the block it leads to.
    private struct IndexEntry {
        var hash: UInt32
        var block: UInt32
    }

    init(
        inode: UInt32, parent: UInt32, entries: [DirectoryBlocks.Entry], hash: DirectoryHash
    ) throws(ImageError) {
        var hashed: [(hash: UInt32, entry: DirectoryBlocks.Entry)] = []
        hashed.reserveCapacity(entries.count)
        for entry in entries { hashed.append((try hash(entry.name), entry)) }
        hashed.sort { left, right in
            left.hash != right.hash
                ? left.hash < right.hash : left.entry.name.lexicographicallyPrecedes(right.entry.name)
        }

        let leaves = Self.leaves(of: hashed)
        let needsNodes = leaves.count > Self.rootLimit
        let nodeCount = needsNodes ? leaves.count.dividedRoundingUp(by: Self.nodeLimit) : 0
        guard nodeCount <= Self.rootLimit else {
            throw ImageError(
                .doesNotFit, "a folder has too many entries", reason: "\(entries.count) need an index of three levels",
                remedy: "divide it")
        }
        var index: [IndexEntry] = []
        for (position, leaf) in leaves.enumerated() {
            let continues = leaf.lowerBound > 0 && hashed[leaf.lowerBound - 1].hash == hashed[leaf.lowerBound].hash
            index.append(
                IndexEntry(
                    hash: hashed[leaf.lowerBound].hash | (continues ? 1 : 0), block: UInt32(1 + nodeCount + position)))
        }

        var nodes: [[UInt8]] = []
        if needsNodes {
            var upper: [IndexEntry] = []
            for start in stride(from: 0, to: index.count, by: Self.nodeLimit) {
                let part = index[start..<min(start + Self.nodeLimit, index.count)]
                upper.append(IndexEntry(hash: part[start].hash, block: UInt32(1 + nodes.count)))
                nodes.append(Self.node(part))
            }
            index = upper
        }
        let root = Self.root(inode: inode, parent: parent, levels: needsNodes ? 1 : 0, index[...])
        blocks = [root] + nodes + leaves.map { DirectoryBlocks.linearBlock(hashed[$0].map(\.entry)[...]) }
    }

    /// Fills leaves one after the other.
    private static func leaves(of entries: [(hash: UInt32, entry: DirectoryBlocks.Entry)]) -> [Range<Int>] {
        var leaves: [Range<Int>] = []
        var start = 0
        var used = 0
        for index in entries.indices {
            let length = entries[index].entry.length
            if used + length > DirectoryBlocks.tail {
                leaves.append(start..<index)
                start = index
                used = 0
            }
            used += length
        }
        leaves.append(start..<entries.count)
        return leaves
    }

    private static func root(inode: UInt32, parent: UInt32, levels: UInt8, _ index: ArraySlice<IndexEntry>) -> [UInt8] {
        var block = [UInt8](repeating: 0, count: DirectoryBlocks.blockSize)
        DirectoryBlocks.write(.init(inode: inode, kind: .directory, name: [0x2E]), length: 12, at: 0, of: &block)
        DirectoryBlocks.write(
            .init(inode: parent, kind: .directory, name: [0x2E, 0x2E]), length: DirectoryBlocks.blockSize - 12, at: 12,
            of: &block)
        block[Field.version] = DirectoryHash.versionOnDisk
        block[Field.infoLength] = 8
        block[Field.levels] = levels
        write(index, limit: rootLimit, at: Field.rootEntries, of: &block)
        return block
    }

    private static func node(_ index: ArraySlice<IndexEntry>) -> [UInt8] {
        var block = [UInt8](repeating: 0, count: DirectoryBlocks.blockSize)
        DirectoryBlocks.write(
            .init(inode: 0, kind: .unknown, name: []), length: DirectoryBlocks.blockSize, at: 0, of: &block)
        write(index, limit: nodeLimit, at: Field.nodeEntries, of: &block)
        return block
    }

    /// The first line has no hash (everything below the second one's is its); limit and count stand in its place.
    private static func write(_ index: ArraySlice<IndexEntry>, limit: Int, at offset: Int, of block: inout [UInt8]) {
        var place = offset
        for entry in index {
            block.store(entry.hash, at: place)
            block.store(entry.block, at: place + 4)
            place += 8
        }
        block.store(UInt16(limit), at: offset)
        block.store(UInt16(index.count), at: offset + 2)
    }
}
