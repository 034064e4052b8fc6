/// The filesystem or other content of a partition, recognised by its first bytes.
public enum ContentKind: String, Sendable, Hashable {
    /// FAT12, FAT16 or FAT32.
    case fat
    /// ext2, ext3 or ext4.
    case ext
    /// Content that other images have; it is named, and never read.
    case btrfs, xfs, squashfs, f2fs, ntfs, exfat, swap, luks, lvm, iso9660, erofs
    /// The bytes that were looked at are zero.
    case empty
    /// Anything else.
    case unknown

    /// Whether ``ImageVolume`` can read it.
    public var isReadable: Bool { self == .fat || self == .ext }

    /// The magic numbers, each with its offset in bytes from the partition's beginning.
    private static let magics: [(kind: ContentKind, offset: UInt64, bytes: [UInt8])] = [
        (.ext, 0x438, [0x53, 0xEF]),
        (.btrfs, 0x10040, Array("_BHRfS_M".utf8)), (.xfs, 0, Array("XFSB".utf8)), (.squashfs, 0, Array("hsqs".utf8)),
        (.f2fs, 0x400, [0x10, 0x20, 0xF5, 0xF2]), (.ntfs, 3, Array("NTFS    ".utf8)),
        (.exfat, 3, Array("EXFAT   ".utf8)), (.swap, 0xFF6, Array("SWAPSPACE2".utf8)),
        (.luks, 0, Array("LUKS".utf8) + [0xBA, 0xBE]), (.lvm, 0x218, Array("LVM2 001".utf8)),
        (.iso9660, 0x8001, Array("CD001".utf8)), (.erofs, 0x400, [0xE2, 0xE1, 0xF5, 0xE0]),
    ]

    static func of(_ source: some ByteSource) throws(ImageError) -> ContentKind {
        let head = try source.read(Int(min(source.size, 4096)), at: 0)
        for magic in magics {
            let end = magic.offset + UInt64(magic.bytes.count)
            guard end <= source.size else { continue }
            let found =
                end <= UInt64(head.count)
                ? Array(head[Int(magic.offset)..<Int(end)]) : try source.read(magic.bytes.count, at: magic.offset)
            if found == magic.bytes { return magic.kind }
        }
        if isFAT(head) { return .fat }
        return head.allSatisfy { $0 == 0 } ? .empty : .unknown
    }

    /// FAT has no magic number of its own: it is recognised by a boot sector's signature, its jump, and plausible
    /// sizes.
    private static func isFAT(_ head: [UInt8]) -> Bool {
        typealias Field = FATBootSector.Field
        guard head.load(at: Field.signature) == FATBootSector.signature,
            let jump = head.first, jump == 0xEB || jump == 0xE9,
            let sector: UInt16 = head.load(at: Field.bytesPerSector), [512, 1024, 2048, 4096].contains(sector),
            let cluster: UInt8 = head.load(at: Field.sectorsPerCluster), cluster.nonzeroBitCount == 1,
            let reserved: UInt16 = head.load(at: Field.reservedSectors), reserved > 0,
            let copies: UInt8 = head.load(at: Field.copies)
        else { return false }
        return (1...4).contains(copies)
    }
}
