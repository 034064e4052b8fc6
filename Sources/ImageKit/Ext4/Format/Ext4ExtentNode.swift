/// The format of a node of a file's tree of extents.
///
/// ```
///   node:   magic F30A | entries | max | depth | generation      12 bytes, then entries of 12 bytes
///   leaf:     first block u32 | length u16 | disk block high u16, low u32
///   index:    first block u32 | child low u32 | child high u16 | unused u16
///   The inode holds the top node (4 entries). A block holds as many as fit, and a checksum after the last one.
/// ```
///
/// Source: the kernel's documentation of ext4, "The Contents of inode.i_block", "Extent Tree".
enum Ext4ExtentNode {
    static let magic: UInt16 = 0xF30A

    /// The offsets of the header's fields.
    enum Header {
        static let magic = 0
        static let entries = 2
        static let maximum = 4
        static let depth = 6
        static let length = 12
    }

    /// The offsets of an entry's fields, in a leaf and in an index node.
    enum Entry {
        static let first = 0
        static let count = 4
        static let diskHigh = 6
        static let diskLow = 8
        static let childLow = 4
        static let childHigh = 8
        static let length = 12
    }

    /// The entries of the top node, which is in the inode.
    static let entriesInInode = 4
    /// The most blocks of an extent. A greater length marks an extent that is allocated and not written.
    static let maximumLength: UInt16 = 32_768
    /// The depth of the root at most: five levels reach more blocks than a file can have.
    static let maximumDepth: UInt16 = 5

    /// The entries of a block.
    static func entries(inBlockOf size: Int) -> Int { (size - Header.length) / Entry.length }
}
