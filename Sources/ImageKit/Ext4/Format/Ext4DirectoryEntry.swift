/// An entry of a directory as it is on the disk: unused ones, `.` and `..` included.
///
/// ```
///   inode u32 | entry length u16 | name length u8 | kind u8 | name, padded to 4
/// ```
///
/// With checksums, a linear block ends with a tail: an unused entry without a name, whose kind is DE, and the checksum.
///
/// Source: the kernel's documentation of ext4, "Directory Entries", "Linear (Classic) Directories".
struct Ext4DirectoryEntry {
    /// The offsets of the fields in an entry.
    enum Field {
        static let inode = 0
        static let entryLength = 4
        static let nameLength = 6
        static let kind = 7
        static let name = 8
    }

    /// The tail of a linear block.
    enum Tail {
        static let length = 12
        static let kind: UInt8 = 0xDE
        /// The offset of the checksum in it.
        static let checksum = 8
        /// The second word of it: its length, no name, its kind.
        static let signature: UInt32 = 0xDE00_000C
    }

    /// The length of the shortest entry that has a name, such as `.`.
    static let minimumLength = 12
    static let dot: [UInt8] = [0x2E], dots: [UInt8] = [0x2E, 0x2E]

    /// The inode that it leads to; 0 for an unused entry.
    var inode: UInt32
    var name: [UInt8]
    /// The kind of file that it leads to, as the directory states it: see ``Ext4FileType``.
    var kind: UInt8
    /// Its offset on the disk in bytes, and the number of its block in the directory.
    var offset: UInt64, block: UInt64

    /// The bytes of an entry with a name of that length.
    static func length(nameLength: Int) -> Int { (Field.name + nameLength + 3) & ~3 }
}
