/// The partition table in a disk's first sector, as mkpiimg writes it: up to four primary partitions and a disk
/// identifier.
///
/// ```
///   0                                   440      444  446      462      478      494      510  512
///   ├ boot code (zeros here) ···········┤ disk ID┤ 0 0┤ entry 1┤ entry 2┤ entry 3┤ entry 4┤55 aa┤
///
///   entry  0        1           4      5         8                12           16
///          ├ active ┤ first CHS ┤ type ┤ last CHS┤ first sector   ┤ sectors    ┤
/// ```
///
/// Every value of this type can be written: impossible tables are refused when they are made. ``PartitionTable`` is the
/// general form, for every table that is read. Source: the format of the IBM PC, in the UEFI specification, section
/// 5.2.1, "Legacy Master Boot Record".
public struct MBRTable: Hashable, Sendable {
    /// Bytes in a sector, the unit of every address in the table.
    public static let sectorSize: UInt64 = 512
    /// The disk's bytes with the identifier, the entries and the signature; those before it are boot code.
    static let byteRange = UInt64(Field.diskID)..<UInt64(Field.end)
    /// The disk identifier. Linux makes PARTUUIDs from it (`2178694e-02`). NixOS images have 0x2178694e, "Nix!" on
    /// disk.
    public var diskID: UInt32
    /// The partitions, in the order of their numbers.
    public let partitions: [MBREntry]

    /// The offsets of the fields in the sector.
    enum Field {
        static let diskID = 440
        static let entries = 446
        static let signature = 510
        static let end = 512

        /// The offset of an entry by its number, 1...4.
        static func entry(_ number: Int) -> Int { entries + (number - 1) * EntryField.end }
    }

    /// The offsets of the fields in an entry.
    enum EntryField {
        static let status = 0
        static let firstCHS = 1
        static let type = 4
        static let lastCHS = 5
        static let start = 8
        static let count = 12
        static let end = 16

        /// The status of an active partition.
        static let active: UInt8 = 0x80
    }

    /// The last two bytes of the sector, 55 aa.
    private static let signature: UInt16 = 0xAA55
    /// The number of entries.
    private static let maximumPartitions = 4

    /// Makes a table.
    ///
    /// - Throws: ``ImageError/Code/doesNotFit`` if there are more than four partitions, or if one ends past sector
    ///   2^32 (2 TiB), which the table cannot express; ``ImageError/Code/invalidInput`` if a partition is empty, has
    ///   no type, begins at sector 0, has a number outside of 1...4 or that of another, or overlaps another.
    public init(diskID: UInt32, partitions: [MBREntry]) throws(ImageError) {
        guard partitions.count <= Self.maximumPartitions else {
            throw ImageError(
                .doesNotFit, "the partition table cannot hold \(partitions.count) partitions",
                reason: "an MBR has room for \(Self.maximumPartitions)",
                remedy: "leave \(partitions.count - Self.maximumPartitions) out")
        }
        for partition in partitions { try Self.check(partition) }
        let byNumber = partitions.sorted { $0.number < $1.number }
        for (partition, next) in zip(byNumber, byNumber.dropFirst()) where partition.number == next.number {
            throw ImageError(
                .invalidInput, "two partitions have the number \(partition.number)", remedy: "number them differently")
        }
        let byStart = partitions.sorted { $0.start < $1.start }
        for (partition, next) in zip(byStart, byStart.dropFirst()) where next.start < partition.end {
            throw ImageError(
                .invalidInput, "partitions \(partition.number) and \(next.number) overlap",
                reason: "one ends before sector \(partition.end), the other begins at \(next.start)",
                remedy: "move the second to sector \(partition.end) or later")
        }
        self.diskID = diskID
        self.partitions = byNumber
    }

    private static func check(_ partition: MBREntry) throws(ImageError) {
        let number = partition.number
        func refuse(_ reason: String, _ remedy: Advice) -> ImageError {
            ImageError(.invalidInput, "partition \(number) is not possible", reason: reason, remedy: remedy)
        }
        guard (1...maximumPartitions).contains(number) else {
            throw refuse("its number is not 1 to \(maximumPartitions)", "number partitions from 1")
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

    /// The sector's 512 bytes, with zeros for the boot code.
    public func encoded() -> [UInt8] {
        var sector = [UInt8](repeating: 0, count: Field.end)
        sector.store(diskID, at: Field.diskID)
        for partition in partitions {
            let entry = Field.entry(partition.number)
            sector[entry + EntryField.status] = partition.isActive ? EntryField.active : 0
            sector.store(bytes: Self.cylinderHeadSector(of: partition.start), at: entry + EntryField.firstCHS)
            sector[entry + EntryField.type] = partition.type
            sector.store(bytes: Self.cylinderHeadSector(of: partition.end - 1), at: entry + EntryField.lastCHS)
            sector.store(UInt32(truncatingIfNeeded: partition.start), at: entry + EntryField.start)
            sector.store(UInt32(truncatingIfNeeded: partition.count), at: entry + EntryField.count)
        }
        sector.store(Self.signature, at: Field.signature)
        return sector
    }

    /// A sector's address in the form of old BIOSes, for a disk of 255 heads and 63 sectors per track, which sfdisk and
    /// other tools assume for every disk. All sectors past cylinder 1023 have the same, highest address.
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

    /// Reads the table in a disk's first sector. Unused entries are left out, and the others keep their numbers.
    ///
    /// - Throws: ``ImageError/Code/invalidInput`` if there is no table (fewer than 512 bytes, no signature, the boot
    ///   sector of a filesystem); ``ImageError/Code/corrupt`` if the partitions of the table are impossible.
    public static func parse(_ sector: some Collection<UInt8>) throws(ImageError) -> MBRTable {
        let (diskID, entries) = try entries(in: sector)
        do throws(ImageError) {
            return try MBRTable(diskID: diskID, partitions: entries)
        } catch {
            throw ImageError(
                .corrupt, "the partition table is damaged", reason: "\(error.message): \(error.reason ?? "")")
        }
    }

    /// The identifier and the used entries of a sector with a partition table. The entries are not checked, but their
    /// starts and counts fit in 32 bits.
    static func entries(
        in sector: some Collection<UInt8>
    ) throws(ImageError) -> (diskID: UInt32, entries: [MBREntry]) {
        let bytes = Array(sector.prefix(Field.end))
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
        for number in 1...maximumPartitions {
            let entry = Field.entry(number)
            guard
                let start: UInt32 = bytes.load(at: entry + EntryField.start),
                let count: UInt32 = bytes.load(at: entry + EntryField.count)
            else { continue }
            let status = bytes[entry + EntryField.status], type = bytes[entry + EntryField.type]
            guard status == 0 || status == EntryField.active else {
                // Boot sectors of filesystems end with the same signature, but have code or text here.
                throw ImageError(
                    .invalidInput, "no partition table", offset: UInt64(entry),
                    reason: "the flag of entry \(number) is \(status), neither 0 nor 128",
                    remedy: "name the image of a whole disk, not of a partition")
            }
            if type == 0 || count == 0 { continue }
            partitions.append(
                MBREntry(
                    number: number, start: UInt64(start), count: UInt64(count), type: type,
                    isActive: status == EntryField.active))
        }
        return (diskID, partitions)
    }
}
