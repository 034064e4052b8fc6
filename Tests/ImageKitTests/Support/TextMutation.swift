@testable import ImageKit

/// Texts that are nearly valid for a parser: a valid text with a few changes.
struct TextMutation {
    /// Words and bytes that have a meaning for some parser.
    static let fragments: [[UInt8]] =
        [
            "\n", "\r\n", "\r", "\0", " ", "\t", "=", "[", "]", "[all]", "[pi4]", "[none]", "#", "/", "..", "//", ":",
            "\\",
            "\\040", "\\x2f", "\\+77", "\\-00", "-", "+", "0", "-1", "+1", "00", "0x", "4095", "4096", "65535",
            "4294967295", "4294967296", "9223372036854775807", "9223372036854775808", "18446744073709551615",
            "18446744073709551616", "99999999999999999999999", "1e9", "K", "M", "G", "T", "{", "}", "\"", "\"\":",
            "null",
            "[[", ",", "é", "\u{1F600}", "e\u{301}", "\u{2028}", "\u{FEFF}", "sha256:", "/nix/store/",
            "LABEL", "MENU LABEL ", "DEFAULT ", "include ", "dtoverlay=", "os_prefix=", "kernel_addr_r=",
            "\0ramdisk_addr_r=",
        ].map { Array($0.utf8) } + [[0xFF], [0xC3], [0xED, 0xA0, 0x80], [0xF8, 0x88], [0x80]]

    private var random: SplitMix

    init(_ random: SplitMix) { self.random = random }

    mutating func number(_ range: Range<Int>) -> Int { Int.random(in: range, using: &random) }

    /// One of the valid texts with some changes, which may insert parts of the others.
    mutating func next(_ valid: [[UInt8]]) -> [UInt8] {
        var text = valid[number(0..<valid.count)]
        for _ in 0..<number(1..<5) {
            let start = number(0..<text.count + 1)
            let end = min(text.count, start + number(0..<[2, 10, 100, 4000][number(0..<4)]))
            switch number(0..<9) {
            case 0: text.removeSubrange(start..<end)
            case 1: text.insert(contentsOf: Self.fragments[number(0..<Self.fragments.count)], at: start)
            case 2: text.replaceSubrange(start..<end, with: Self.fragments[number(0..<Self.fragments.count)])
            case 3: if start < text.count { text[start] = UInt8(number(0..<256)) }
            case 4: if start < text.count { text[start] ^= 1 << number(0..<8) }
            case 5: text.insert(contentsOf: text[start..<end], at: number(0..<text.count + 1))
            case 6:
                let other = valid[number(0..<valid.count)]
                let first = number(0..<other.count + 1)
                text.insert(contentsOf: other[first..<min(other.count, first + number(0..<200))], at: start)
            case 7:
                let fragment = Self.fragments[number(0..<Self.fragments.count)]
                for _ in 0..<[3, 20, 600][number(0..<3)] { text.insert(contentsOf: fragment, at: start) }
            default: text = Array(text[..<start])
            }
        }
        return text
    }
}
