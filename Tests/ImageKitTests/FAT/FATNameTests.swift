import Testing

@testable import ImageKit

@Suite struct FATNameTests {
    static func name(_ text: String) throws -> FATName { try FATName(Array(text.utf8)[...], path: text) }

    @Test(arguments: [
        ("config.txt", "CONFIG  TXT", 0x18), ("README", "README     ", 0), ("LOWER.txt", "LOWER   TXT", 0x10),
        ("lower.TXT", "LOWER   TXT", 0x08), ("12345", "12345      ", 0), ("u-boot.bin", "U-BOOT  BIN", 0x18),
        ("12345678.123", "12345678123", 0), ("a", "A          ", 0x08), ("$%'-_@~`.!(){", "", -1),
        ("$%'-_@~`.!()", "$%'-_@~`!()", 0), ("Config.txt", "CONFIG  TXT", -2), ("config.Txt", "CONFIG  TXT", -2),
        ("bcm2711-rpi-4-b.dtb", "BCM2711-DTB", -3), (".hidden", "HIDDEN     ", -3), ("a.b.c", "AB      C  ", -3),
        ("sp ace.txt", "SPACE   TXT", -3), ("a+b,c;d=[].x", "A_B_C_D_X  ", -3), ("é😀.txt", "__      TXT", -3),
        ("long.text", "LONG    TEX", -3), (" x", "X          ", -3), ("...a", "A          ", -3),
        ("a .b", "A       B  ", -3),
    ])
    func hasShort(text: String, short: String, kind: Int) throws {
        switch try Self.name(text).short {
        case .same(let bytes, let lowerCase):
            #expect(String(decoding: bytes, as: UTF8.self) == short && lowerCase == kind)
        case .upperCased(let bytes): #expect(String(decoding: bytes, as: UTF8.self) == short && kind == -2)
        case .numbered(let base, let rest):
            #expect(kind == -3 || kind == -1)
            if kind == -3 { #expect(String(decoding: FATName.padded(base, rest), as: UTF8.self) == short) }
        }
    }

    @Test(arguments: [
        ("a:b", "it contains ':'"), ("a*", "it contains '*'"), ("a\\b", "it contains '\\'"), ("a?", "'?'"),
        ("a|b", "'|'"), ("<", "'<'"), (">", "'>'"), ("\"", "'\"'"), ("a\tb", "it contains the character U+9"),
        ("a\u{FFFF}", "it contains the character U+FFFF"), ("name.", "it ends with a dot"),
        ("name ", "it ends with a space"),
    ])
    func refuses(text: String, reason: String) throws {
        let error = try #require(throws: ImageError.self) { try Self.name(text) }
        #expect(error.code == .invalidInput && "\(error)".contains("a FAT filesystem cannot hold the name '"))
        #expect("\(error)".contains(reason) && "\(error)".hasSuffix("; rename it"))
    }

    @Test func refusesBytesThatAreNotUTF8() throws {
        for bytes in [[0x66, 0xFF], [0xC3], [0xED, 0xA0, 0x80], [0xC0, 0x80]] as [[UInt8]] {
            let error = try #require(throws: ImageError.self) { try FATName(bytes[...], path: "dir/f") }
            #expect("\(error)" == "a FAT filesystem cannot hold the name 'dir/f': it is not valid UTF-8; rename it")
        }
    }

    @Test func distinguishesNamesAsFATDoes() throws {
        for (left, right) in [
            ("a", "A"), ("É", "é"), ("Straße", "STRAßE"), ("ſ", "s"), ("Ω", "ω"), ("Ж", "ж"), ("ς", "σ"),
        ] {
            #expect(try Self.name(left).key == Self.name(right).key, "\(left) \(right)")
        }
        for (left, right) in [("a", "b"), ("é", "e"), ("ss", "ß"), ("e\u{301}", "é"), ("a b", "ab"), ("1", "١")] {
            #expect(try Self.name(left).key != Self.name(right).key, "\(left) \(right)")
        }
    }

    static func shorts(_ names: [String]) throws -> [String] {
        FATShortNames.assign(try names.map(name)).map { String(decoding: $0, as: UTF8.self) }
    }

    @Test func numbersMakeNamesUnique() throws {
        #expect(
            try Self.shorts(["longfilename.txt", "longfile2.txt", "LONGFI~2.TXT", "longfile.text", "LongFi~4.txt"])
                == ["LONGFI~1TXT", "LONGFI~3TXT", "LONGFI~2TXT", "LONGFI~1TEX", "LONGFI~4TXT"])
        #expect(try Self.shorts([".a", ".b c", "..a"]) == ["A~1        ", "BC~1       ", "A~2        "])
    }

    /// Thousands of names with a common prefix, shorter or longer than the characters that a short name keeps.
    @Test(.timeLimit(.minutes(1)))
    func manyNamesStayUniqueAndFast() throws {
        for prefix in ["commonprefix-", "ab ", "x"] {
            let names = (0..<20_000).map { "\(prefix)\(String($0, radix: 36))-long.name.dtb" }
            let shorts = try Self.shorts(names)
            #expect(Set(shorts).count == names.count && shorts.allSatisfy { $0.utf8.count == 11 })
        }
        let shorts = try Self.shorts((0..<120).map { "commonprefix-\($0)" })
        #expect(shorts[8] == "COMMON~9   " && shorts[9] == "COMMO~10   " && shorts[99] == "COMM~100   ")
    }
}
