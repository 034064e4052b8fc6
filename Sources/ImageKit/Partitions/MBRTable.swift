/// One primary partition of an MBR partition table.
public struct MBREntry: Hashable, Sendable {
    /// Which of the table's four entries it is, 1...4: what the kernel calls it (`mmcblk0p2`) and its PARTUUID ends
    /// with.
    public var number: Int
    /// First sector, in sectors of 512 bytes from the start of the disk. Not 0, where the table itself is.
    public var start: UInt64
    /// Length in sectors of 512 bytes, at least 1.
    public var count: UInt64
    /// What it holds: 0x0b FAT32, 0x83 Linux. Not 0, which means "no partition".
    public var type: UInt8
    /// Whether the entry carries the active ("bootable") flag.
    public var isActive: Bool

    /// Makes an entry; see the properties of the same names. It is checked when it becomes part of a table.
    public init(number: Int, start: UInt64, count: UInt64, type: UInt8, isActive: Bool = false) {
        self.number = number
        self.start = start
        self.count = count
        self.type = type
        self.isActive = isActive
    }

    /// The sector after its last.
    var end: UInt64 { start &+ count }

    /// Where it lies on the disk, in bytes.
    public var bytes: Range<UInt64> {
        let sector = MBRTable.sectorSize
        return start.multipliedClamping(by: sector)..<start.addingClamping(count).multipliedClamping(by: sector)
    }
}

/// A disk's partition table in its first sector: up to four primary partitions and a disk identifier.
///
/// ```
///   0                                   440      444  446      462      478      494      510  512
///   ├ boot code (zeros here) ···········┤ disk ID┤ 0 0┤ entry 1┤ entry 2┤ entry 3┤ entry 4┤55 aa┤
///
///   entry  0        1           4      5         8                12           16
///          ├ active ┤ first CHS ┤ type ┤ last CHS┤ first sector   ┤ sectors    ┤
/// ```
///
/// The format is the one of the IBM PC, as the UEFI specification writes it down (section 5.2.1, "Legacy Master Boot
/// Record"). A value of this type always can be written: what cannot be is refused when it is made.
public struct MBRTable: Hashable, Sendable {
    /// Bytes in a sector, the unit of every address in the table.
    public static let sectorSize: UInt64 = 512
    /// The bytes of the disk that are the table; what is before them is boot code.
    static let place: Range<UInt64> = 440..<512
    /// The number that Linux makes PARTUUIDs of (`2178694e-02`); NixOS images have 0x2178694e, "Nix!" on the disk.
    public var diskID: UInt32
    /// The partitions, in the order of their numbers.
    public let partitions: [MBREntry]

    /// Makes a table.
    ///
    /// Throws ``ImageError/Code/doesNotFit`` where a partition ends past sector 2^32 (2 TiB), which the table cannot
    /// say, or where there are more than four; ``ImageError/Code/invalidInput`` where a partition is empty, has no
    /// type, lies on the table itself, has a number that is not 1...4 or is taken, or overlaps another.
    public init(diskID: UInt32, partitions: [MBREntry]) throws(ImageError) {
        guard partitions.count <= Entry.count else {
            throw ImageError(
                .doesNotFit, "the partition table cannot hold \(partitions.count) partitions",
                reason: "an MBR has room for \(Entry.count)", remedy: "leave \(partitions.count - Entry.count) out")
        }
        for partition in partitions { try Self.check(partition) }
        let sorted = partitions.sorted { $0.number < $1.number }
        for (one, next) in zip(sorted, sorted.dropFirst()) where one.number == next.number {
            throw ImageError(
                .invalidInput, "two partitions have the number \(one.number)", remedy: "number them differently")
        }
        let placed = partitions.sorted { $0.start < $1.start }
        for (one, next) in zip(placed, placed.dropFirst()) where next.start < one.end {
            throw ImageError(
                .invalidInput, "partitions \(one.number) and \(next.number) overlap",
                reason: "one ends before sector \(one.end), the other begins at \(next.start)",
                remedy: "move the second to sector \(one.end) or later")
        }
        self.diskID = diskID
        self.partitions = sorted
    }

    private static func check(_ partition: MBREntry) throws(ImageError) {
        let number = partition.number
        func refuse(_ reason: String, _ remedy: Advice) -> ImageError {
            ImageError(.invalidInput, "partition \(number) is not possible", reason: reason, remedy: remedy)
        }
        guard (1...Entry.count).contains(number) else {
            throw refuse("its number is not 1 to \(Entry.count)", "number partitions from 1")
        }
        guard partition.type != 0 else { throw refuse("its type is 0, which means none", "give it a type") }
        guard partition.start > 0 else { throw refuse("it begins where the table lies", "begin at sector 1 or later") }
        guard partition.count > 0 else { throw refuse("it is empty", "give it a size") }
        let (end, overflow) = partition.start.addingReportingOverflow(partition.count)
        let limit = UInt64(UInt32.max) + 1
        guard !overflow, end <= limit, partition.count < limit, partition.start < limit else {
            throw ImageError(
                .doesNotFit, "partition \(number) does not fit the partition table",
                reason: "it begins at sector \(partition.start) and has \(partition.count), and an MBR counts "
                    + "\(limit) sectors of 512 bytes (2 TiB)",
                remedy: "make it end within 2 TiB")
        }
    }

