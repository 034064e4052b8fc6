/// The SHA-256 of a store path's NAR serialisation.
public struct NARHash: Sendable, Hashable {
    static let count = 32

    private let storage: SIMD32<UInt8>

    /// Takes the 32 bytes of a hash; `nil` for any other number.
    public init?(bytes: some Collection<UInt8>) {
        guard bytes.count == Self.count else { return nil }
        var storage = SIMD32<UInt8>()
        for (index, byte) in bytes.enumerated() { storage[index] = byte }
        self.storage = storage
    }

    /// Reads every form that `nix-store --load-db` takes: hexadecimal in either case, Nix's base 32, or base 64, each
    /// bare or after `sha256:`; or a subresource integrity string, `sha256-<base 64>`.
    public init(_ text: String) throws(ImageError) {
        switch Self.parse(text.utf8) {
        case .success(let hash): self = hash
        case .failure(let problem):
            throw ImageError(
                .invalidInput, "cannot read the hash '\(ImageError.printable(String(text.prefix(200))))'",
                reason: problem.reason, remedy: "give a SHA-256 hash in hexadecimal, base 32 or base 64")
        }
    }

    /// Why a text is no hash.
    struct Problem: Error {
        let reason: String
    }

    /// Reads a hash in any of its forms, or says why it is none.
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

    private static func hexadecimal(_ text: some Collection<UInt8>) -> [UInt8]? {
        var bytes: [UInt8] = []
        var high: UInt8?
        for character in text {
            let value: UInt8
            switch character {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): value = character - UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): value = character - UInt8(ascii: "a") + 10
            case UInt8(ascii: "A")...UInt8(ascii: "F"): value = character - UInt8(ascii: "A") + 10
            default: return nil
            }
            if let first = high {
                bytes.append(first << 4 | value)
                high = nil
            } else {
                high = value
            }
        }
        return high == nil ? bytes : nil
    }

    /// Decodes 44 characters to 32 bytes: one `=` at the end, and the two spare bits zero.
    private static func base64(_ text: some BidirectionalCollection<UInt8>) -> [UInt8]? {
        guard text.last == UInt8(ascii: "=") else { return nil }
        var bytes: [UInt8] = []
        var bits: UInt32 = 0
        var held = 0
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
            held += 6
            if held >= 8 {
                held -= 8
                bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(held)))
                bits &= (1 << UInt32(held)) - 1
            }
        }
        return bits == 0 ? bytes : nil
    }
}

extension NARHash: CustomStringConvertible {
    /// `sha256:` and 52 characters of base 32: how registrations and narinfo files have it.
    public var description: String { "sha256:\(NixBase32.encode(bytes))" }
}
