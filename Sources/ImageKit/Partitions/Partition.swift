/// A partition of any table that is read: an entry of an MBR, a logical partition, or an entry of a GPT.
///
/// ``MBREntry`` is a partition of the table that mkpiimg writes.
public struct Partition: Hashable, Sendable {
    /// The type of its content, according to the table.
    public enum TypeID: Hashable, Sendable {
        /// A byte in an MBR: 0x0c is FAT32, 0x83 is Linux.
        case mbr(UInt8)
        /// A GUID in a GPT.
        case gpt(GUID)
    }

    /// Its number, from 1, with which the kernel's device name ends (`mmcblk0p2`). Logical partitions of an MBR have 5
    /// and more.
    public var number: Int
    /// The bytes of the disk that belong to it.
    public var bytes: Range<UInt64>
    /// Its length in bytes.
    public var size: UInt64 { bytes.length }
    /// The type of its content.
    public var type: TypeID
    /// Its PARTUUID, as Linux shows it: `2178694e-02`, or a GUID; `nil` without a table.
    public var id: String?
    /// Its name, which only a GPT has.
    public var name: String?
    /// Whether it is marked as the one to boot from.
    public var isActive: Bool
    /// Whether it is an extended partition, which only contains logical ones.
    public var isExtended: Bool {
        if case .mbr(let byte) = type { return MBREntry.extendedTypes.contains(byte) }
        return false
    }

    /// The type as sfdisk prints it: `83`, or a GUID.
    public var typeText: String {
        switch type {
        case .mbr(let byte): byte.digits(width: 2)
        case .gpt(let guid): guid.text(uppercase: true)
        }
    }

    /// The name of the type, for the types that images for small computers have; `nil` for others.
    public var typeName: String? {
        switch type {
        case .mbr(let byte): Self.mbrNames[byte]
        case .gpt(let guid): Self.gptNames[guid.text(uppercase: true)]
        }
    }

    private static let mbrNames: [UInt8: String] = [
        0x01: "FAT12", 0x04: "FAT16", 0x05: "extended", 0x06: "FAT16", 0x07: "NTFS or exFAT", 0x0B: "FAT32",
        0x0C: "FAT32", 0x0E: "FAT16", 0x0F: "extended", 0x82: "Linux swap", 0x83: "Linux", 0x85: "extended",
        0x8E: "Linux LVM", 0xDA: "data", 0xEE: "protective GPT", 0xEF: "EFI system", 0xFD: "Linux RAID",
    ]

    private static let gptNames: [String: String] = [
        "C12A7328-F81F-11D2-BA4B-00A0C93EC93B": "EFI system", "21686148-6449-6E6F-744E-656564454649": "BIOS boot",
        "0FC63DAF-8483-4772-8E79-3D69D8477DE4": "Linux", "0657FD6D-A4AB-43C4-84E5-0933C84B4F4F": "Linux swap",
        "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7": "data", "E6D6D379-F507-44C2-A23C-238F2A3DF928": "Linux LVM",
        "A19D880F-05FC-4D3B-A006-743F0F84911E": "Linux RAID", "BC13C2FF-59E6-4262-A352-B275FD6F7172": "Linux boot",
        "B921B045-1DF0-41C3-AF44-4C6F280D3FAE": "Linux root (arm64)",
        "69DAD710-2CE4-4E3C-B16C-21A1D49ABED3": "Linux root (arm)",
        "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709": "Linux root (x86-64)",
        "3B8F8425-20E0-4F3B-907F-1A25A76F98E8": "Linux server data",
    ]
}
