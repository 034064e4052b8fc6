import Testing

@testable import ImageKit

/// The indices that the scanner finds in `bytes`, in chunks that end at `cuts`.
private func scan(_ bytes: [UInt8], for paths: [StorePath], cuts: [Int] = []) -> [Int] {
    var scanner = ReferenceScanner(HashParts(paths))
    return scan(bytes, &scanner, cuts: cuts)
}

private func scan(_ bytes: [UInt8], _ scanner: inout ReferenceScanner, cuts: [Int]) -> [Int] {
    var start = 0
    for end in cuts.sorted() + [bytes.count] {
        bytes[start..<end].withUnsafeBytes { scanner.scan($0) }
        start = end
    }
    return scanner.finish()
}

/// The same by comparing at every offset.
private func naive(_ bytes: [UInt8], for paths: [StorePath]) -> [Int] {
    guard bytes.count >= 32 else { return [] }
    let windows = Set((0...bytes.count - 32).map { Array(bytes[$0..<$0 + 32]) })
    return paths.indices.filter { windows.contains(Array(paths[$0].hashPart.utf8)) }
}

@Suite("Nix reference scanner") struct NixReferenceTests {
    let paths = (1...50).map { storePath(UInt64($0)) }.sorted()

    @Test func findsHashPartsAnywhere() {
        let hash = Array(paths[7].hashPart.utf8)
        for before in 0..<70 {
            for filler in [UInt8(0), UInt8(ascii: "a"), UInt8(ascii: "e")] {
                let bytes = [UInt8](repeating: filler, count: before) + hash + [filler]
                #expect(scan(bytes, for: paths) == [7])
            }
        }
    }

    @Test func findsThemAcrossChunks() {
        let bytes = [UInt8](repeating: UInt8(ascii: "b"), count: 40) + Array(paths[3].hashPart.utf8) + [0x2D]
        for cut in 0...bytes.count { #expect(scan(bytes, for: paths, cuts: [cut]) == [3]) }
        #expect(scan(bytes, for: paths, cuts: Array(bytes.indices)) == [3])
        for width in 2..<31 {
            #expect(scan(bytes, for: paths, cuts: Array(stride(from: 1, to: bytes.count, by: width))) == [3])
        }
    }

    @Test func findsNothingElse() {
        let hash = Array(paths[3].hashPart.utf8)
        var other = hash
        other[31] = other[31] == 0x30 ? 0x31 : 0x30
        for bytes in [[], hash.dropLast(), hash.dropFirst() + [0x2D], other, hash.map { $0 == 0x61 ? 0x41 : $0 } + []] {
            #expect(scan(Array(bytes), for: paths) == naive(Array(bytes), for: paths))
        }
        #expect(scan(Array(hash.dropLast()), for: paths) == [])
        #expect(scan(other, for: paths) == [])
        #expect(scan(hash, for: []) == [])
    }

    @Test func startsAgain() {
        var scanner = ReferenceScanner(HashParts(paths))
        let hash = Array(paths[3].hashPart.utf8)
        #expect(scan(hash + hash, &scanner, cuts: []) == [3])
        #expect(scan(Array(hash[..<20]), &scanner, cuts: []) == [])
        // The other bytes of it are another path's.
        #expect(scan(Array(hash[20...]), &scanner, cuts: []) == [])
        #expect(scan(hash, &scanner, cuts: []) == [3])
    }

    /// Compares with the naive search on bytes like those of programs, texts and long sequences of digits.
    @Test(arguments: 0..<60) func agreesWithTheNaiveSearch(seed: UInt64) {
        var random = SplitMix(state: seed)
        let alphabets: [[UInt8]] = [
            Array(0...255), Array("0123456789abcdfghijklmnpqrsvwxyz".utf8), Array("0123456789abcdef".utf8), [0x61],
            Array("the quick brown fox ".utf8),
        ]
        var bytes: [UInt8] = []
        while bytes.count < 4000 {
            let hash = Array((paths.randomElement(using: &random) ?? paths[0]).hashPart.utf8)
            switch Int.random(in: 0..<4, using: &random) {
            case 0: bytes += hash
            case 1: bytes += hash.prefix(Int.random(in: 0...32, using: &random))
            case 2: bytes += hash.suffix(Int.random(in: 0...32, using: &random))
            default:
                let alphabet = alphabets.randomElement(using: &random) ?? []
                for _ in 0..<Int.random(in: 0...200, using: &random) {
                    bytes.append(alphabet.randomElement(using: &random) ?? 0)
                }
            }
        }
        let known = Array(paths.prefix(Int.random(in: 1...50, using: &random)))
        let cuts = (0..<Int.random(in: 0...40, using: &random)).map { _ in
            Int.random(in: 0...bytes.count, using: &random)
        }
        #expect(scan(bytes, for: known, cuts: cuts) == naive(bytes, for: known))
    }

    @Test func keepsManyHashPartsApart() {
        let many = (0..<20_000).map { storePath(UInt64($0)) }.sorted()
        let parts = HashParts(many)
        #expect(parts.count == 20_000)
        for (index, path) in many.enumerated() {
            let found = Array(path.hashPart.utf8).withUnsafeBytes { parts.index(of: $0) }
            #expect(found == index)
        }
        let absent = Array(storePath(30_000).hashPart.utf8)
        #expect(absent.withUnsafeBytes { parts.index(of: $0) } == nil)
    }

    @Test func takesTheFirstOfEqualHashParts() throws {
        let twin = try StorePath(baseName: paths[3].hashPart + "-zzz")
        #expect(scan(Array(paths[3].hashPart.utf8), for: (paths + [twin]).sorted()) == [3])
    }
}
