/// Builds the map from a file's blocks to those of the disk: a tree of extents. See ``Ext4ExtentNode`` for the format.
struct ExtentTree {
    /// Consecutive blocks of a file that are consecutive on the disk.
    struct Extent: Hashable, Sendable {
        /// The first block, counted in the file.
        var first: UInt32
        var count: UInt32
        /// The first block on the disk.
        var disk: UInt64
    }

    /// The most blocks of an extent.
    static let maximumLength = UInt64(Ext4ExtentNode.maximumLength)
    static let entriesInInode = Ext4ExtentNode.entriesInInode
    static let entriesInBlock = Ext4ExtentNode.entries(inBlockOf: Int(Ext4Geometry.blockSize))

    /// The number of blocks, beside the inode, of a tree with that many extents.
    static func blocks(forExtents count: Int) -> Int {
        var nodes = count
        var blocks = 0
        while nodes > entriesInInode {
            nodes = nodes.dividedRoundingUp(by: entriesInBlock)
            blocks += nodes
        }
        return blocks
    }

    /// Builds the tree.
    /// - Parameter disk: the numbers of its blocks; ``blocks(forExtents:)`` says how many it needs.
    /// - Returns: the 60 bytes for the inode, and the blocks (without checksums) in the order of `disk`.
    static func build(_ extents: [Extent], disk: [UInt64]) -> (inode: [UInt8], blocks: [[UInt8]]) {
        var entries = extents.map { (first: $0.first, bytes: leafEntry($0)) }
        var blocks: [[UInt8]] = []
        var depth: UInt16 = 0
        while entries.count > entriesInInode {
            var parents: [(first: UInt32, bytes: [UInt8])] = []
            for start in stride(from: 0, to: entries.count, by: entriesInBlock) {
                let children = entries[start..<min(start + entriesInBlock, entries.count)]
                let first = children.first?.first ?? 0
                parents.append((first, indexEntry(first, child: disk[blocks.count])))
                blocks.append(
                    node(
                        children.map(\.bytes), maximum: entriesInBlock, depth: depth,
                        length: Int(Ext4Geometry.blockSize)))
            }
            entries = parents
            depth += 1
        }
        let inode = node(
            entries.map(\.bytes), maximum: entriesInInode, depth: depth, length: Ext4Inode.areaLength)
        return (inode, blocks)
    }

    private static func leafEntry(_ extent: Extent) -> [UInt8] {
        typealias Entry = Ext4ExtentNode.Entry
        var entry = [UInt8](repeating: 0, count: Entry.length)
        entry.store(extent.first, at: Entry.first)
        entry.store(UInt16(truncatingIfNeeded: extent.count), at: Entry.count)
        entry.store(UInt16(truncatingIfNeeded: extent.disk >> 32), at: Entry.diskHigh)
        entry.store(UInt32(truncatingIfNeeded: extent.disk), at: Entry.diskLow)
        return entry
    }

    private static func indexEntry(_ first: UInt32, child: UInt64) -> [UInt8] {
        typealias Entry = Ext4ExtentNode.Entry
        var entry = [UInt8](repeating: 0, count: Entry.length)
        entry.store(first, at: Entry.first)
        entry.store(UInt32(truncatingIfNeeded: child), at: Entry.childLow)
        entry.store(UInt16(truncatingIfNeeded: child >> 32), at: Entry.childHigh)
        return entry
    }

    /// A node, padded with zeros to `length`.
    private static func node(_ entries: [[UInt8]], maximum: Int, depth: UInt16, length: Int) -> [UInt8] {
        typealias Header = Ext4ExtentNode.Header
        var bytes = [UInt8](repeating: 0, count: length)
        bytes.store(Ext4ExtentNode.magic, at: Header.magic)
        bytes.store(UInt16(entries.count), at: Header.entries)
        bytes.store(UInt16(maximum), at: Header.maximum)
        bytes.store(depth, at: Header.depth)
        for (index, entry) in entries.enumerated() {
            bytes.store(bytes: entry, at: Header.length + index * Ext4ExtentNode.Entry.length)
        }
        return bytes
    }
}
