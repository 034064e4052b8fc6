/// Parses the slots of a FAT directory, one after the other.
///
/// A long name is used only if its pieces come in order, without a gap, and right before the short name whose checksum
/// they carry. It must also be a name that a tree can hold: not with half a surrogate pair, a slash, or more than 255
/// bytes in UTF-8. Otherwise the short name is used, as by every reader that does not know long names. Source:
/// specification 1.03, section "FAT Long Directory Entries".
struct FATDirectoryParser {
    /// The meaning of a slot.
    enum Slot {
        /// A piece of a long name, `.` or `..`, or a deleted entry.
        case nothing
        /// The end of the directory.
        case end
        /// The volume's label.
        case label([UInt8])
        /// A file or directory, with its long name if that is valid.
        case entry(FATDirectoryEntry, long: String?)
    }

    /// The faults of a long name.
    enum Fault {
        /// No short name follows it, or its first piece is missing.
        case orphaned
        /// Its pieces are in the wrong order, or some are missing.
        case order
        /// Its checksum is that of another short name.
        case checksum
        /// The name is invalid.
        case name
    }

    /// The first byte of a deleted slot.
    static let deleted: UInt8 = 0xE5
    /// The names `.` and `..`.
    static let dot = Array(".          ".utf8), dotDot = Array("..         ".utf8)
    /// The pieces of the longest name.
    private static let maximumPieces = UInt8(FATDirectoryEntry.slots(forUnits: FATName.maximumUnits))

    /// The pieces so far, last piece of the name first.
    private var pieces: [[UInt16]] = []
    /// The number of the piece that must come next, and the checksum that all pieces carry.
    private var expected: UInt8 = 0, checksum: UInt8 = 0
    /// The fault of a long name that the last slot has revealed, if any.
    private(set) var fault: Fault?
    /// Whether the pieces so far had a fault. Then those that follow are not reported again.
    private var isBroken = false

    /// Parses the next 32 bytes.
    mutating func parse(_ slot: ArraySlice<UInt8>) -> Slot {
        fault = nil
        guard let first = slot.first, first != 0, let entry = FATDirectoryEntry(decoding: slot) else {
            if !pieces.isEmpty { drop(for: .orphaned) }
            return .end
        }
        if first == Self.deleted {
            if !pieces.isEmpty { drop(for: .orphaned) }
            isBroken = false
            return .nothing
        }
        typealias Attribute = FATDirectoryEntry.Attribute
        if entry.attributes & Attribute.longNameMask == Attribute.longName {
            appendPiece(slot, number: first)
            return .nothing
        }
        let long = longName(for: entry.name)
        pieces = []
        isBroken = false
        if entry.attributes & Attribute.volumeLabel != 0 { return .label(entry.name) }
        if entry.name == Self.dot || entry.name == Self.dotDot { return .nothing }
        return .entry(entry, long: long)
    }

    private mutating func appendPiece(_ slot: ArraySlice<UInt8>, number: UInt8) {
        typealias Field = FATDirectoryEntry.LongField
        let isLast = number & Field.last != 0
        let number = number & ~Field.last
        let checksum: UInt8 = slot.load(at: Field.checksum) ?? 0
        if isLast {
            if !pieces.isEmpty { drop(for: .orphaned) }
            isBroken = false
            guard (1...Self.maximumPieces).contains(number) else {
                drop(for: .order)
                return
            }
            self.checksum = checksum
        } else {
            guard !pieces.isEmpty, number == expected, number > 0, checksum == self.checksum else {
                drop(for: pieces.isEmpty ? .orphaned : number == expected && number > 0 ? .checksum : .order)
                return
            }
        }
        expected = number - 1
        pieces.append(Field.units.map { slot.load(at: $0) ?? 0 })
    }

    private mutating func longName(for short: [UInt8]) -> String? {
        guard !pieces.isEmpty else { return nil }
        guard expected == 0 else {
            fault = .order
            return nil
        }
        guard checksum == FATDirectoryEntry.checksum(of: short) else {
            fault = .checksum
            return nil
        }
        let units = Array(pieces.reversed().joined().prefix { $0 != 0 })
        guard units.count <= FATName.maximumUnits, let name = String(validating: units, as: UTF16.self),
            Self.isPossible(name)
        else {
            fault = .name
            return nil
        }
        return name
    }

    /// Forgets the pieces so far, because of a fault.
    private mutating func drop(for reason: Fault) {
        pieces = []
        if !isBroken { fault = reason }
        isBroken = true
    }

    /// Whether a tree can hold the name.
    static func isPossible(_ name: String) -> Bool {
        do throws(ImageError) {
            try FileTree.check(Array(name.utf8))
            return true
        } catch {
            return false
        }
    }
}
