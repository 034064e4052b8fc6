import ImageKit

/// Texts and numbers as JSON that can be embedded in a page, between `<script>` and `</script>`.
///
/// In HTML, `</script` ends a script even inside a string, and JavaScript has more line terminators than JSON.
/// Therefore characters with a meaning in either language are written as `\u` escapes. So are invisible characters and
/// those that change the direction of text: the page's source shows every character of a hostile name.
enum ScriptText {
    /// A string literal.
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

    /// An object. Its values are already JSON.
    static func object(_ fields: [(name: String, value: String)]) -> String {
        "{" + fields.map { "\(quote($0.name)):\($0.value)" }.joined(separator: ",") + "}"
    }

    /// A text for the content of an HTML element, or for a quoted attribute.
    static func markup(_ text: String) -> String {
        var escaped = ""
        for scalar in text.unicodeScalars {
            if isPlain(scalar.value) {
                escaped.unicodeScalars.append(scalar)
            } else if scalar.value >= 0x20, scalar.value < 0x7F {
                escaped += "&#\(scalar.value);"
            } else {
                // Shows the code point of an invisible character.
                escaped += "\\u{" + String(scalar.value, radix: 16) + "}"
            }
        }
        return escaped
    }

    /// Whether a character has no special meaning in JSON, JavaScript and HTML, and is neither a control nor a
    /// formatting character.
    private static func isPlain(_ scalar: UInt32) -> Bool {
        switch scalar {
        case 0..<0x20, 0x22, 0x26, 0x27, 0x3C, 0x3E, 0x5C, 0x60, 0x7F..<0xA0: false
        // Soft hyphen; Arabic letter mark; Mongolian vowel separator; zero-width characters and direction marks; line
        // and paragraph separators, embeddings; word joiner, isolates; byte order mark; annotations.
        case 0xAD, 0x61C, 0x180E, 0x200B...0x200F, 0x2028...0x202E, 0x2060...0x206F, 0xFEFF, 0xFFF9...0xFFFB: false
        // Tags and variation selectors.
        case 0xE0000...0xE0FFF: false
        default: true
        }
    }
}
