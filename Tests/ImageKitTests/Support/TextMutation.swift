@testable import ImageKit

/// Makes texts that are nearly valid for a parser: a valid text with a few changes.
struct TextMutation {
    /// Words and bytes that have a meaning for one of the parsers.
    private static let words: [[UInt8]] =
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

    /// One of the valid texts with one to four changes. It may contain parts of the other texts.
    mutating func next(_ good: [[UInt8]]) -> [UInt8] {
        var text = good[number(0..<good.count)]
        for _ in 0..<number(1..<5) {
            let index = number(0..<text.count + 1)
            let end = min(text.count, index + number(0..<[2, 10, 100, 4000][number(0..<4)]))
            switch number(0..<9) {
            case 0: text.removeSubrange(index..<end)
            case 1: text.insert(contentsOf: Self.words[number(0..<Self.words.count)], at: index)
            case 2: text.replaceSubrange(index..<end, with: Self.words[number(0..<Self.words.count)])
            case 3: if index < text.count { text[index] = UInt8(number(0..<256)) }
            case 4: if index < text.count { text[index] ^= 1 << number(0..<8) }
            case 5: text.insert(contentsOf: text[index..<end], at: number(0..<text.count + 1))
            case 6:
                let source = good[number(0..<good.count)]
                let start = number(0..<source.count + 1)
                text.insert(contentsOf: source[start..<min(source.count, start + number(0..<200))], at: index)
            case 7:
                let word = Self.words[number(0..<Self.words.count)]
                for _ in 0..<[3, 20, 600][number(0..<3)] { text.insert(contentsOf: word, at: index) }
            default: text = Array(text[..<index])
            }
        }
        return text
    }
}
