/// Checks the index of a directory: its blocks, its order, and that every name is in the block to which its hash leads.
struct Ext4DirectoryIndex {
    typealias Fault = (kind: Finding.Kind, what: String, offset: UInt64?)

    /// An entry of the index: the lowest hash below it, and the block that it leads to. The first entry has no hash.
    private struct IndexEntry {
        var hash: UInt32
        var block: UInt32
    }

    /// A block that may belong to the index.
    private struct Node {
        var entries: [IndexEntry]
        var limit: Int, count: Int
        var offset: UInt64
    }

    /// The range of the hashes of a block's names.
    private struct Leaf {
        var lowest: (hash: UInt32, name: [UInt8]), highest: (hash: UInt32, name: [UInt8])
        var offset: UInt64
    }

    private let superblock: Ext4Superblock
    private let blocks: UInt64
    private var nodes: [UInt64: Node] = [:]
    private var leaves: [UInt64: Leaf] = [:]
    private var hash: DirectoryHash?
    private var levels = 0
    private var found: [Fault] = []

    /// The hash of encrypted directories that ignore case. Its seed is not in the superblock.
    private static let siphash: UInt8 = 6
    /// The hashes with a seed in the superblock are 0 to 2. Those over unsigned characters are 3 more in libext2fs.
    private static let maximumVersion: UInt8 = 2, unsignedVersions: Int32 = 3

    init(_ superblock: Ext4Superblock, blocks: UInt64) {
        self.superblock = superblock
        self.blocks = blocks
    }

    /// Adds a block of the directory, before its names.
    mutating func addBlock(_ bytes: [UInt8], _ number: UInt64, at offset: UInt64) {
        typealias Field = Ext4IndexBlock.Field
        typealias Entry = Ext4IndexBlock.Entry
        let start: Int
        if number == 0 {
            start = Field.rootEntries
            addRoot(bytes, at: offset)
        } else {
            guard bytes.load(UInt32.self, at: Ext4DirectoryEntry.Field.inode) == 0,
                Ext4IndexBlock.entriesOffset(in: bytes) == Field.nodeEntries
            else { return }
            start = Field.nodeEntries
        }
        let limit = Int(bytes.load(UInt16.self, at: start + Entry.limit) ?? 0)
        let count = Int(bytes.load(UInt16.self, at: start + Entry.count) ?? 0)
        var entries: [IndexEntry] = []
        for index in 0..<min(count, (bytes.count - start) / Entry.length) {
            let position = start + Entry.length * index
            entries.append(
                IndexEntry(
                    hash: index == 0 ? 0 : bytes.load(at: position + Entry.hash) ?? 0,
                    block: (bytes.load(at: position + Entry.block) ?? 0) & Entry.blockMask))
        }
        nodes[number] = Node(entries: entries, limit: limit, count: count, offset: offset)
    }

    private mutating func addRoot(_ bytes: [UInt8], at offset: UInt64) {
        typealias Field = Ext4IndexBlock.Field
        let version: UInt8 = bytes.load(at: Field.version) ?? 0, length: UInt8 = bytes.load(at: Field.infoLength) ?? 0
        let depth: UInt8 = bytes.load(at: Field.levels) ?? 0
        let reserved: UInt32 = bytes.load(at: Field.reserved) ?? 0
        levels = Int(depth)
        let maximum = superblock.has(.largeDirectories) ? 2 : 1
        if levels > maximum {
            found.append(
                (.ext4Index, "has an index of \(levels + 1) levels, and \(maximum + 1) are allowed", offset))
        }
        if length != Ext4IndexBlock.infoLength || reserved != 0 {
            found.append(
                (.ext4Index, "has an index whose root begins with \(reserved) and has \(length) bytes", offset))
        }
        if version == Self.siphash { return }
        guard version <= Self.maximumVersion else {
            found.append((.ext4Index, "has an index by the hash \(version), which does not exist", offset))
            return
        }
        let flags: UInt32 = superblock.bytes.load(at: Ext4Superblock.Field.flags) ?? 0
        let isUnsigned = flags & Ext4Superblock.unsignedHashFlag != 0
        let seed = superblock.bytes.dropFirst(Ext4Superblock.Field.hashSeed)
        hash = DirectoryHash(
            seed: Array(seed.prefix(Ext4Superblock.Field.hashSeedLength)),
            version: Int32(version) + (isUnsigned ? Self.unsignedVersions : 0))
    }

