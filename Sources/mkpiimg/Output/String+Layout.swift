import ImageKit

/// Texts for a terminal, or a file, of fixed width.
extension String {
    /// So many spaces; none where that is less than none.
    static func spaces(_ count: Int) -> String { String(repeating: " ", count: Swift.max(0, count)) }

    /// With spaces after it, as far as a column goes.
    func padded(to width: Int) -> String { self + String.spaces(width - count) }

    /// At a column's right end.
    func right(in width: Int) -> String { String.spaces(width - count) + self }

    /// Broken into lines between words. (A word is never broken.)
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

    /// Without what a terminal would take for orders.
    var printable: String { ImageError.printable(self) }

    /// With the hashes of store paths cut to so many digits, or left out: they say nothing to a person, and take half a
    /// line.
    func shortened(hashDigits digits: Int) -> String {
        let bytes = Array(utf8)
        var shown: [UInt8] = []
        var place = 0
        while place < bytes.count {
            let end = bytes[place...].firstIndex { !Self.hashDigits.contains($0) } ?? bytes.count
            if end - place == 32, end < bytes.count, bytes[end] == UInt8(ascii: "-") {
                if digits > 0 { shown += bytes[place..<place + digits] + Array("…-".utf8) }
                place = end + 1
            } else {
                // The byte that ends the run is no digit, so the next run begins behind it.
                let next = min(end + 1, bytes.count)
                shown += bytes[place..<next]
                place = next
            }
        }
        return String(decoding: shown, as: UTF8.self)
    }

    private static let hashDigits = Set("0123456789abcdfghijklmnpqrsvwxyz".utf8)

    /// A number with one decimal place.
    init(tenths number: Double) {
        let tenths = Int((number * 10).rounded())
        self = "\(tenths / 10).\(tenths % 10)"
    }

    /// A part of a whole, like `12.3%`.
    static func percent(_ part: UInt64, of whole: UInt64) -> String {
        String(tenths: Double(part) / Double(Swift.max(1, whole)) * 100) + "%"
    }
}
