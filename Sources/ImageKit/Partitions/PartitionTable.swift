/// The partition table of any disk, as it is read: an MBR with primary, extended and logical partitions, or a GPT.
///
/// ```
///   MBR entry of type 05, 0f or 85            each logical partition has a sector like the MBR before it
///   ├ extended partition ──────────────────────────────────────────────────────────────────────┤
///   ├ EBR ┤···├ partition 5 ──────┤├ EBR ┤···├ partition 6 ───────┤
///      │  └ entry 1: start, counted from this EBR       ▲
///      └ entry 2: next EBR, counted from the extended partition's start ┘
/// ```
///
/// ``MBRTable`` is the table that mkpiimg writes. Source: UEFI specification, sections 5.2 (MBR) and 5.3 (GPT); logical
/// partitions as Linux and sfdisk read them.
public struct PartitionTable: Hashable, Sendable {
    /// The kinds of tables.
    public enum Scheme: String, Hashable, Sendable {
        /// A table in the first sector, with logical partitions if it has an extended one.
        case mbr
        /// A GUID partition table, after an MBR that only protects it.
        case gpt
        /// No table: one filesystem has the whole disk.
        case none
    }

    /// The kind of table.
    public var scheme: Scheme
    /// The disk's identifier as sfdisk shows it: `0x2178694e`, or a GUID; `nil` without a table.
    public var identifier: String?
    /// Bytes in a sector, the unit of the table's addresses.
    public var sectorSize: UInt64
    /// The partitions in the order of their numbers, including an extended one. They may overlap, and may end past the
    /// end of the disk.
    public var partitions: [Partition]

    /// A disk without a table: one filesystem of `size` bytes.
    static func whole(_ size: UInt64) -> PartitionTable {
        PartitionTable(
            scheme: .none, identifier: nil, sectorSize: MBRTable.sectorSize,
            partitions: [
                Partition(number: 1, bytes: 0..<size, type: .mbr(0), id: nil, name: nil, isActive: false)
            ])
    }

    /// The number of logical partitions that are read at most, far more than any tool makes.
    static let maximumLogicalPartitions = 128

    /// Reads a disk's table. If the first header of a GPT is damaged, its copy at the end of the disk is used.
    ///
    /// - Throws: ``ImageError/Code/invalidInput`` if there is no table; ``ImageError/Code/corrupt`` if both copies of a
    ///   GPT are damaged; errors of reading the source.
    public static func read(from source: any ByteSource) throws(ImageError) -> PartitionTable {
        let length = Int(min(MBRTable.sectorSize, source.size))
        let mbr = try MBRTable.entries(in: try source.read(length, at: 0))
        if mbr.entries.contains(where: { $0.type == MBREntry.protectiveType }), let table = try readGPT(source) {
            return table
        }
        return try readMBR(mbr, source) { (_, _) in }
    }

    /// The faults of a chain of logical partitions.
    enum ChainFault {
        /// A table of the chain is past the end of the disk.
        case pastEnd
        /// The chain leads to a sector without a table.
        case missing
        /// The chain leads to a table for the second time.
        case circle
        /// There are more than ``maximumLogicalPartitions``.
        case tooLong
    }

    /// Makes a table of the entries of an MBR, and reads the logical partitions.
    ///
    /// - Parameter onFault: called if a chain of logical partitions ends with a fault, with the sector of the disk that
    ///   the chain leads to.
    static func readMBR(
        _ mbr: (diskID: UInt32, entries: [MBREntry]), _ source: any ByteSource,
        onFault: (ChainFault, _ sector: UInt64) -> Void
    ) throws(ImageError) -> PartitionTable {
        let sectorSize = MBRTable.sectorSize
        var found: [Partition] = []
        for entry in mbr.entries {
            found.append(
                Partition(
                    number: entry.number, bytes: entry.start * sectorSize..<(entry.start + entry.count) * sectorSize,
                    type: .mbr(entry.type), id: id(mbr.diskID, entry.number), name: nil, isActive: entry.isActive))
        }
        for extended in mbr.entries where extended.isExtended {
            try readLogical(of: extended, source, mbr.diskID, &found, onFault)
        }
        return PartitionTable(
            scheme: .mbr, identifier: "0x" + mbr.diskID.digits(width: 8), sectorSize: sectorSize, partitions: found)
    }

    /// Reads the first sound GPT: for each sector size the header at the start of the disk, and that at its end.
    private static func readGPT(_ source: any ByteSource) throws(ImageError) -> PartitionTable? {
        var damage: ImageError?
        for sectorSize in GPTHeader.sectorSizes {
            let count = source.size / sectorSize
            for sector in [1, count == 0 ? 0 : count - 1] {
                do throws(ImageError) {
                    guard let header = try GPTHeader(source, at: sector, sectorSize: sectorSize) else { continue }
                    return PartitionTable(
                        scheme: .gpt, identifier: header.disk.text(uppercase: true), sectorSize: sectorSize,
                        partitions: try header.partitions(source))
                } catch {
                    guard error.blame == .image else { throw error }
                    damage = damage ?? error
                }
            }
        }
        if let damage { throw damage }
        return nil
    }

    /// Follows the chain of tables in an extended partition.
    private static func readLogical(
        of extended: MBREntry, _ source: any ByteSource, _ diskID: UInt32, _ found: inout [Partition],
        _ onFault: (ChainFault, _ sector: UInt64) -> Void
    ) throws(ImageError) {
        let sectorSize = MBRTable.sectorSize
        var sector = extended.start
        var seen: Set<UInt64> = []
        while seen.insert(sector).inserted {
            guard seen.count <= maximumLogicalPartitions else { return onFault(.tooLong, sector) }
            let (offset, overflow) = sector.multipliedReportingOverflow(by: sectorSize)
            guard !overflow, offset <= source.size, source.size - offset >= sectorSize else {
                return onFault(.pastEnd, sector)
            }
            let bytes = try source.read(Int(sectorSize), at: offset)
            guard let table = try? MBRTable.entries(in: bytes) else {
                // An extended partition that was never used is zero, without a table.
                if sector != extended.start || bytes.contains(where: { $0 != 0 }) { onFault(.missing, sector) }
                return
            }
            for entry in table.entries where entry.number <= 2 && !entry.isExtended {
                let start = sector + entry.start
                let number = max(4, found.last?.number ?? 0) + 1
                found.append(
                    Partition(
                        number: number, bytes: start * sectorSize..<(start + entry.count) * sectorSize,
                        type: .mbr(entry.type), id: id(diskID, number), name: nil, isActive: entry.isActive))
            }
            guard let next = table.entries.first(where: \.isExtended) else { return }
            sector = extended.start + next.start
        }
        onFault(.circle, sector)
    }

    /// The PARTUUID of a partition of an MBR.
    private static func id(_ diskID: UInt32, _ number: Int) -> String {
        diskID.digits(width: 8) + "-" + number.digits(width: 2)
    }
}
