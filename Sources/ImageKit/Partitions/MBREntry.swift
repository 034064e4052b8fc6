/// An entry of an MBR: a primary or an extended partition, with the units and limits of the table.
///
/// ``Partition`` is the general form, for partitions of every table that is read.
public struct MBREntry: Hashable, Sendable {
    /// The index of the entry in the table, 1...4. The kernel's device name (`mmcblk0p2`) and the partition's PARTUUID
    /// end with it.
    public var number: Int
    /// The first sector, in sectors of 512 bytes from the start of the disk. Not 0, the sector of the table itself.
    public var start: UInt64
    /// The length in sectors of 512 bytes, at least 1.
    public var count: UInt64
    /// The type of the content: 0x0b is FAT32, 0x83 is Linux. Not 0, which marks an unused entry.
    public var type: UInt8
    /// Whether the entry has the active ("bootable") flag.
    public var isActive: Bool

    /// Makes an entry from the properties of the same names. The table checks it.
    public init(number: Int, start: UInt64, count: UInt64, type: UInt8, isActive: Bool = false) {
        self.number = number
        self.start = start
        self.count = count
        self.type = type
        self.isActive = isActive
    }

    /// The types of an extended partition: of DOS, of Windows, of Linux.
    static let extendedTypes: Set<UInt8> = [0x05, 0x0F, 0x85]
    /// The type of the entry that protects a GPT.
    static let protectiveType: UInt8 = 0xEE

    /// Whether it contains logical partitions.
    var isExtended: Bool { Self.extendedTypes.contains(type) }

    /// The first sector after the partition.
    var end: UInt64 { start &+ count }

    /// The bytes of the disk that belong to the partition.
    public var bytes: Range<UInt64> {
        let sector = MBRTable.sectorSize
        return start.multipliedClamping(by: sector)..<start.addingClamping(count).multipliedClamping(by: sector)
    }
}
