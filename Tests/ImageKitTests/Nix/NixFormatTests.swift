import SystemPackage
import Testing

@testable import ImageKit

/// The SHA-256 of nothing, in every base (as `nix-hash` converts it).
private let hexadecimal = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
private let base32 = "0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73"
private let base64 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="

@Suite("Nix base 32") struct NixBase32Tests {
    @Test(
        arguments: [
            ([], ""), ([0], "00"), ([0xFF], "7z"), ([1, 0], "0001"), ([0x1F], "0z"), ([0, 1], "0080"),
        ] as [([UInt8], String)])
    func encodes(bytes: [UInt8], text: String) {
        #expect(NixBase32.encode(bytes) == text)
        #expect(NixBase32.decode(Array(text.utf8), count: bytes.count) == bytes)
    }

    @Test func everyLengthComesBack() {
        var random = SplitMix(state: 1)
        for count in 0..<70 {
            let bytes = (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            #expect(NixBase32.decode(Array(NixBase32.encode(bytes).utf8), count: count) == bytes)
        }
    }

    @Test(
        arguments: [
            ("0", 1), ("000", 1), ("0e", 1), ("0Z", 1), ("80", 1), ("zz", 1), ("0 ", 1), ("", 1), ("00", 0), ("00", -1),
            ("00", .max), ("00", .min),
        ] as [(String, Int)])
    func refuses(text: String, count: Int) {
        #expect(NixBase32.decode(Array(text.utf8), count: count) == nil)
    }
}

@Suite("Nix NAR hash") struct NixNARHashTests {
    @Test(
        arguments: [
            hexadecimal, hexadecimal.uppercased(), base32, base64, "sha256:\(hexadecimal)", "sha256:\(base32)",
            "sha256:\(base64)", "sha256-\(base64)",
        ] as [String])
    func parses(text: String) throws {
        let hash = try NARHash(text)
        #expect(hash.description == "sha256:\(base32)")
        #expect(hash.bytes.prefix(4) == [0xE3, 0xB0, 0xC4, 0x42])
    }

    @Test(
        arguments: [
            ("", "0 characters"), (String(hexadecimal.dropLast()), "63 characters"),
            (hexadecimal + "0", "65 characters"),
            ("g" + hexadecimal.dropFirst(), "characters that the base"),
            ("z" + base32.dropFirst(), "characters that the base"),
            ("e" + base32.dropFirst(), "characters that the base"), (base32.uppercased(), "characters that the base"),
            (String(base64.dropLast(2)) + "V=", "characters that the base"),
            (String(base64.dropLast()) + "A", "characters that the base"),
            ("sha512:\(hexadecimal)", "'sha512'"), ("md5:abc", "'md5'"), ("sha1-abc", "'sha1'"),
            ("SHA256:\(hexadecimal)", "'SHA256'"),
            ("sha256-\(hexadecimal)", "44 are needed"), ("sha256:", "0 characters"),
            ("sha256:sha256:\(base32)", "59 characters"),
            (" \(hexadecimal)", "65 characters"), ("\u{1B}[31m:x", "\\x1b[31m"),
        ] as [(String, String)])
    func refuses(text: String, reason: String) {
        #expect(message(try NARHash(text)).contains(reason))
    }

    @Test func needs32Bytes() {
        #expect(NARHash(bytes: [UInt8](repeating: 0, count: 31)) == nil)
        #expect(NARHash(bytes: [UInt8](repeating: 0, count: 33)) == nil)
    }
}

private let hash = "5dxwz4wamc0djv3n3jkkv9r1k2rfa9vy"

@Suite("Nix store path") struct NixStorePathTests {
    @Test func hasParts() throws {
        let path = try StorePath("/nix/store/\(hash)-bash-5.2+a_b?c=d.E")
        #expect(path.hashPart == hash)
        #expect(path.name == "bash-5.2+a_b?c=d.E")
        #expect(path.baseName == "\(hash)-bash-5.2+a_b?c=d.E")
        #expect(path.path == "/nix/store/\(hash)-bash-5.2+a_b?c=d.E")
        #expect(!path.isDerivation)
        #expect(try StorePath("/nix/store/\(hash)-x.drv").isDerivation)
    }

    @Test(
        arguments: [
            ("", "does not begin with '/nix/store/'"), ("/nix/store", "does not begin with '/nix/store/'"),
            ("/nix/store/", "hash"), ("nix/store/\(hash)-x", "does not begin"),
            ("/nix/stores/\(hash)-x", "does not begin"),
            ("/gnu/store/\(hash)-x", "does not begin"), ("/nix/store//\(hash)-x", "hash"),
            ("/nix/store/\(hash)", "no dash"), ("/nix/store/\(hash)x-y", "no dash"), ("/nix/store/\(hash)-", "empty"),
            ("/nix/store/\(hash.dropLast())-x", "hash"), ("/nix/store/e\(hash.dropFirst())-x", "hash"),
            ("/nix/store/\(hash.uppercased())-x", "hash"), ("/nix/store/\(hash)-x/y", "inside a store path"),
            ("/nix/store/\(hash)-x/", "inside a store path"), ("/nix/store/\(hash)-a b", "' '"),
            ("/nix/store/\(hash)-a~", "'~'"), ("/nix/store/\(hash)-a\n", "\\x0a"),
            ("/nix/store/\(hash)-ä", "cannot be"),
            ("/nix/store/.links", "hash"),
        ] as [(String, String)])
    func refuses(text: String, reason: String) {
        let error = message(try StorePath(text))
        #expect(error.contains(reason) && error.contains("/nix/store/<hash>-<name>"), "\(error)")
    }

    @Test func limitsItsName() throws {
        let longest = String(repeating: "n", count: 211)
        #expect(try StorePath("/nix/store/\(hash)-\(longest)").name.count == 211)
        #expect(message(try StorePath("/nix/store/\(hash)-\(longest)n")).contains("212"))
    }

    @Test func sortsByBytes() throws {
        let names = ["A", "Z", "_", "a", "a-", "a.b", "a?", "aa"]
        let paths = try names.map { try StorePath(baseName: "\(hash)-\($0)") }
        #expect(paths.shuffled().sorted().map { String($0.name) } == ["A", "Z", "_", "a", "a-", "a.b", "a?", "aa"])
    }

    @Test func findsTheParent() throws {
        let (path, rest) = try StorePath.parent(of: FilePath("/nix/store/\(hash)-x/sub/dir"))
        #expect(path.baseName == "\(hash)-x" && rest == "sub/dir")
        #expect(try StorePath.parent(of: FilePath("/nix/store/\(hash)-x")).rest.isEmpty)
        #expect(try StorePath.parent(of: FilePath("/nix//store/\(hash)-x/")).rest.isEmpty)
    }

    @Test(arguments: [
        "/nix/store", "/", "", "nix/store/\(hash)-x", "/home/\(hash)-x/y", "/nix/store/\(hash)-x/../y",
        "/nix/store/./\(hash)-x",
        "/nix/store/x/y",
    ])
    func findsNoParent(path: String) {
        #expect(message(try StorePath.parent(of: FilePath(path))) != "")
    }
}
