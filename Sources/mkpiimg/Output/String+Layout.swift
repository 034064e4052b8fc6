import ImageKit

/// Layout of text with characters of equal width.
extension String {
    /// A number of spaces; none if the number is negative.
    static func spaces(_ count: Int) -> String { String(repeating: " ", count: Swift.max(0, count)) }

    /// The text with spaces after it, up to a width in columns.
    func padded(to width: Int) -> String { self + String.spaces(width - count) }

    /// The text with spaces before it, up to a width in columns.
    func right(in width: Int) -> String { String.spaces(width - count) + self }

    /// The text in lines of at most a width in columns. A longer word has a line of its own.
    func wrapped(to width: Int) -> [String] {
        var lines: [String] = []
        for word in split(separator: " ") {
            if let last = lines.last, last.count + 1 + word.count <= width {
                lines[lines.count - 1] += " " + word
            } else {
                lines.append(String(word))
            }
        }
        return lines
    }

    /// The text with its control characters escaped.
    var printable: String { ImageError.printable(self) }

    /// The text with the hashes of store paths cut to a number of digits, or without them if that is 0. A whole hash
    /// fills half a line.
    func shortened(hashDigits digits: Int) -> String {
        let bytes = Array(utf8)
        var shown: [UInt8] = []
        var index = 0
        while index < bytes.count {
            let end = bytes[index...].firstIndex { !Self.hashDigits.contains($0) } ?? bytes.count
            if end - index == 32, end < bytes.count, bytes[end] == UInt8(ascii: "-") {
                if digits > 0 { shown += bytes[index..<index + digits] + Array("…-".utf8) }
                index = end + 1
            } else {
                // The byte at the end of these digits is not a digit: the next digits begin after it.
                let next = min(end + 1, bytes.count)
                shown += bytes[index..<next]
                index = next
            }
        }
        return String(decoding: shown, as: UTF8.self)
    }

    private static let hashDigits = Set("0123456789abcdfghijklmnpqrsvwxyz".utf8)

    /// A number with one digit after the point.
    init(tenths number: Double) {
        let tenths = Int((number * 10).rounded())
        self = "\(tenths / 10).\(tenths % 10)"
    }

    /// The share of a part in a whole, such as `12.3%`.
    static func percent(_ part: UInt64, of whole: UInt64) -> String {
        String(tenths: Double(part) / Double(Swift.max(1, whole)) * 100) + "%"
    }
}
