/// A file's map from its own blocks to the disk's: a tree of extents, built whole.
///
/// ```
///   node:   magic F30A | entries | max | depth | generation      12 bytes, then entries of 12 bytes
///   leaf:     first block u32 | length u16 | disk block high u16, low u32
///   index:    first block u32 | child low u32 | child high u16 | unused u16
///   The inode holds the top node (4 entries); a block holds 340 and a checksum.
/// ```
///
/// Source: the kernel's documentation of ext4, "The Contents of inode.i_block", "Extent Tree".
struct ExtentTree {
    /// A run of blocks of a file that are a run of blocks on the disk.
    struct Extent: Hashable, Sendable {
        var first: UInt32
        var count: UInt32
        var disk: UInt64
    }

    /// The longest run that one extent can describe.
    static let maximumLength: UInt64 = 32_768
    static let entriesInInode = 4
    static let entriesInBlock = (Int(Ext4Geometry.blockSize) - 12) / 12

    private enum Field {
        static let magic = 0, entries = 2, maximum = 4, depth = 6
        static let header = 12, entry = 12
    }

    /// How many blocks, beside the inode, a tree of so many extents takes.
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
    /// - Parameter disk: the blocks that it may take, as many as ``blocks(forExtents:)`` says.
    /// - Returns: the 60 bytes for the inode, and the blocks (their checksums still zero) in the order of `disk`.
    static func build(_ extents: [Extent], disk: [UInt64]) -> (inode: [UInt8], blocks: [[UInt8]]) {
        var entries = extents.map { extent in
            var entry: [UInt8] = []
            entry.append(littleEndian: extent.first)
            entry.append(littleEndian: UInt16(truncatingIfNeeded: extent.count))
            entry.append(littleEndian: UInt16(truncatingIfNeeded: extent.disk >> 32))
            entry.append(littleEndian: UInt32(truncatingIfNeeded: extent.disk))
            return (first: extent.first, bytes: entry)
        }
        var blocks: [[UInt8]] = []
        var depth: UInt16 = 0
        while entries.count > entriesInInode {
            var parents: [(first: UInt32, bytes: [UInt8])] = []
            for start in stride(from: 0, to: entries.count, by: entriesInBlock) {
                let part = entries[start..<min(start + entriesInBlock, entries.count)]
                var node = node(part.map(\.bytes), maximum: entriesInBlock, depth: depth)
                node += [UInt8](repeating: 0, count: Int(Ext4Geometry.blockSize) - node.count)
                let place = disk[blocks.count]
                var index: [UInt8] = []
                index.append(littleEndian: part.first?.first ?? 0)
                index.append(littleEndian: UInt32(truncatingIfNeeded: place))
                index.append(littleEndian: UInt16(truncatingIfNeeded: place >> 32))
                index.append(littleEndian: UInt16(0))
                parents.append((part.first?.first ?? 0, index))
                blocks.append(node)
            }
            entries = parents
            depth += 1
        }
        var inode = node(entries.map(\.bytes), maximum: entriesInInode, depth: depth)
        inode += [UInt8](repeating: 0, count: 60 - inode.count)
        return (inode, blocks)
    }

    private static func node(_ entries: [[UInt8]], maximum: Int, depth: UInt16) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: Field.header)
        bytes.store(UInt16(0xF30A), at: Field.magic)
        bytes.store(UInt16(entries.count), at: Field.entries)
        bytes.store(UInt16(maximum), at: Field.maximum)
        bytes.store(depth, at: Field.depth)
        for entry in entries { bytes += entry }
        return bytes
    }
}
