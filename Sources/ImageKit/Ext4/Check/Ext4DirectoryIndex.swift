/// The hash tree of a directory, checked: its blocks, its order, and that every name is where its hash leads.
///
/// ```
///   root at byte 32, other blocks of the index at byte 8:
///     limit u16, count u16, block u32 | hash u32, block u32 | …          a line's hash is the lowest one below it
/// ```
///
/// Source: the kernel's documentation of ext4, "Hash Tree Directories".
struct Ext4DirectoryIndex {
    typealias Fault = (kind: Finding.Kind, what: String, offset: UInt64?)

    /// A line of the index. Its first one has no hash.
    private struct Line {
        var hash: UInt32
        var block: UInt32
    }

    /// A block that may be one of the index.
    private struct Node {
        var lines: [Line]
        var limit: Int, count: Int
        var offset: UInt64
    }

    /// The hashes of a block's names.
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

    init(_ superblock: Ext4Superblock, blocks: UInt64) {
        self.superblock = superblock
        self.blocks = blocks
    }

    /// Takes a block of the directory, before its names.
    mutating func block(_ bytes: [UInt8], _ number: UInt64, at offset: UInt64) {
        let start: Int
        if number == 0 {
            start = 32
            root(bytes, at: offset)
        } else {
            guard bytes.load(UInt32.self, at: 0) == 0, Ext4Checksums.indexStart(bytes) == 8 else { return }
            start = 8
        }
        let limit = Int(bytes.load(UInt16.self, at: start) ?? 0),
            count = Int(bytes.load(UInt16.self, at: start + 2) ?? 0)
        var lines: [Line] = []
        for index in 0..<min(count, (bytes.count - start) / 8) {
            lines.append(
                Line(
                    hash: index == 0 ? 0 : bytes.load(at: start + 8 * index) ?? 0,
                    block: (bytes.load(at: start + 8 * index + 4) ?? 0) & 0x0FFF_FFFF))
        }
        nodes[number] = Node(lines: lines, limit: limit, count: count, offset: offset)
    }

    private mutating func root(_ bytes: [UInt8], at offset: UInt64) {
        let version: UInt8 = bytes.load(at: 28) ?? 0, length: UInt8 = bytes.load(at: 29) ?? 0
        let depth: UInt8 = bytes.load(at: 30) ?? 0
        let reserved: UInt32 = bytes.load(at: 24) ?? 0
        levels = Int(depth)
        let most = superblock.has(.largeDirectories) ? 2 : 1
        if levels > most {
            found.append((.ext4Index, "has an index of \(levels + 1) levels, and \(most + 1) are allowed", offset))
        }
        if length != 8 || reserved != 0 {
            found.append(
                (.ext4Index, "has an index whose root begins with \(reserved) and has \(length) bytes", offset))
        }
        if version == 6 { return }
        guard version <= 2 else {
            found.append((.ext4Index, "has an index by the hash \(version), which does not exist", offset))
            return
        }
        let flags: UInt32 = superblock.bytes.load(at: 0x160) ?? 0
        hash = DirectoryHash(
            seed: Array(superblock.bytes.dropFirst(0xEC).prefix(16)), version: Int32(version) + (flags & 2 != 0 ? 3 : 0)
        )
    }

    /// Takes a name of the block that was given last.
    mutating func name(_ entry: Ext4DirectoryEntry) {
        guard let value = try? hash?(entry.name[...]) else { return }
        guard var leaf = leaves[entry.block] else {
            leaves[entry.block] = Leaf(lowest: (value, entry.name), highest: (value, entry.name), offset: entry.offset)
            return
        }
        guard value < leaf.lowest.hash || value > leaf.highest.hash else { return }
        if value < leaf.lowest.hash { leaf.lowest = (value, entry.name) } else { leaf.highest = (value, entry.name) }
        leaves[entry.block] = leaf
    }

    /// What is wrong, once all blocks and names have been taken.
    /// - Parameter isPlain: whether the names were hashed as they are.
    func faults(isPlain: Bool) -> [Fault] {
        var check = self
        var visited: Set<UInt64> = [0]
        if blocks < 2 { check.found.append((.ext4Index, "has an index, and only \(blocks) blocks", nil)) }
        if levels <= 2 { check.descend(0, levels, 0, nil, isPlain, &visited) }
        if check.found.isEmpty {
            for block in 0..<blocks where !visited.contains(block) {
                check.found.append((.ext4IndexLeaf, "has the block \(block), which its index does not lead to", nil))
                if check.found.count > Findings.limitPerKind { break }
            }
        }
        return check.found
    }

    private mutating func add(_ kind: Finding.Kind, _ what: String, _ offset: UInt64?) {
        if found.count < Findings.limitPerKind { found.append((kind, what, offset)) }
    }

    /// - Parameters:
    ///   - low: the lowest hash below, with its lowest bit as the index has it.
    ///   - high: the one that comes after; `nil` at the end.
    private mutating func descend(
        _ block: UInt64, _ level: Int, _ low: UInt32, _ high: UInt32?, _ isPlain: Bool, _ visited: inout Set<UInt64>
    ) {
        guard let node = nodes[block] else {
            return add(.ext4Index, "has no block of its index at its block \(block)", nil)
        }
        let tail = superblock.has(.metadataChecksums) ? 8 : 0
        let limit = (Int(superblock.blockSize) - (block == 0 ? 32 : 8) - tail) / 8
        guard node.limit == limit, node.count > 0, node.count <= limit else {
            return add(
                .ext4Index,
                "has an index whose block \(block) says that it has \(node.count) of \(node.limit) lines, "
                    + "and \(limit) are possible", node.offset)
        }
        for (position, line) in node.lines.enumerated() {
            let first = position == 0 ? low : line.hash
            let next = position + 1 < node.lines.count ? node.lines[position + 1].hash : high
            if position > 0, line.hash < (position == 1 ? low & ~1 : node.lines[position - 1].hash) {
                add(
                    .ext4IndexOrder, "has an index whose block \(block) is not in order at its line \(position)",
                    node.offset)
                continue
            }
            guard UInt64(line.block) < blocks, visited.insert(UInt64(line.block)).inserted else {
                add(
                    .ext4IndexLeaf,
                    "has an index whose block \(block) leads to the block \(line.block), "
                        + (UInt64(line.block) < blocks ? "as another line does" : "and only \(blocks) are there"),
                    node.offset)
                continue
            }
            if level > 0 {
                descend(UInt64(line.block), level - 1, first, next, isPlain, &visited)
            } else if isPlain {
                compare(UInt64(line.block), first, next)
            }
        }
    }

    private mutating func compare(_ block: UInt64, _ low: UInt32, _ high: UInt32?) {
        guard let leaf = leaves[block] else { return }
        // Where the next block continues a hash, names that have it are in both.
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
