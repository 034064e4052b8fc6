/// The partition table of anybody's disk: an MBR with primary, extended and logical partitions, or a GPT.
///
/// ```
///   MBR entry of type 05, 0f or 85            each logical partition has a sector like the MBR before it
///   ├ extended partition ──────────────────────────────────────────────────────────────────────┤
///   ├ EBR ┤···├ partition 5 ──────┤├ EBR ┤···├ partition 6 ───────┤
///      │  └ entry 1: start, counted from this EBR       ▲
///      └ entry 2: next EBR, counted from the extended partition's start ┘
/// ```
///
/// Source: UEFI specification, section 5.2 (MBR) and 5.3 (GPT); logical partitions as Linux and sfdisk read them.
public struct PartitionTable: Hashable, Sendable {
    /// What kind of table it is.
    public enum Scheme: String, Hashable, Sendable {
        /// In the first sector, with logical partitions where there are any.
        case mbr
        /// A GUID partition table, behind an MBR that only protects it.
        case gpt
        /// None: one filesystem has the whole disk.
        case none
    }

    /// What kind of table it is.
    public var scheme: Scheme
    /// The disk's identifier as sfdisk shows it: `0x2178694e`, or a GUID; `nil` where there is no table.
    public var identifier: String?
    /// Bytes in a sector, the unit of the table's addresses.
    public var sectorSize: UInt64
    /// The partitions in the order of their numbers; an extended one is among them. They may overlap, and may lie past the
    /// disk's end.
    public var partitions: [Partition]

    /// A disk without a table, which is one filesystem.
    static func whole(_ size: UInt64) -> PartitionTable {
        PartitionTable(
            scheme: .none, identifier: nil, sectorSize: MBRTable.sectorSize,
            partitions: [
                Partition(number: 1, bytes: 0..<size, type: .mbr(0), id: nil, name: nil, isActive: false)
            ])
    }

    /// The most logical partitions that are read: far more than anything makes.
    static let logicalLimit = 128
    /// The type of the MBR entry that stands for a GPT.
    static let protectiveType: UInt8 = 0xEE

    /// Reads a disk's table. Of a GPT, the copy at the disk's end serves where the first is damaged.
    ///
    /// - Throws: ``ImageError/Code/invalidInput`` where there is none, ``ImageError/Code/corrupt`` where it cannot be read.
    public static func read(from source: any ByteSource) throws(ImageError) -> PartitionTable {
        let length = Int(min(MBRTable.sectorSize, source.size))
        let mbr = try MBRTable.entries(in: try source.read(length, at: 0))
        if mbr.entries.contains(where: { $0.type == protectiveType }), let table = try readGPT(source) { return table }
        return try readMBR(mbr, source) { (_, _) in }
    }

    /// What is wrong with a chain of logical partitions.
    enum ChainFault {
        /// A table of the chain lies past the disk's end.
        case pastEnd
        /// There is no table where one should be.
        case missing
        /// The chain comes back to a table.
        case circle
        /// There are more than ``logicalLimit``.
        case tooLong
    }

    /// Reads the logical partitions, too.
    ///
    /// - Parameter onFault: hears where in the disk, in sectors, a chain of them breaks off.
    static func readMBR(
        _ mbr: (diskID: UInt32, entries: [MBREntry]), _ source: any ByteSource,
        onFault: (ChainFault, UInt64) -> Void
    ) throws(ImageError) -> PartitionTable {
        let sectorSize = MBRTable.sectorSize
        var found: [Partition] = []
        for entry in mbr.entries {
            found.append(
                Partition(
                    number: entry.number, bytes: entry.start * sectorSize..<(entry.start + entry.count) * sectorSize,
                    type: .mbr(entry.type), id: id(mbr.diskID, entry.number), name: nil, isActive: entry.isActive))
        }
        for extended in mbr.entries where Partition.extendedTypes.contains(extended.type) {
            try readLogical(of: extended, source, mbr.diskID, &found, onFault)
        }
        return PartitionTable(
            scheme: .mbr, identifier: "0x" + hex(mbr.diskID), sectorSize: sectorSize, partitions: found)
    }

    private static func readGPT(_ source: any ByteSource) throws(ImageError) -> PartitionTable? {
        var failure: ImageError?
        for sectorSize in [512, 4096] as [UInt64] {
            let last = source.size / sectorSize
            for sector in [1, last == 0 ? 0 : last - 1] {
                do throws(ImageError) {
                    guard let header = try GPTHeader(source, at: sector, sectorSize: sectorSize) else { continue }
                    return PartitionTable(
                        scheme: .gpt, identifier: header.disk.text(uppercase: true), sectorSize: sectorSize,
                        partitions: try header.partitions(source))
                } catch {
                    guard error.code == .corrupt else { throw error }
                    failure = failure ?? error
                }
            }
        }
        if let failure { throw failure }
        return nil
    }

    /// Follows the chain of an extended partition's tables.
    private static func readLogical(
        of extended: MBREntry, _ source: any ByteSource, _ diskID: UInt32, _ found: inout [Partition],
        _ onFault: (ChainFault, UInt64) -> Void
    ) throws(ImageError) {
        let sectorSize = MBRTable.sectorSize
        var place = extended.start
        var seen: Set<UInt64> = []
        while seen.insert(place).inserted {
            guard seen.count <= logicalLimit else { return onFault(.tooLong, place) }
            let (offset, overflow) = place.multipliedReportingOverflow(by: sectorSize)
            guard !overflow, offset <= source.size, source.size - offset >= sectorSize else {
                return onFault(.pastEnd, place)
            }
            let sector = try source.read(Int(sectorSize), at: offset)
            guard let table = try? MBRTable.entries(in: sector) else {
                // An extended partition that nothing was ever put into has no table.
                if place != extended.start || sector.contains(where: { $0 != 0 }) { onFault(.missing, place) }
                return
            }
            for entry in table.entries where entry.number <= 2 && !Partition.extendedTypes.contains(entry.type) {
                let start = place + entry.start
                let number = max(4, found.last?.number ?? 0) + 1
                found.append(
                    Partition(
                        number: number, bytes: start * sectorSize..<(start + entry.count) * sectorSize,
                        type: .mbr(entry.type), id: id(diskID, number), name: nil, isActive: entry.isActive))
            }
            guard let next = table.entries.first(where: { Partition.extendedTypes.contains($0.type) }) else {
                return
            }
            place = extended.start + next.start
        }
        onFault(.circle, place)
    }

    private static func id(_ disk: UInt32, _ number: Int) -> String {
        let digits = String(number, radix: 16)
        return hex(disk) + "-" + (digits.count < 2 ? "0" : "") + digits
    }

    private static func hex(_ disk: UInt32) -> String {
        let digits = String(disk, radix: 16)
        return String(repeating: "0", count: 8 - digits.count) + digits
    }
}
