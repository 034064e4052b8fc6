/// The characters of short names and labels, which have one byte each. The disk does not name the code page; like Linux
/// by default, this is IBM's code page 437.
enum CodePage437 {
    private static let upperHalf = Array(
        ("ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘ"
            + "Ωδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{A0}").unicodeScalars)

    /// The text without the spaces at its end.
    static func text(_ bytes: some BidirectionalCollection<UInt8>) -> String {
        var text = String.UnicodeScalarView()
        for byte in bytes {
            let index = Int(byte) - 0x80
            text.append(upperHalf.indices.contains(index) ? upperHalf[index] : Unicode.Scalar(byte))
        }
        while text.last == " " { text.removeLast() }
        return String(text)
    }

    /// The text in lower case. Characters whose lower case is not one character stay unchanged.
    static func lowered(_ text: String) -> String {
        var lowered = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            let mapping = scalar.properties.lowercaseMapping.unicodeScalars
            lowered.append(mapping.count == 1 ? mapping.first ?? scalar : scalar)
        }
        return String(lowered)
    }
}
