/// The descriptor of a block group: the locations of its bitmaps and its inode table, and its free blocks and inodes.
///
/// ```
///   00 block bitmap | 04 inode bitmap | 08 inode table | 0C free blocks, 0E free inodes, 10 directories | 12 flags
///   18, 1A checksums of the bitmaps | 1C unused inodes | 1E checksum | 20… the high halves of all, if it has 64 bytes
/// ```
///
/// Source: the kernel's documentation of ext4, "Block Group Descriptors".
struct Ext4GroupDescriptor: Sendable {
    /// Its size in bytes: without and with high halves.
    static let shortSize = 32, longSize = 64

    /// The offsets of the fields.
    enum Field {
        static let blockBitmap = 0x00
        static let inodeBitmap = 0x04
        static let inodeTable = 0x08
        static let freeClusters = 0x0C
        static let freeInodes = 0x0E
        static let directories = 0x10
        static let flags = 0x12
        static let blockBitmapChecksum = 0x18
        static let inodeBitmapChecksum = 0x1A
        static let unusedInodes = 0x1C
        static let checksum = 0x1E
        static let blockBitmapHigh = 0x20
        static let inodeBitmapHigh = 0x24
        static let inodeTableHigh = 0x28
        static let freeClustersHigh = 0x2C
        static let freeInodesHigh = 0x2E
        static let directoriesHigh = 0x30
        static let unusedInodesHigh = 0x32
        static let blockBitmapChecksumHigh = 0x38
        static let inodeBitmapChecksumHigh = 0x3A
    }

    /// Bits of the flags: the bitmap or the table was never written, so all of the group is free.
    enum Flag {
        static let hasNoInodes: UInt16 = 0x1, hasNoBlocks: UInt16 = 0x2, hasZeroedTable: UInt16 = 0x4
    }

    let bytes: [UInt8]

    private func u32(_ low: Int, _ high: Int) -> UInt64 {
        UInt64(bytes.load(UInt32.self, at: low) ?? 0) | UInt64(bytes.load(UInt32.self, at: high) ?? 0) << 32
    }
    private func u16(_ low: Int, _ high: Int) -> UInt64 {
        UInt64(bytes.load(UInt16.self, at: low) ?? 0) | UInt64(bytes.load(UInt16.self, at: high) ?? 0) << 16
    }
    private var flags: UInt16 { bytes.load(at: Field.flags) ?? 0 }

    var blockBitmap: UInt64 { u32(Field.blockBitmap, Field.blockBitmapHigh) }
    var inodeBitmap: UInt64 { u32(Field.inodeBitmap, Field.inodeBitmapHigh) }
    var inodeTable: UInt64 { u32(Field.inodeTable, Field.inodeTableHigh) }
    var freeClusters: UInt64 { u16(Field.freeClusters, Field.freeClustersHigh) }
    var freeInodes: UInt64 { u16(Field.freeInodes, Field.freeInodesHigh) }
    var directories: UInt64 { u16(Field.directories, Field.directoriesHigh) }
    /// Inodes at the end of the table that have never been used.
    var unusedInodes: UInt64 { u16(Field.unusedInodes, Field.unusedInodesHigh) }
    var blockBitmapChecksum: UInt32 {
        UInt32(truncatingIfNeeded: u16(Field.blockBitmapChecksum, Field.blockBitmapChecksumHigh))
    }
    var inodeBitmapChecksum: UInt32 {
        UInt32(truncatingIfNeeded: u16(Field.inodeBitmapChecksum, Field.inodeBitmapChecksumHigh))
    }
    var checksum: UInt16 { bytes.load(at: Field.checksum) ?? 0 }
    var hasNoInodes: Bool { flags & Flag.hasNoInodes != 0 }
    var hasNoBlocks: Bool { flags & Flag.hasNoBlocks != 0 }
}
