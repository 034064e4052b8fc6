/// The 32-byte slots that a FAT directory is made of: one for each name, and before it as many as its long name needs.
///
/// ```
///   0             8           11     12     13  14          18      20     22           26      28     32
///   ├ name ───────┤ extension ┤ attr ┤ case ┤ ··┤ created ──┤ read ─┤ high ┤ written ──┤ low ──┤ size ┤
///
///   0    1            11    12  13       14              26  28          32
///   ├ no ┤ 5 units ───┤ 0f ─┤ 0 ┤ sum ───┤ 6 units ──────┤ 0 ┤ 2 units ─┤      a piece of a long name
/// ```
///
/// "High" and "low" are the halves of the first cluster's number. The pieces of a long name come last piece first, 13
/// UTF-16 units each, and carry a sum over the short name that they belong to. Microsoft FAT specification 1.03,
/// sections "FAT Directory Structure" and "FAT Long Directory Entries". The bits at 12 are Windows NT's: a part of the
/// short name is to be read in lower case.
struct FATDirectoryEntry {
    /// Bytes of a slot.
    static let size = 32
    /// UTF-16 units of a long name in one slot.
    static let unitsPerSlot = 13

    /// What an entry is, in the bits of its attribute byte.
    enum Attribute {
        static let readOnly: UInt8 = 0x01
        static let hidden: UInt8 = 0x02
        static let system: UInt8 = 0x04
        static let volumeLabel: UInt8 = 0x08
        static let directory: UInt8 = 0x10
        static let archive: UInt8 = 0x20
        static let longName: UInt8 = 0x0F
        /// The bits that are compared with ``longName``.
        static let longNameMask: UInt8 = 0x3F
    }

    /// Which parts of a short name are lower case.
    enum Case {
        static let lowerBase: UInt8 = 0x08
        static let lowerExtension: UInt8 = 0x10
    }

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

    enum LongField {
        static let number = 0
        static let attributes = 11
        static let sum = 13
        /// Where each of the 13 units lies.
        static let units = [1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30]
        /// The bit in the number of the piece that comes first on the disk, and last in the name.
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
    /// When it was made and written; read on the same day.
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

    /// How many slots a long name of `units` needs.
    static func slots(forUnits units: Int) -> Int { units.dividedRoundingUp(by: unitsPerSlot) }

    /// The sum over a short name that the pieces of its long name carry.
    static func sum(of short: [UInt8]) -> UInt8 { short.reduce(0) { ($0 >> 1 | $0 << 7) &+ $1 } }

    /// The slots of a long name, as they lie before the slot of `short`; none for an empty name.
    static func encodedLongName(_ units: [UInt16], short: [UInt8]) -> [UInt8] {
        let count = slots(forUnits: units.count)
        let sum = sum(of: short)
        var bytes = [UInt8](repeating: 0, count: count * size)
        for piece in 0..<count {
            let slot = (count - 1 - piece) * size
            bytes[slot + LongField.number] = UInt8(piece + 1) | (piece == count - 1 ? LongField.last : 0)
            bytes[slot + LongField.attributes] = Attribute.longName
            bytes[slot + LongField.sum] = sum
            for (index, offset) in LongField.units.enumerated() {
                let place = piece * unitsPerSlot + index
                // A zero ends the name where it does not fill its last slot, and ones fill the rest.
                let unit: UInt16 = place < units.count ? units[place] : place == units.count ? 0 : 0xFFFF
                bytes.store(unit, at: slot + offset)
            }
        }
        return bytes
    }
}

/// A date and time as FAT stores it: local time, two-second steps, from 1980 to 2107.
///
/// ```
///   date   ├ year − 1980 : 7 ┤ month : 4 ┤ day : 5 ┤       time   ├ hour : 5 ┤ minute : 6 ┤ seconds / 2 : 5 ┤
/// ```
struct FATTime {
    let date: UInt16
    let time: UInt16

    /// From the two fields.
    init(date: UInt16, time: UInt16) {
        self.date = date
        self.time = time
    }

    /// From its parts; what is below a step or above a field's range is cut off.
    init(_ year: UInt16, _ month: UInt16, _ day: UInt16, _ hour: UInt16, _ minute: UInt16, _ second: UInt16) {
        date = (year &- 1980) << 9 | (month & 15) << 5 | (day & 31)
        time = hour << 11 | (minute & 63) << 5 | (second / 2 & 31)
    }

    /// When every file and directory of an image was made: 2000-01-01 00:00:00, as in NixOS' images.
    static let entries = FATTime(2000, 1, 1, 0, 0, 0)
    /// When every volume label was made: 2015-03-14 09:26:52, which `mkfs.vfat --invariant` writes.
    static let label = FATTime(2015, 3, 14, 9, 26, 52)
}
