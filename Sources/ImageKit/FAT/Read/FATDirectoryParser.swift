/// Makes entries of the slots of a FAT directory, one slot after the other.
///
/// A long name counts only where its pieces come in order, without a gap, right before the short name whose sum they
/// carry, and where a tree can hold it: not with half a surrogate pair, a slash, or more than 255 bytes in UTF-8.
/// Otherwise the short name stands, as it does for every reader that knows nothing of long ones. (Specification 1.03,
/// section "FAT Long Directory Entries".)
struct FATDirectoryParser {
    /// What a slot turned out to be.
    enum Slot {
        /// Part of something, or left from something deleted.
        case nothing
        /// Nothing follows any more.
        case end
        /// The volume's label.
        case label([UInt8])
        /// A file or directory, with its long name where that counts.
        case entry(FATDirectoryEntry, long: String?)
    }

    /// What can be wrong with a long name.
    enum Fault {
        /// No short name follows it, or what should come first is missing.
        case orphaned
        /// Its pieces are in the wrong order, or some are missing.
        case order
        /// It belongs to another short name.
        case sum
        /// No file can have such a name.
        case name
    }

    /// The first byte of a slot that was deleted.
    static let free: UInt8 = 0xE5
    /// The names `.` and `..`.
    static let itself = Array(".          ".utf8), above = Array("..         ".utf8)
    /// Pieces of the longest name, 255 units.
    private static let mostPieces: UInt8 = 20
    private static let mostUnits = 255

    /// The pieces so far, last piece of the name first.
    private var pieces: [[UInt16]] = []
    /// The number of the piece that must come next, and the sum that all carry.
    private var expected: UInt8 = 0, sum: UInt8 = 0
    /// What the last slot has shown to be wrong with a long name, if anything.
    private(set) var fault: Fault?
    /// Whether something was wrong with the pieces so far, so that those that follow are not told again.
    private var isBroken = false

    /// Takes the next 32 bytes.
    mutating func take(_ slot: ArraySlice<UInt8>) -> Slot {
        fault = nil
        guard let first = slot.first, first != 0, let entry = FATDirectoryEntry(decoding: slot) else {
            if !pieces.isEmpty { drop(for: .orphaned) }
            return .end
        }
        if first == Self.free {
            if !pieces.isEmpty { drop(for: .orphaned) }
            isBroken = false
            return .nothing
        }
        typealias Attribute = FATDirectoryEntry.Attribute
        if entry.attributes & Attribute.longNameMask == Attribute.longName {
            takePiece(slot, number: first)
            return .nothing
        }
        let long = longName(for: entry.name)
        pieces = []
        isBroken = false
        if entry.attributes & Attribute.volumeLabel != 0 { return .label(entry.name) }
        if entry.name == Self.itself || entry.name == Self.above { return .nothing }
        return .entry(entry, long: long)
    }

    private mutating func takePiece(_ slot: ArraySlice<UInt8>, number: UInt8) {
        typealias Field = FATDirectoryEntry.LongField
        let isLast = number & Field.last != 0
        let number = number & ~Field.last
        let sum: UInt8 = slot.load(at: Field.sum) ?? 0
        if isLast {
            if !pieces.isEmpty { drop(for: .orphaned) }
            isBroken = false
            guard (1...Self.mostPieces).contains(number) else {
                drop(for: .order)
                return
            }
            self.sum = sum
        } else {
            guard !pieces.isEmpty, number == expected, number > 0, sum == self.sum else {
                drop(for: pieces.isEmpty ? .orphaned : number == expected && number > 0 ? .sum : .order)
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
        guard sum == FATDirectoryEntry.sum(of: short) else {
            fault = .sum
            return nil
        }
        let units = Array(pieces.reversed().joined().prefix { $0 != 0 })
        guard units.count <= Self.mostUnits, let name = String(validating: units, as: UTF16.self),
            Self.isPossible(name)
        else {
            fault = .name
            return nil
        }
        return name
    }

    /// Forgets the pieces so far, as something is wrong with them.
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

extension FATDirectoryEntry {
    /// Reads a slot; `nil` where it has less than 32 bytes.
    init?(decoding slot: ArraySlice<UInt8>) {
        guard slot.count >= Self.size, let lowerCase: UInt8 = slot.load(at: Field.lowerCase),
            let attributes: UInt8 = slot.load(at: Field.attributes),
            let high: UInt16 = slot.load(at: Field.clusterHigh), let low: UInt16 = slot.load(at: Field.clusterLow),
            let size: UInt32 = slot.load(at: Field.size), let date: UInt16 = slot.load(at: Field.writtenDate),
            let time: UInt16 = slot.load(at: Field.writtenTime)
        else { return nil }
        self.init(
            name: Array(slot.prefix(11)), lowerCase: lowerCase, attributes: attributes,
            cluster: UInt64(high) << 16 | UInt64(low), size: UInt64(size), time: FATTime(date: date, time: time))
    }

    /// The short name with its dot, in lower case where ``lowerCase`` says so.
    var shortName: String {
        var bytes = name
        // A name that begins with e5 would look deleted.
        if bytes.first == 0x05 { bytes[0] = 0xE5 }
        func part(_ bytes: ArraySlice<UInt8>, isLower: Bool) -> String {
            let text = CodePage437.text(bytes)
            return isLower ? CodePage437.lowered(text) : text
        }
        let base = part(bytes.prefix(8), isLower: lowerCase & Case.lowerBase != 0)
        let rest = part(bytes.dropFirst(8), isLower: lowerCase & Case.lowerExtension != 0)
        return rest.isEmpty ? base : base + "." + rest
    }
}

extension FATTime {
    /// Seconds since 1970, taking it for UTC, as Linux does where the clock's zone is. A month or day that there is not
    /// counts as the nearest.
    var seconds: Int64 {
        let month = min(max(Int64(date >> 5 & 15), 1), 12)
        let day = max(Int64(date & 31), 1)
        // Years begin in March, so that the leap day is the last.
        let year = 1980 + Int64(date >> 9) - (month < 3 ? 1 : 0)
        let dayOfYear = (153 * ((month + 9) % 12) + 2) / 5 + day - 1
        let days = year * 365 + year / 4 - year / 100 + year / 400 + dayOfYear - 719_468
        return days * 86_400 + Int64(time >> 11) * 3600 + Int64(time >> 5 & 63) * 60 + Int64(time & 31) * 2
    }
}

/// The characters of short names and labels, which have one byte each. Which ones, the disk does not say; Linux takes
/// IBM's code page 437 unless told otherwise, and so does this.
enum CodePage437 {
    private static let upperHalf = Array(
        ("ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩"
            + "≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{A0}").unicodeScalars)

    /// The text without the spaces at its end.
    static func text(_ bytes: some BidirectionalCollection<UInt8>) -> String {
        var text = String.UnicodeScalarView()
        for byte in bytes {
            let place = Int(byte) - 0x80
            text.append(upperHalf.indices.contains(place) ? upperHalf[place] : Unicode.Scalar(byte))
        }
        while text.last == " " { text.removeLast() }
        return String(text)
    }

    /// In lower case, as far as that is one character too.
    static func lowered(_ text: String) -> String {
        var lowered = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            let mapping = scalar.properties.lowercaseMapping.unicodeScalars
            lowered.append(mapping.count == 1 ? mapping.first ?? scalar : scalar)
        }
        return String(lowered)
    }
}
