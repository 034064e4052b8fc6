/// The 32-byte slots of a FAT directory: one for each name, and before it the slots of its long name, if it has one.
///
/// ```
///   0             8           11     12     13  14          18      20     22           26      28     32
///   ├ name ───────┤ extension ┤ attr ┤ case ┤ ··┤ created ──┤ read ─┤ high ┤ written ──┤ low ──┤ size ┤
///
///   0    1            11    12  13       14              26  28          32
///   ├ no ┤ 5 units ───┤ 0f ─┤ 0 ┤ sum ───┤ 6 units ──────┤ 0 ┤ 2 units ─┤      a piece of a long name
/// ```
///
/// "High" and "low" are the halves of the first cluster's number. The pieces of a long name are stored last piece
/// first, with 13 UTF-16 units each. Each piece carries a checksum of the short name that it belongs to. The bits at
/// 12 are from Windows NT: a part of the short name is to be read in lower case.
///
/// Source: Microsoft FAT specification 1.03, sections "FAT Directory Structure" and "FAT Long Directory Entries".
struct FATDirectoryEntry {
    /// Bytes of a slot.
    static let size = 32
    /// The slots that a directory can have (specification, section "FAT Directory Structure").
    static let maximumSlots = 65_536
    /// The bytes of these slots, 2 MiB.
    static let maximumDirectorySize = UInt64(maximumSlots * size)
    /// The bytes that a file can have: its size is a field of 32 bits.
    static let maximumFileSize = UInt64(UInt32.max)
    /// UTF-16 units of a long name in one slot.
    static let unitsPerSlot = 13

    /// The bits of the attribute byte.
    enum Attribute {
        static let readOnly: UInt8 = 0x01
        static let hidden: UInt8 = 0x02
        static let system: UInt8 = 0x04
        static let volumeLabel: UInt8 = 0x08
        static let directory: UInt8 = 0x10
        static let archive: UInt8 = 0x20
        static let longName: UInt8 = 0x0F
        /// The bits to compare with ``longName``.
        static let longNameMask: UInt8 = 0x3F
    }

    /// The bits for the parts of a short name that are lower case.
    enum Case {
        static let lowerBase: UInt8 = 0x08
        static let lowerExtension: UInt8 = 0x10
    }

    /// The offsets of the fields in a slot.
    enum Field {
        static let name = 0
        static let attributes = 11
        static let lowerCase = 12
        static let createdTime = 14
        static let createdDate = 16
        static let readDate = 18
        static let clusterHigh = 20
        static let writtenTime = 22
        static let writtenDate = 24
        static let clusterLow = 26
        static let size = 28
    }

    /// The offsets of the fields in a slot with a piece of a long name.
    enum LongField {
        static let number = 0
        static let attributes = 11
        static let kind = 12
        static let checksum = 13
        static let cluster = 26
        /// The offset of each of the 13 units.
        static let units = [1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30]

        /// The bit in the number of the piece that is first on the disk and last in the name.
        static let last: UInt8 = 0x40
    }

    /// The short name, 8 + 3 bytes, padded with spaces.
    var name: [UInt8]
    /// ``Case`` bits.
    var lowerCase: UInt8 = 0
    /// ``Attribute`` bits.
    var attributes: UInt8
    /// The first cluster; 0 for an empty file, and for the root directory in `..`.
    var cluster: UInt64 = 0
    /// A file's bytes; 0 for a directory.
    var size: UInt64 = 0
    /// The time when it was made and written, and last read.
    var time: FATTime

    /// The entry's slot.
    func encoded() -> [UInt8] {
        var slot = [UInt8](repeating: 0, count: Self.size)
        slot.store(bytes: name, at: Field.name)
        slot[Field.attributes] = attributes
        slot[Field.lowerCase] = lowerCase
        slot.store(time.time, at: Field.createdTime)
        slot.store(time.date, at: Field.createdDate)
        slot.store(time.date, at: Field.readDate)
        slot.store(UInt16(truncatingIfNeeded: cluster >> 16), at: Field.clusterHigh)
        slot.store(time.time, at: Field.writtenTime)
        slot.store(time.date, at: Field.writtenDate)
        slot.store(UInt16(truncatingIfNeeded: cluster), at: Field.clusterLow)
        slot.store(UInt32(truncatingIfNeeded: size), at: Field.size)
        return slot
    }

    /// The number of slots for a long name of `units` UTF-16 units.
    static func slots(forUnits units: Int) -> Int { units.dividedRoundingUp(by: unitsPerSlot) }

    /// The checksum of a short name, which the pieces of its long name carry.
    static func checksum(of short: [UInt8]) -> UInt8 { short.reduce(0) { ($0 >> 1 | $0 << 7) &+ $1 } }

    /// The slots of a long name, in the order before the slot of `short`; none for an empty name.
    static func encodedLongName(_ units: [UInt16], short: [UInt8]) -> [UInt8] {
        let count = slots(forUnits: units.count)
        let checksum = checksum(of: short)
        var bytes = [UInt8](repeating: 0, count: count * size)
        for piece in 0..<count {
            let slot = (count - 1 - piece) * size
            bytes[slot + LongField.number] = UInt8(piece + 1) | (piece == count - 1 ? LongField.last : 0)
            bytes[slot + LongField.attributes] = Attribute.longName
            bytes[slot + LongField.checksum] = checksum
            for (index, offset) in LongField.units.enumerated() {
                let position = piece * unitsPerSlot + index
                // A zero ends a name that does not fill its last slot, and 0xFFFF fills the rest.
                let unit: UInt16 = position < units.count ? units[position] : position == units.count ? 0 : 0xFFFF
                bytes.store(unit, at: slot + offset)
            }
        }
        return bytes
    }
}