    /// Adds a name of the block that was added last.
    mutating func addName(_ entry: Ext4DirectoryEntry) {
        guard let value = try? hash?(entry.name[...]) else { return }
        guard var leaf = leaves[entry.block] else {
            leaves[entry.block] = Leaf(lowest: (value, entry.name), highest: (value, entry.name), offset: entry.offset)
            return
        }
        guard value < leaf.lowest.hash || value > leaf.highest.hash else { return }
        if value < leaf.lowest.hash { leaf.lowest = (value, entry.name) } else { leaf.highest = (value, entry.name) }
        leaves[entry.block] = leaf
    }

    /// The faults of the index, once all blocks and names have been added.
    /// - Parameter isPlain: whether the names are hashed as they are.
    func faults(isPlain: Bool) -> [Fault] {
        var check = self
        var visited: Set<UInt64> = [0]
        if blocks < 2 { check.found.append((.ext4Index, "has an index, and only \(blocks) blocks", nil)) }
        if levels <= 2 { check.descend(0, levels, 0, nil, isPlain, &visited) }
        if check.found.isEmpty {
            for block in 0..<blocks where !visited.contains(block) {
                check.found.append((.ext4IndexLeaf, "has the block \(block), which its index does not lead to", nil))
                if check.found.count > Findings.maximumPerKind { break }
            }
        }
        return check.found
    }

    private mutating func add(_ kind: Finding.Kind, _ what: String, _ offset: UInt64?) {
        if found.count < Findings.maximumPerKind { found.append((kind, what, offset)) }
    }

    /// Checks the node in `block` and everything below it.
    /// - Parameters:
    ///   - low: the lowest hash below the node, with its lowest bit as the index has it.
    ///   - high: the lowest hash after the node; `nil` at the end.
    private mutating func descend(
        _ block: UInt64, _ level: Int, _ low: UInt32, _ high: UInt32?, _ isPlain: Bool, _ visited: inout Set<UInt64>
    ) {
        guard let node = nodes[block] else {
            return add(.ext4Index, "has no block of its index at its block \(block)", nil)
        }
        let tail = superblock.has(.metadataChecksums) ? Ext4IndexBlock.tailLength : 0
        let start = block == 0 ? Ext4IndexBlock.Field.rootEntries : Ext4IndexBlock.Field.nodeEntries
        let limit = (Int(superblock.blockSize) - start - tail) / Ext4IndexBlock.Entry.length
        guard node.limit == limit, node.count > 0, node.count <= limit else {
            return add(
                .ext4Index,
                "has an index whose block \(block) says that it has \(node.count) of \(node.limit) lines, "
                    + "and \(limit) are possible", node.offset)
        }
        for (position, entry) in node.entries.enumerated() {
            let first = position == 0 ? low : entry.hash
            let next = position + 1 < node.entries.count ? node.entries[position + 1].hash : high
            if position > 0, entry.hash < (position == 1 ? low & ~1 : node.entries[position - 1].hash) {
                add(
                    .ext4IndexOrder, "has an index whose block \(block) is not in order at its line \(position)",
                    node.offset)
                continue
            }
            let child = UInt64(entry.block)
            guard child < blocks, visited.insert(child).inserted else {
                add(
                    .ext4IndexLeaf,
                    "has an index whose block \(block) leads to the block \(child), "
                        + (child < blocks ? "as another line does" : "and only \(blocks) are there"), node.offset)
                continue
            }
            if level > 0 {
                descend(child, level - 1, first, next, isPlain, &visited)
            } else if isPlain {
                compare(child, first, next)
            }
        }
    }

    private mutating func compare(_ block: UInt64, _ low: UInt32, _ high: UInt32?) {
        guard let leaf = leaves[block] else { return }
        // If the next block continues a hash, both blocks may have names with it.
        let end = high.map { $0 & 1 == 0 ? $0 : $0 & ~1 &+ 2 }
        for (hash, name) in [leaf.lowest, leaf.highest] where hash < low & ~1 || end.map({ hash >= $0 }) == true {
            add(
                .ext4IndexHash,
                "has the name '\(ImageError.printable(String(decoding: name, as: UTF8.self)))' in its block \(block), "
                    + "where its hash \(Ext4Checksums.Mismatch.hex(hash)) does not lead", leaf.offset)
            return
        }
    }
}
