/// What a partition holds, told by a few of its first bytes.
public enum ContentKind: String, Sendable, Hashable {
    /// FAT12, FAT16 or FAT32.
    case fat
    /// ext2, ext3 or ext4.
    case ext
    /// Others that images of other people have; they are named, and not read.
    case btrfs, xfs, squashfs, f2fs, ntfs, exfat, swap, luks, lvm, iso9660, erofs
    /// Zeros, as far as was looked.
    case empty
    /// Anything else.
    case unknown

    /// Whether there is a filesystem that can be read here.
    public var isReadable: Bool { self == .fat || self == .ext }

    /// Where a kind shows itself.
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

    /// FAT has no number of its own: a boot sector's signature and jump, and sizes that can be.
    private static func isFAT(_ head: [UInt8]) -> Bool {
        guard head.load(UInt16.self, at: 510) == 0xAA55, let jump = head.first, jump == 0xEB || jump == 0xE9,
            let sector: UInt16 = head.load(at: 11), [512, 1024, 2048, 4096].contains(sector),
            let cluster: UInt8 = head.load(at: 13), cluster > 0, cluster & (cluster - 1) == 0,
            let reserved: UInt16 = head.load(at: 14), reserved > 0, let copies: UInt8 = head.load(at: 16)
        else { return false }
        return (1...4).contains(copies)
    }
}
