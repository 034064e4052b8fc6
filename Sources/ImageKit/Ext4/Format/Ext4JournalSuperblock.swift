/// The first block of the journal. All of its fields are big-endian.
///
/// ```
///   00 C03B3998 | 04 kind: 3 or 4 | 0C block size | 10 blocks | 14 first | 1C start | 28 features | FC checksum
/// ```
///
/// Source: the kernel's documentation of ext4, "Journal (jbd2)".
enum Ext4JournalSuperblock {
    static let magic: UInt32 = 0xC03B_3998
    static let length = 1024
    /// The kinds of block that it can be: the first and the second version of it.
    static let kinds: [UInt32] = [3, 4]
    /// The features of the second version that give it a checksum.
    static let checksumFeatures: UInt32 = 0x18

    /// The offsets of the fields.
    enum Field {
        static let magic = 0x00
        static let kind = 0x04
        static let blockSize = 0x0C
        static let blocks = 0x10
        static let firstBlock = 0x14
        static let incompatible = 0x28
        static let checksum = 0xFC
    }
}
