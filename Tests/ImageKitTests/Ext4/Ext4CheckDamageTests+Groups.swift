import Testing

@testable import ImageKit

/// Damage in descriptors and bitmaps.
extension Ext4CheckDamageTests {
    private typealias Field = Ext4GroupDescriptor.Field
    private typealias Flag = Ext4GroupDescriptor.Flag

    static let groups: [Damage] = [
        Damage("ext4-group-checksum", "a bit of the checksum") { $0.flip(at: $0.descriptor(1, Field.checksum)) },
        Damage("ext4-group-location", "block bitmap outside") {
            $0.change(group: 1) { $0.store(UInt32(0xFFFF_FFFF), at: $1 + Field.blockBitmap) }
        },
        Damage("ext4-group-location", "inode bitmap on another") {
            $0.change(group: 1) { $0.store($0.u32($0.descriptor(0, Field.inodeBitmap)), at: $1 + Field.inodeBitmap) }
        },
        Damage("ext4-group-location", "inode table outside") {
            $0.change(group: 2) { $0.store(UInt32(20_479), at: $1 + Field.inodeTable) }
        },
        Damage("ext4-block-bitmap-checksum", "low half") {
            $0.change(group: 0) { $0.flip(at: $1 + Field.blockBitmapChecksum) }
        },
        Damage("ext4-block-bitmap-checksum", "high half") {
            $0.change(group: 0) { $0.flip(at: $1 + Field.blockBitmapChecksumHigh) }
        },
        Damage("ext4-inode-bitmap-checksum", "low half") {
            $0.change(group: 0) { $0.flip(at: $1 + Field.inodeBitmapChecksum) }
        },
        Damage("ext4-block-free", "a file's block") { forger in
            try flipBit(&forger, of: UInt64(forger.offset("file")) / 1024)
        },
        Damage("ext4-block-free", "a bitmap's block") { forger in
            try flipBit(&forger, of: forger.volume.groups[0].blockBitmap)
        },
        Damage("ext4-block-free", "a block of extents") { forger in
            try flipBit(&forger, of: UInt64(extents(&forger)[0]) / 1024)
        },
        Damage("ext4-block-leaked", "a free block") { forger in
            let bitmap = Int(forger.volume.groups[0].blockBitmap) * 1024
            let free = try #require((0..<8192).last { forger.bytes[bitmap + $0 / 8] >> UInt8($0 % 8) & 1 == 0 })
            try flipBit(&forger, of: UInt64(free) + 1)
        },
        Damage("ext4-inode-free", "a file") { forger in
            let index = Int(try forger.node("other").inode - 1)
            let perGroup = Int(forger.volume.superblock.inodesPerGroup)
            let bitmap = Int(forger.volume.groups[index / perGroup].inodeBitmap) * 1024
            forger.flip(1 << UInt8(index % perGroup % 8), at: bitmap + index % perGroup / 8)
            forger.sealBitmaps(index / perGroup)
        },
        Damage("ext4-inode-leaked", "a free inode") { forger in
            let group = 2
            let last = Int(forger.volume.superblock.inodesPerGroup) - 1
            let bitmap = Int(forger.volume.groups[group].inodeBitmap) * 1024
            forger.store(Flag.hasZeroedTable, at: forger.descriptor(group, Field.flags))
            forger.store(UInt16(0), at: forger.descriptor(group, Field.unusedInodes))
            forger.flip(1 << UInt8(last % 8), at: bitmap + last / 8)
            forger.sealBitmaps(group)
        },
        Damage("ext4-bitmap-padding", "after the last block") { forger in
            forger.change(group: 2) { $0.store(Flag.hasZeroedTable, at: $1 + Field.flags) }
            forger.flip(0x80, at: Int(forger.volume.groups[2].blockBitmap) * 1024 + 1023)
            forger.sealBitmaps(2)
        },
        Damage("ext4-bitmap-padding", "after the last inode") { forger in
            forger.flip(0x80, at: Int(forger.volume.groups[0].inodeBitmap) * 1024 + 1023)
            forger.sealBitmaps(0)
        },
        Damage("ext4-free-blocks", "of a group") { $0.change(group: 1) { $0.flip(at: $1 + Field.freeClusters) } },
        Damage("ext4-free-inodes", "of a group") { $0.change(group: 1) { $0.flip(at: $1 + Field.freeInodes) } },
        Damage("ext4-folder-count", "of a group") { $0.change(group: 0) { $0.flip(at: $1 + Field.directories) } },
        Damage("ext4-unused-inodes", "more than free") {
            $0.change(group: 0) {
                $0.store(UInt16($0.volume.superblock.inodesPerGroup - 8), at: $1 + Field.unusedInodes)
            }
        },
        Damage("ext4-inode-free", "a group without inodes") {
            $0.change(group: 0) { $0.flip(UInt8(Flag.hasNoInodes), at: $1 + Field.flags) }
        },
        Damage("ext4-block-free", "a group without blocks") {
            $0.change(group: 0) { $0.flip(UInt8(Flag.hasNoBlocks), at: $1 + Field.flags) }
        },
    ]

    /// Flips a block's bit in its group's bitmap.
    private static func flipBit(_ forger: inout Ext4Forger, of block: UInt64) throws {
        let group = Int((block - 1) / 8192), bit = Int((block - 1) % 8192)
        let bitmap = Int(forger.volume.groups[group].blockBitmap) * 1024
        forger.flip(1 << UInt8(bit % 8), at: bitmap + bit / 8)
        forger.sealBitmaps(group)
    }
}
