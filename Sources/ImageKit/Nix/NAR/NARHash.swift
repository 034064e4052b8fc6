/// The SHA-256 of a store path's NAR serialisation.
public struct NARHash: Sendable, Hashable {
    /// The length of a hash in bytes.
    static let count = 32

    private let storage: SIMD32<UInt8>

    /// A hash of 32 bytes; `nil` for any other number of bytes.
    public init?(bytes: some Collection<UInt8>) {
        guard bytes.count == Self.count else { return nil }
        var storage = SIMD32<UInt8>()
        for (index, byte) in bytes.enumerated() { storage[index] = byte }
        self.storage = storage
    }

    /// Parses every form that `nix-store --load-db` accepts: hexadecimal in any case, Nix's base 32, or base 64, each
    /// with or without `sha256:` before it; or a subresource integrity string, `sha256-<base 64>`.
    public init(_ text: String) throws(ImageError) {
        switch Self.parse(text.utf8) {
        case .success(let hash): self = hash
        case .failure(let problem):
            throw ImageError(
                .invalidInput, "cannot read the hash '\(ImageError.printable(String(text.prefix(200))))'",
                reason: problem.reason, remedy: "give a SHA-256 hash in hexadecimal, base 32 or base 64")
        }
    }

    /// The reason why a text is no hash.
    struct Problem: Error {
        let reason: String
    }

    /// Parses a hash in any of its forms.
    static func parse(_ text: some BidirectionalCollection<UInt8>) -> Result<NARHash, Problem> {
        var digits = text[...]
        var isIntegrity = false
        // No digit of any base is a colon, and the dash is in none of the alphabets.
        if let mark = text.firstIndex(where: { $0 == UInt8(ascii: ":") || $0 == UInt8(ascii: "-") }) {
            let algorithm = String(decoding: text[..<mark].prefix(20), as: UTF8.self)
            guard algorithm == "sha256" else {
                return .failure(Problem(reason: "it is '\(ImageError.printable(algorithm))' and only sha256 is known"))
            }
            isIntegrity = text[mark] == UInt8(ascii: "-")
            digits = text[text.index(after: mark)...]
        }
        let bytes: [UInt8]?
        switch (digits.count, isIntegrity) {
        case (64, false): bytes = hexadecimal(digits)
        case (52, false): bytes = NixBase32.decode(digits, count: count)
        case (44, _): bytes = base64(digits)
        case (_, true):
            return .failure(Problem(reason: "it has \(digits.count) characters after 'sha256-' and 44 are needed"))
        default:
            return .failure(
                Problem(reason: "it has \(digits.count) characters, and a SHA-256 has 64, 52 or 44 (base 16, 32, 64)"))
        }
        guard let bytes, let hash = NARHash(bytes: bytes) else {
            return .failure(Problem(reason: "it has characters that the base of its length does not have"))
        }
        return .success(hash)
    }

    /// The 32 bytes.
    public var bytes: [UInt8] { (0..<Self.count).map { storage[$0] } }

    /// Decodes hexadecimal digits in any case; `nil` if there are other characters, or an odd number of digits.
    private static func hexadecimal(_ digits: some BidirectionalCollection<UInt8>) -> [UInt8]? {
        var bytes: [UInt8] = []
        var rest = digits[...]
        while let first = rest.popFirst() {
            guard let second = rest.popFirst(), let high = hexadecimalValue(first), let low = hexadecimalValue(second)
            else { return nil }
            bytes.append(UInt8(high << 4 | low))
        }
        return bytes
    }

    private static func hexadecimalValue(_ digit: UInt8) -> Int? { Character(Unicode.Scalar(digit)).hexDigitValue }

    /// Decodes 44 characters to 32 bytes. There must be one `=` at the end, and the two unused bits must be zero.
    private static func base64(_ text: some BidirectionalCollection<UInt8>) -> [UInt8]? {
        guard text.last == UInt8(ascii: "=") else { return nil }
        var bytes: [UInt8] = []
        var bits: UInt32 = 0
        var bitCount = 0
        for character in text.dropLast() {
            let value: UInt8
            switch character {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"): value = character - UInt8(ascii: "A")
            case UInt8(ascii: "a")...UInt8(ascii: "z"): value = character - UInt8(ascii: "a") + 26
            case UInt8(ascii: "0")...UInt8(ascii: "9"): value = character - UInt8(ascii: "0") + 52
            case UInt8(ascii: "+"): value = 62
            case UInt8(ascii: "/"): value = 63
            default: return nil
            }
            bits = bits << 6 | UInt32(value)
            bitCount += 6
            if bitCount >= 8 {
                bitCount -= 8
                bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(bitCount)))
                bits &= (1 << UInt32(bitCount)) - 1
            }
        }
        return bits == 0 ? bytes : nil
    }
}

extension NARHash: CustomStringConvertible {
    /// `sha256:` and 52 characters of base 32, as in registrations and narinfo files.
    public var description: String { "sha256:\(NixBase32.encode(bytes))" }
}
