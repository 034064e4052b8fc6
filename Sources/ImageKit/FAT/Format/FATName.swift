/// A file's name in the form of FAT: UTF-16 for its long name, and the way to its short name of 8 + 3 characters.
///
/// ```
///   "config.txt"            ▶ CONFIG  TXT, both parts marked as lower case
///   "Config.txt"            ▶ CONFIG  TXT, and the long name
///   "bcm2711-rpi-4-b.dtb"   ▶ BCM271~1DTB (a number makes it unique), and the long name
/// ```
///
/// Source: Microsoft FAT specification 1.03, sections "Name Limits and Character Sets" and "The Basis-Name Generation
/// Algorithm".
struct FATName {
    /// The way from the name to a short name.
    enum Short: Equatable {
        /// The name is a short name itself, up to case bits (``FATDirectoryEntry/Case``).
        case same([UInt8], lowerCase: UInt8)
        /// The name in upper case is a short name, but its case needs a long name.
        case upperCased([UInt8])
        /// The name is not a short name: these upper-case characters (at most 8 and 3) and a number make one.
        case numbered(base: [UInt8], extension: [UInt8])
    }

    /// The name in UTF-16.
    let units: [UInt16]
    /// Names with the same key are the same name to FAT.
    let key: [UInt32]
    let short: Short

    /// UTF-16 units that a long name can have.
    static let maximumUnits = 255

    /// Reads a name of the tree.
    /// - Throws: ``ImageError/Code/invalidInput`` with `path` if FAT cannot hold the name.
    init(_ bytes: ArraySlice<UInt8>, path: @autoclosure () -> String) throws(ImageError) {
        func refuse(_ reason: String) -> ImageError {
            ImageError(
                .invalidInput, "a FAT filesystem cannot hold the name", path: path(), reason: reason,
                remedy: "rename it")
        }
        guard let text = String(validating: bytes, as: UTF8.self) else { throw refuse("it is not valid UTF-8") }
        for scalar in text.unicodeScalars {
            if scalar.value < 0x20 || scalar.value == 0xFFFF {
                throw refuse("it contains the character U+\(String(scalar.value, radix: 16, uppercase: true))")
            }
            if Self.forbidden.contains(scalar) { throw refuse("it contains '\(scalar)'") }
        }
        if text.unicodeScalars.last == "." { throw refuse("it ends with a dot") }
        if text.unicodeScalars.last == " " { throw refuse("it ends with a space") }
        units = Array(text.utf16)
        key = Self.folded(text)
        short = Self.short(of: text)
    }

    private static let forbidden: Set<Unicode.Scalar> = ["\"", "*", "/", ":", "<", ">", "?", "\\", "|"]

    /// The name without its case: each character's simple upper case, converted to lower case. This makes a few more
    /// names equal than any single reader does (each has its own table), so that no two readers can disagree.
    static func folded(_ text: some StringProtocol) -> [UInt32] { text.unicodeScalars.map(folded) }

    private static func folded(_ scalar: Unicode.Scalar) -> UInt32 {
        if scalar.isASCII { return ("A"..."Z").contains(scalar) ? scalar.value | 0x20 : scalar.value }
        func simple(_ mapping: String) -> Unicode.Scalar? {
            mapping.unicodeScalars.count == 1 ? mapping.unicodeScalars.first : nil
        }
        let upper = simple(scalar.properties.uppercaseMapping) ?? scalar
        return (simple(upper.properties.lowercaseMapping) ?? upper).value
    }

    /// Whether two names have the same key.
    static func isSame(_ left: some StringProtocol, _ right: some StringProtocol) -> Bool {
        // Character by character, because nearly all names differ in the first few.
        left.unicodeScalars.lazy.map(folded).elementsEqual(right.unicodeScalars.lazy.map(folded))
    }

    // MARK: Short names

    /// The number of characters in the two parts of a short name.
    private static let baseLength = 8, extensionLength = 3

    private static func short(of text: String) -> Short {
        if let short = exactShort(of: Array(text.utf8)) { return short }
        let scalars = text.unicodeScalars.drop { $0 == "." || $0 == " " }
        let dot = scalars.lastIndex(of: ".") ?? scalars.endIndex
        let base = scalars[..<dot].lazy.filter { $0 != "." && $0 != " " }.prefix(baseLength)
        let rest = scalars[dot...].lazy.filter { $0 != "." && $0 != " " }.prefix(extensionLength)
        return .numbered(base: base.map(shortCharacter), extension: rest.map(shortCharacter))
    }

    /// The byte for a character in a short name: its upper case, or an underscore. Only ASCII is kept, because the rest
    /// would depend on the reader's code page.
    private static func shortCharacter(_ scalar: Unicode.Scalar) -> UInt8 {
        guard scalar.isASCII else { return UInt8(ascii: "_") }
        let byte = UInt8(truncatingIfNeeded: scalar.value)
        if isLower(byte) { return byte & 0xDF }
        return isShort(byte) ? byte : UInt8(ascii: "_")
    }

    private static func isLower(_ byte: UInt8) -> Bool { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) }
    private static func isUpper(_ byte: UInt8) -> Bool { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) }

    /// Whether a short name can contain the character unchanged.
    private static func isShort(_ byte: UInt8) -> Bool {
        isUpper(byte) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
            || "$%'-_@~`!(){}^#&".utf8.contains(byte)
    }

    /// How well a short name on a disk follows the rules.
    enum Fitness {
        case good
        /// It has lower-case letters, or characters that only long names may have.
        case unusual
        /// It has characters that no name may have, or begins with a space.
        case impossible
    }

    /// Whether a file may have these 11 bytes as its short name. (Bytes from 0x80 on are accepted: they belong to an
    /// unknown code page.)
    static func fitness(ofShort name: [UInt8]) -> Fitness {
        var fitness = Fitness.good
        for (index, byte) in name.enumerated() {
            // 05 stands for e5, which would mark the slot as deleted.
            if byte < 0x20 && !(index == 0 && byte == 0x05) || byte == 0x7F || (index == 0 && byte == 0x20)
                || "\"*./:<>?\\|".utf8.contains(byte)
            {
                return .impossible
            }
            if isLower(byte) || "+,;=[]".utf8.contains(byte) { fitness = .unusual }
        }
        return fitness
    }

    private static func exactShort(of bytes: [UInt8]) -> Short? {
        let parts = bytes.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard let base = parts.first, (1...baseLength).contains(base.count), parts.count <= 2 else { return nil }
        let rest = parts.count == 2 ? parts[1] : []
        guard rest.count <= extensionLength, (base + rest).allSatisfy({ isShort($0) || isLower($0) })
        else { return nil }
        let name = padded(base.map(upper), rest.map(upper))
        var lowerCase: UInt8 = 0
        for (part, bit) in [
            (base, FATDirectoryEntry.Case.lowerBase), (rest, FATDirectoryEntry.Case.lowerExtension),
        ] where part.contains(where: isLower) {
            if part.contains(where: isUpper) { return .upperCased(name) }
            lowerCase |= bit
        }
        return .same(name, lowerCase: lowerCase)
    }

    private static func upper(_ byte: UInt8) -> UInt8 { isLower(byte) ? byte & 0xDF : byte }

    /// The 11 bytes of a short name.
    static func padded(_ base: some Collection<UInt8>, _ rest: some Collection<UInt8>) -> [UInt8] {
        let space = UInt8(ascii: " ")
        return base + Array(repeating: space, count: max(0, baseLength - base.count))
            + rest + Array(repeating: space, count: max(0, extensionLength - rest.count))
    }
}
