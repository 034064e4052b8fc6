/// The format of extended attributes: in the inode after its fields, and in a block that inodes may share.
///
/// ```
///   block:  magic EA020000 | inodes u32 | blocks u32 | hash u32 | checksum u32 | … | entries from byte 32 on
///   inode:  magic EA020000 | entries
///   entry:  name length u8 | index u8 | value offset u16 | value inode u32 | value size u32 | hash u32
///           | name, padded to 4
/// ```
///
/// An offset counts from the block's first byte, or from the inode's first entry.
///
/// Source: the kernel's documentation of ext4, "Extended Attributes".
enum Ext4Attributes {
    static let magic: UInt32 = 0xEA02_0000

    /// The offsets of the header's fields.
    enum Header {
        static let magic = 0
        /// How many inodes share the block.
        static let inodes = 4
        static let blocks = 8
        static let checksum = 0x10
        static let length = 32
        static let lengthInInode = 4
    }

    /// The offsets of an entry's fields.
    enum Entry {
        static let nameLength = 0
        static let index = 1
        static let valueOffset = 2
        static let valueInode = 4
        static let valueSize = 8
        static let hash = 12
        static let name = 16
    }

    /// The index of the names that begin with `system.`.
    static let systemIndex: UInt8 = 7
    /// The attribute that holds the rest of inline data: `system.data`.
    static let inlineDataName = Array("data".utf8)
}
