/// A 16-byte identifier of a filesystem, a disk, a partition or a type of partition: a UUID, which UEFI calls GUID.
///
/// Filesystems store the bytes in the order of the text. GUID partition tables store the first three fields
/// little-endian:
///
/// ```
///   text           01234567-89ab-cdef-0123-456789abcdef
///   filesystem     01 23 45 67  89 ab  cd ef  01 23 45 67 89 ab cd ef
///   GPT            67 45 23 01  ab 89  ef cd  01 23 45 67 89 ab cd ef
/// ```
///
/// Sources: RFC 9562, section 4, "UUID Format"; UEFI specification, appendix A, "GUID and Time Formats".
public struct GUID: Hashable, Sendable {
    /// The first and the last eight bytes, in the order of the text, as big-endian numbers.
    private let high: UInt64, low: UInt64

    /// The number of bytes.
    static let size = 16
    /// All bytes are zero, which means "none".
    public static let zero = GUID(high: 0, low: 0)

    /// The identifier with these first and last eight bytes, as big-endian numbers.
    public init(high: UInt64, low: UInt64) { (self.high, self.low) = (high, low) }

    /// The identifier of 16 bytes in the order of the text; `nil` for any other number of bytes.
    public init?(bytes: some Collection<UInt8>) {
        guard bytes.count == Self.size else { return nil }
        high = Self.number(bytes.prefix(8))
        low = Self.number(bytes.dropFirst(8))
    }

    /// The identifier of 16 bytes of a GUID partition table; `nil` for any other number of bytes.
    init?(gpt bytes: some Collection<UInt8>) {
        let first = bytes.prefix(4), second = bytes.dropFirst(4).prefix(2), third = bytes.dropFirst(6).prefix(2)
        self.init(
            bytes: [first.reversed(), second.reversed(), third.reversed(), Array(bytes.dropFirst(8))].flatMap { $0 })
    }

    /// Reads the usual notation, in upper or lower case: `01234567-89ab-cdef-0123-456789abcdef`.
    ///
    /// - Returns: `nil` if `text` is anything else.
    public init?(_ text: String) {
        let groups = text.utf8.split(separator: UInt8(ascii: "-"), omittingEmptySubsequences: false)
        guard groups.map(\.count) == [8, 4, 4, 4, 12] else { return nil }
        var digits: [UInt8] = []
        for digit in groups.joined() {
            guard let value = Character(UnicodeScalar(digit)).hexDigitValue else { return nil }
            digits.append(UInt8(value))
        }
        self.init(bytes: stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] })
    }

    /// A random identifier (version 4).
    public static func random() -> GUID {
        GUID(
            high: .random(in: .min ... .max) & ~0xF000 | 0x4000,  // the version
            low: .random(in: .min ... .max) & ~(0b11 << 62) | 0b10 << 62)  // the variant
    }

    /// The 16 bytes in the order of the text.
    public var bytes: [UInt8] {
        [high, low].flatMap { number in
            stride(from: 56, through: 0, by: -8).map { UInt8(truncatingIfNeeded: number >> $0) }
        }
    }

    /// The usual notation: `01234567-89ab-cdef-0123-456789abcdef`.
    public func text(uppercase: Bool = false) -> String {
        func digits(_ number: UInt64, _ width: Int) -> String { number.digits(width: width, uppercase: uppercase) }
        return [
            digits(high >> 32, 8), digits(high >> 16 & 0xFFFF, 4), digits(high & 0xFFFF, 4), digits(low >> 48, 4),
            digits(low & 0xFFFF_FFFF_FFFF, 12),
        ].joined(separator: "-")
    }

    /// The big-endian number of these bytes, at most eight.
    private static func number(_ bytes: some Sequence<UInt8>) -> UInt64 { bytes.reduce(0) { $0 << 8 | UInt64($1) } }
}

extension GUID: LosslessStringConvertible {
    /// The usual notation, in lower case.
    public var description: String { text() }
}