    /// Where things lie in the sector.
    private enum Field {
        static let diskID = 440
        static let entries = 446
        static let signature = 510
        static let size = 512
    }

    /// Where the disk's identifier and the first entry lie, for findings.
    static let diskIDOffset = UInt64(Field.diskID), entriesOffset = UInt64(Field.entries)

    /// Where things lie in one of the four entries.
    private enum Entry {
        static let count = 4
        static let size = 16
        static let status = 0
        static let firstCHS = 1
        static let type = 4
        static let lastCHS = 5
        static let start = 8
        static let sectors = 12
        static let active: UInt8 = 0x80
    }

    private static let signature: UInt16 = 0xAA55

    /// The sector as it lies on the disk: 512 bytes, the boot code zeros.
    public func encoded() -> [UInt8] {
        var sector = [UInt8](repeating: 0, count: Field.size)
        sector.store(diskID, at: Field.diskID)
        for partition in partitions {
            let entry = Field.entries + (partition.number - 1) * Entry.size
            sector[entry + Entry.status] = partition.isActive ? Entry.active : 0
            sector.store(bytes: Self.cylinderHeadSector(of: partition.start), at: entry + Entry.firstCHS)
            sector[entry + Entry.type] = partition.type
            sector.store(bytes: Self.cylinderHeadSector(of: partition.end - 1), at: entry + Entry.lastCHS)
            sector.store(UInt32(truncatingIfNeeded: partition.start), at: entry + Entry.start)
            sector.store(UInt32(truncatingIfNeeded: partition.count), at: entry + Entry.sectors)
        }
        sector.store(Self.signature, at: Field.signature)
        return sector
    }

    /// A sector's address as the BIOS of old counted, for a disk of 255 heads and 63 sectors a track (what sfdisk and
    /// everyone else assumes where no disk says otherwise). Past cylinder 1023 all have the same, highest address.
    ///
    /// ```
    ///   byte 0      byte 1                              byte 2
    ///   ├ head ┤    ├ cylinder 9, 8 ┤ sector (from 1) ┤ ├ cylinder 7...0 ┤
    /// ```
    private static func cylinderHeadSector(of sector: UInt64) -> [UInt8] {
        let heads: UInt64 = 255, sectors: UInt64 = 63
        let cylinder = sector / (heads * sectors)
        guard cylinder <= 1023 else { return [0xFE, 0xFF, 0xFF] }
        return [
            UInt8(truncatingIfNeeded: sector / sectors % heads),
            UInt8(truncatingIfNeeded: (sector % sectors + 1) | ((cylinder >> 8) << 6)),
            UInt8(truncatingIfNeeded: cylinder),
        ]
    }

    /// Reads the table in a disk's first sector; unused entries are left out and the others keep their numbers.
    ///
    /// Throws ``ImageError/Code/invalidInput`` where there is no table (fewer than 512 bytes, no signature, a
    /// filesystem's boot sector), and ``ImageError/Code/corrupt`` where there is one, but its partitions cannot be.
    public static func parse(_ sector: some Collection<UInt8>) throws(ImageError) -> MBRTable {
        let (diskID, entries) = try entries(in: sector)
        do throws(ImageError) {
            return try MBRTable(diskID: diskID, partitions: entries)
        } catch {
            throw ImageError(
                .corrupt, "the partition table is damaged", reason: "\(error.message): \(error.reason ?? "")")
        }
    }

    /// What stands in a sector that is a partition table, whether it makes sense or not. Its numbers are of 32 bits.
    static func entries(
        in sector: some Collection<UInt8>
    ) throws(ImageError) -> (diskID: UInt32, entries: [MBREntry]) {
        let bytes = Array(sector.prefix(Field.size))
        guard let signature: UInt16 = bytes.load(at: Field.signature), let diskID: UInt32 = bytes.load(at: Field.diskID)
        else {
            throw ImageError(
                .invalidInput, "no partition table", reason: "there are only \(bytes.count) bytes, and it needs 512")
        }
        guard signature == Self.signature else {
            throw ImageError(
                .invalidInput, "no partition table", offset: UInt64(Field.signature),
                reason: "the signature 55 aa is missing", remedy: "name the image of a whole disk")
        }
        var partitions: [MBREntry] = []
        for number in 1...Entry.count {
            let entry = Field.entries + (number - 1) * Entry.size
            guard
                let start: UInt32 = bytes.load(at: entry + Entry.start),
                let count: UInt32 = bytes.load(at: entry + Entry.sectors)
            else { continue }
            let status = bytes[entry + Entry.status], type = bytes[entry + Entry.type]
            guard status == 0 || status == Entry.active else {
                // Filesystems' boot sectors end with the same signature, but have code or text here.
                throw ImageError(
                    .invalidInput, "no partition table", offset: UInt64(entry),
                    reason: "the flag of entry \(number) is \(status), neither 0 nor 128",
                    remedy: "name the image of a whole disk, not of a partition")
            }
            if type == 0 || count == 0 { continue }
            partitions.append(
                MBREntry(
                    number: number, start: UInt64(start), count: UInt64(count), type: type,
                    isActive: status == Entry.active))
        }
        return (diskID, partitions)
    }
}
