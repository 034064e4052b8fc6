/// Builds an indexed directory: leaves with entries in the order of their hashes, under an index of one or two levels.
/// See ``Ext4IndexBlock`` for the format. A leaf is a linear block.
struct HashTree {
    private typealias Field = Ext4IndexBlock.Field
    private typealias Entry = Ext4IndexBlock.Entry
    private typealias HashedEntry = (hash: UInt32, entry: DirectoryBlocks.Entry)

    /// The index entries that fit the root, and a node.
    private static let rootLimit = limit(from: Field.rootEntries), nodeLimit = limit(from: Field.nodeEntries)

    private static func limit(from start: Int) -> Int {
        (DirectoryBlocks.blockSize - start - Ext4IndexBlock.tailLength) / Entry.length
    }

    /// All blocks, in the order of the file: root, nodes, leaves.
    let blocks: [[UInt8]]

    /// An entry of the index: the lowest hash below it, and the block that it leads to.
    private struct IndexEntry {
        var hash: UInt32
        var block: UInt32
    }

    init(
        inode: UInt32, parent: UInt32, entries: [DirectoryBlocks.Entry], hash: DirectoryHash
    ) throws(ImageError) {
        let hashed = try Self.sorted(entries, hash)
        let leaves = Self.leaves(of: hashed)
        let needsNodes = leaves.count > Self.rootLimit
        let nodeCount = needsNodes ? leaves.count.dividedRoundingUp(by: Self.nodeLimit) : 0
        guard nodeCount <= Self.rootLimit else {
            throw ImageError(
                .doesNotFit, "a folder has too many entries", reason: "\(entries.count) need an index of three levels",
                remedy: "divide it")
        }
        var index = Self.index(of: leaves, in: hashed, firstBlock: 1 + nodeCount)
        var nodes: [[UInt8]] = []
        if needsNodes {
            var upper: [IndexEntry] = []
            for start in stride(from: 0, to: index.count, by: Self.nodeLimit) {
                let entries = index[start..<min(start + Self.nodeLimit, index.count)]
                upper.append(IndexEntry(hash: entries[start].hash, block: UInt32(1 + nodes.count)))
                nodes.append(Self.node(entries))
            }
            index = upper
        }
        let root = Self.root(inode: inode, parent: parent, levels: needsNodes ? 1 : 0, index[...])
        blocks = [root] + nodes + leaves.map { DirectoryBlocks.linearBlock(hashed[$0].map(\.entry)[...]) }
    }

    /// The entries in the order of their hashes, and of their names if these are equal.
    private static func sorted(
        _ entries: [DirectoryBlocks.Entry], _ hash: DirectoryHash
    ) throws(ImageError) -> [HashedEntry] {
        var hashed: [HashedEntry] = []
        hashed.reserveCapacity(entries.count)
        for entry in entries { hashed.append((try hash(entry.name), entry)) }
        hashed.sort { left, right in
            left.hash != right.hash
                ? left.hash < right.hash : left.entry.name.lexicographicallyPrecedes(right.entry.name)
        }
        return hashed
    }

    /// Fills one leaf after the other.
    private static func leaves(of entries: [HashedEntry]) -> [Range<Int>] {
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

    /// An index entry for each leaf. The lowest bit of its hash says that the leaf before ends with the same hash.
    private static func index(
        of leaves: [Range<Int>], in entries: [HashedEntry], firstBlock: Int
    ) -> [IndexEntry] {
        leaves.enumerated().map { position, leaf in
            let hash = entries[leaf.lowerBound].hash
            let continues = leaf.lowerBound > 0 && entries[leaf.lowerBound - 1].hash == hash
            return IndexEntry(hash: hash | (continues ? 1 : 0), block: UInt32(firstBlock + position))
        }
    }

    private static func root(inode: UInt32, parent: UInt32, levels: UInt8, _ index: ArraySlice<IndexEntry>) -> [UInt8] {
        var block = [UInt8](repeating: 0, count: DirectoryBlocks.blockSize)
        let dot = Ext4DirectoryEntry.minimumLength
        DirectoryBlocks.write(DirectoryBlocks.dot(inode), length: dot, at: 0, of: &block)
        DirectoryBlocks.write(
            DirectoryBlocks.dots(parent), length: DirectoryBlocks.blockSize - dot, at: dot, of: &block)
        block[Field.version] = DirectoryHash.versionOnDisk
        block[Field.infoLength] = Ext4IndexBlock.infoLength
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

    /// Writes the index entries. The first one's hash is not needed: limit and count replace it.
    private static func write(_ index: ArraySlice<IndexEntry>, limit: Int, at offset: Int, of block: inout [UInt8]) {
        var position = offset
        for entry in index {
            block.store(entry.hash, at: position + Entry.hash)
            block.store(entry.block, at: position + Entry.block)
            position += Entry.length
        }
        block.store(UInt16(limit), at: offset + Entry.limit)
        block.store(UInt16(index.count), at: offset + Entry.count)
    }
}
