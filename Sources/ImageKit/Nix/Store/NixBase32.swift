/// Nix's base 32, the encoding of hashes in store paths and registrations.
///
/// The digits are 0–9, then lower-case letters without e, o, u and t. The bytes are one little-endian number, whose
/// most significant five bits come first. So the first character also has the unused bits, which are zero.
///
/// Source: the format that Nix reads and writes (`nix-hash --type sha256 --to-base32`).
enum NixBase32 {
    private static let alphabet: [UInt8] = Array("0123456789abcdfghijklmnpqrsvwxyz".utf8)

    /// The value of each byte as a digit, 0–31, or 255 if it is not a digit of base 32.
    static let values: [UInt8] = {
        var values = [UInt8](repeating: 255, count: 256)
        for (value, character) in alphabet.enumerated() { values[Int(character)] = UInt8(value) }
        return values
    }()

    /// Whether `byte` is a digit of base 32.
    static func isDigit(_ byte: UInt8) -> Bool { values[Int(byte)] < 32 }

    /// The number of characters for `count` bytes.
    static func length(ofBytes count: Int) -> Int { count == 0 ? 0 : (count * 8 - 1) / 5 + 1 }

    /// The bytes as text; 32 bytes give 52 characters, 20 bytes give 32.
    static func encode(_ bytes: some Collection<UInt8>) -> String {
        let bytes = Array(bytes)
        var text = ""
        for digit in (0..<length(ofBytes: bytes.count)).reversed() {
            let index = digit * 5 / 8
            let shift = digit * 5 % 8
            let high: UInt16 = index + 1 < bytes.count ? UInt16(bytes[index + 1]) : 0
            let pair = UInt16(bytes[index]) | high << 8
            text.unicodeScalars.append(Unicode.Scalar(alphabet[Int(pair >> shift & 31)]))
        }
        return text
    }

    /// Decodes a text to `count` bytes. `nil` if it has another length, a character that is not a digit, or unused bits
    /// that are not zero.
    static func decode(_ text: some Collection<UInt8>, count: Int) -> [UInt8]? {
        // The first comparison keeps the computation of the length from overflowing.
        guard count >= 0, count <= text.count, text.count == length(ofBytes: count) else { return nil }
        var bytes = [UInt8](repeating: 0, count: count)
        for (position, character) in text.enumerated() {
            let value = values[Int(character)]
            guard value < 32 else { return nil }
            let digit = text.count - 1 - position
            let index = digit * 5 / 8
            let pair = UInt16(value) << UInt16(digit * 5 % 8)
            bytes[index] |= UInt8(truncatingIfNeeded: pair)
            let rest = UInt8(truncatingIfNeeded: pair >> 8)
            if index + 1 < count {
                bytes[index + 1] |= rest
            } else if rest != 0 {
                return nil
            }
        }
        return bytes
    }
}
