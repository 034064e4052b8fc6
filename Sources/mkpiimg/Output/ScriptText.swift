import ImageKit

/// Texts and numbers as JSON that may stand in a page, between `<script>` and `</script>`.
///
/// A page ends its script at `</script`, wherever that stands, and has more line ends than JSON has. So everything that
/// means something to either, or that hides itself or turns the text around it, is written as `\u` and its number: what is
/// parsed is the text, and what a person sees in the page's source is harmless.
enum ScriptText {
    /// A text in quotes.
    static func quote(_ text: String) -> String {
        var quoted = "\""
        quoted.reserveCapacity(text.utf8.count + 2)
        for scalar in text.unicodeScalars {
            if isPlain(scalar.value) {
                quoted.unicodeScalars.append(scalar)
            } else {
                for unit in UTF16.encode(scalar) ?? UTF16.EncodedScalar() {
                    quoted += "\\u" + unit.digits(width: 4)
                }
            }
        }
        return quoted + "\""
    }

    /// An array of numbers.
    static func array(_ numbers: some Sequence<some BinaryInteger>) -> String {
        "[" + numbers.map { String($0) }.joined(separator: ",") + "]"
    }

    /// An array of texts.
    static func array(_ texts: some Sequence<String>) -> String {
        "[" + texts.map(quote).joined(separator: ",") + "]"
    }

    /// An object of values that are JSON already.
    static func object(_ fields: [(name: String, value: String)]) -> String {
        "{" + fields.map { "\(quote($0.name)):\($0.value)" }.joined(separator: ",") + "}"
    }

    /// A text for a page's markup, or in quotes in it.
    static func markup(_ text: String) -> String {
        var escaped = ""
        for scalar in text.unicodeScalars {
            if isPlain(scalar.value) {
                escaped.unicodeScalars.append(scalar)
            } else if scalar.value >= 0x20, scalar.value < 0x7F {
                escaped += "&#\(scalar.value);"
            } else {
                // What cannot be seen is shown by its number.
                escaped += "\\u{" + String(scalar.value, radix: 16) + "}"
            }
        }
        return escaped
    }

    /// Whether a character means nothing in JSON, scripts and markup, and is neither a control nor a formatting character.
    private static func isPlain(_ scalar: UInt32) -> Bool {
        switch scalar {
        case 0..<0x20, 0x22, 0x26, 0x27, 0x3C, 0x3E, 0x5C, 0x60, 0x7F..<0xA0: false
        // Soft hyphen; marks of direction, joiners, line ends; embeddings and isolates; fillers; variation; annotations.
        case 0xAD, 0x61C, 0x180E, 0x200B...0x200F, 0x2028...0x202E, 0x2060...0x206F, 0xFEFF, 0xFFF9...0xFFFB: false
        case 0xE0000...0xE0FFF: false
        default: true
        }
    }
}
