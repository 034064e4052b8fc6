/// The format of a directory's index: a hash tree over its linear blocks.
///
/// ```
///   root:   "." | ".." to the block's end | 0 u32, hash version, 8, levels, 0 | limit, count u16, block u32
///           | hash, block u32 | …
///   node:   an unused entry over the whole block | limit, count u16, block u32 | hash u32, block u32 | …
///   The last 8 bytes of root and nodes are 0 u32 and the checksum.
/// ```
///
/// An index entry holds the lowest hash below it and the block that it leads to. The first entry has no hash: limit and
/// count of the entries are in its place. The lowest bit of a hash says that its leaf continues the hash of the leaf
/// before.
///
/// Source: the kernel's documentation of ext4, "Hash Tree Directories".
enum Ext4IndexBlock {
    /// The offsets of the root's fields, and those of the entries in the root and in a node.
    enum Field {
        static let reserved = 24
        static let version = 28
        static let infoLength = 29
        static let levels = 30
        static let rootEntries = 32
        static let nodeEntries = 8
    }

    /// The offsets in the index entries: `limit` and `count` in the first, `hash` in the others.
    enum Entry {
        static let limit = 0
        static let count = 2
        static let hash = 0
        static let block = 4
        static let length = 8
        /// The upper bits of a block number are not used.
        static let blockMask: UInt32 = 0x0FFF_FFFF
    }

    /// The length of the fields from `reserved` on.
    static let infoLength: UInt8 = 8
    /// The checksum at the end.
    static let tailLength = 8
    /// The offset of the checksum in the tail.
    static let tailChecksum = 4

    /// The offset of the index entries, if the block looks like a root or a node.
    static func entriesOffset(in block: [UInt8]) -> Int? {
        let length: UInt16 = block.load(at: Ext4DirectoryEntry.Field.entryLength) ?? 0
        if Int(length) == block.count & 0xFFFF || block.count == 65_536 && length == 65_535 {
            return Field.nodeEntries
        }
        let second = Ext4DirectoryEntry.minimumLength
        if Int(length) == second,
            Int(block.load(UInt16.self, at: second + Ext4DirectoryEntry.Field.entryLength) ?? 0)
                == (block.count - second) & 0xFFFF
        {
            return Field.rootEntries
        }
        return nil
    }
}
