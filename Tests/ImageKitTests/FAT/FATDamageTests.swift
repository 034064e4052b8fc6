import Foundation
import Testing

@testable import ImageKit

/// Damaged volumes: the error names each kind of damage, and no bytes can make the reader hang or trap.
@Suite struct FATDamageTests {
    private typealias Boot = FATBootSector.Field
    private typealias Slot = FATDirectoryEntry.Field
    private typealias Piece = FATDirectoryEntry.LongField

    /// A volume of FAT16 with known clusters: 2 and 3 are directories `d` and `d/e`, file `a` has clusters 4 to 6, and
    /// `d/b` the next two. `empty` has no cluster.
    struct Small {
        var bytes: FATBytes
        let layout: FATVolume.Layout

        init(size: UInt64 = 3 << 20) throws {
            let sample = SampleTree(files: [
                "a": FATFormatterTests.bytes(1300, 1), "d/b": FATFormatterTests.bytes(700, 2), "d/e/": [], "empty": [],
            ])
            bytes = try FATBytes.map(FATFormatter.layOut(sample.built(), FATOptions(size: size)).map)
            layout = try FATVolume(bytes).layout
        }

        /// Overwrites the FAT's entry of a cluster.
        mutating func link(_ cluster: Int, _ value: UInt16) {
            bytes.bytes.store(value, at: Int(layout.fatOffset) + 2 * cluster)
        }

        /// The offset of the slot with this short name.
        func slot(_ short: String) throws -> Int {
            let name = Array(short.utf8)
            let start = Int(layout.rootOffset)
            return try #require(
                stride(from: start, to: start + 40_960, by: 32).first { bytes.bytes[$0..<$0 + 11].elementsEqual(name) })
        }

        func chain(_ short: String) throws -> Int {
            Int(try #require(bytes.bytes.load(UInt16.self, at: slot(short) + Slot.clusterLow)))
        }
    }

    /// Damage of a directory or file, a part of the error about it, and the paths that cannot be read.
    static let damage: [(String, @Sendable (inout Small) throws -> Void, String, Set<String>)] = [
        (
            "circle",
            {
                let c = try $0.chain("A          "); $0.link(c + 1, UInt16(c))
            }, "in two places", ["a"]
        ),
        (
            "cross-link", { try $0.link($0.chain("B          "), UInt16($0.chain("A          "))) }, "in two places",
            ["d/b"]
        ),
        (
            "short", { try $0.link($0.chain("A          ") + 1, 0xFFFF) },
            "'/a': it has 1300 bytes, and its 2 clusters", ["a"]
        ),
        ("free", { try $0.link($0.chain("A          ") + 1, 0) }, "leads to nothing", ["a"]),
        ("bad", { try $0.link($0.chain("A          ") + 1, 0xFFF7) }, "is marked as bad", ["a"]),
        ("reserved", { try $0.link($0.chain("A          "), 1) }, "leads to cluster 1, which does not exist", ["a"]),
        (
            "past the end", { try $0.link($0.chain("A          "), 0xFFEF) }, "cluster 65519, which does not exist",
            ["a"]
        ),
        (
            "long",
            {
                let c = try $0.chain("A          "); $0.link(c + 2, 900); $0.link(900, 0xFFFF)
            }, "goes on after", []
        ),
        ("last is free", { try $0.link($0.chain("A          ") + 2, 0) }, "leads to nothing", []),
        (
            "starts at 0", { $0.bytes.bytes.store(0 as UInt16, at: try $0.slot("A          ") + Slot.clusterLow) },
            "first cluster is 0", ["a"]
        ),
        (
            "starts at 1", { $0.bytes.bytes.store(1 as UInt16, at: try $0.slot("A          ") + Slot.clusterLow) },
            "first cluster is 1", ["a"]
        ),
        (
            "starts past", { $0.bytes.bytes.store(0xFFFF as UInt16, at: try $0.slot("A          ") + Slot.clusterLow) },
            "is 65535",
            ["a"]
        ),
        (
            "huge", { $0.bytes.bytes.store(UInt32.max, at: try $0.slot("A          ") + Slot.size) },
            "it has 4294967295 bytes", ["a"]
        ),
        (
            "empty with chain",
            { $0.bytes.bytes.store(900 as UInt16, at: try $0.slot("EMPTY      ") + Slot.clusterLow) }, "goes on",
            []
        ),
        (
            "folder at 0", { $0.bytes.bytes.store(0 as UInt16, at: try $0.slot("E          ") + Slot.clusterLow) },
            "first cluster is 0", []
        ),
        (
            "folder is its parent",
            { try $0.bytes.bytes.store(UInt16($0.chain("D          ")), at: $0.slot("E          ") + Slot.clusterLow) },
            "in two places", []
        ),
        (
            "folder in a circle",
            {
                let c = try $0.chain("D          "); $0.link(c, UInt16(c))
            }, "'/d' at byte", []
        ),
        (
            "same name",
            {
                $0.bytes.bytes.store(bytes: "A".utf8, at: try $0.slot("EMPTY      "));
                $0.bytes.bytes.store(bytes: "          ".utf8, at: try $0.slot("AMPTY      ") + 1)
            }, "has the same name", ["empty"]
        ),
        (
            "slash", { $0.bytes.bytes.store(bytes: "E/".utf8, at: try $0.slot("EMPTY      ")) },
            "cannot be one: 'e/pty'", ["empty"]
        ),
        (
            "no name", { $0.bytes.bytes.store(bytes: "           ".utf8, at: try $0.slot("EMPTY      ")) },
            "cannot be one: ''", ["empty"]
        ),
    ]

    @Test(arguments: damage.indices)
    func namesTheDamage(index: Int) throws {
        let (_, plant, expected, lost) = Self.damage[index]
        var small = try Small()
        let whole = try FATVolume(small.bytes).tree().everything()
        try plant(&small)
        let volume = try FATVolume(small.bytes)
        let error = try #require(throws: ImageError.self) { try volume.tree() }
        #expect(error.code == .corrupt && "\(error)".contains(expected), "\(error)")
        var reported: [ImageError] = []
        let rest = try volume.tree { (error) throws(ImageError) in reported.append(error) }.everything()
        #expect(reported.first == error)
        #expect(rest == whole.filter { !lost.contains($0.key) })
        for entry in try volume.entries(ofAll: ["a", "empty"]) where lost.contains(entry.name) && index != 1 {
            #expect(index == 0 || throwsError { try volume.content(of: entry) }, "\(entry.name)")
        }
    }

    private func throwsError<Value>(_ body: () throws -> Value) -> Bool { (try? body()) == nil }

    @Test(
        arguments: [
            (Boot.signature, [0], "byte 510: it does not end with 55 aa"),
            (Boot.bytesPerSector, [0, 0], "byte 11: a sector has 0 bytes"),
            (Boot.bytesPerSector, [0, 3], "a sector has 768 bytes"),
            (Boot.sectorsPerCluster, [0], "byte 13: a cluster has 0 sectors"),
            (Boot.sectorsPerCluster, [3], "3 sectors"),
            (Boot.reservedSectors, [0, 0], "byte 14: no sector is reserved"),
            (Boot.copies, [0], "byte 16: there is no copy"), (Boot.media, [0x12], "byte 21: the kind of disk"),
            (Boot.sectorsPerFAT16, [0, 0], "byte 17: the root folder has 512 entries"),
            (Boot.rootEntries, [0, 0], "byte 17"),
            (
                Boot.sectors16, [0xFF, 0xFF],
                "byte 19: the filesystem has 65535 sectors of 512 bytes, and the partition 3145728 bytes"
            ),
            (Boot.sectorsPerFAT16, [0xFF, 0x3F], "lie before the data"),
            (Boot.sectorsPerFAT16, [1, 0], "room for 256 entries"),
            (Boot.reservedSectors, [0xFF, 0xFF], "before the data"),
        ] as [(Int, [UInt8], String)])
    func refusesBootSectors(offset: Int, bytes: [UInt8], expected: String) throws {
        var small = try Small()
        small.bytes.bytes.store(bytes: bytes, at: offset)
        let error = try #require(throws: ImageError.self) { try FATVolume(small.bytes) }
        #expect(error.code == .corrupt && "\(error)".contains(expected), "\(error)")
    }

    @Test func refusesShortSources() throws {
        let small = try Small()
        for size in [0, 511, 512, 3_000_000] {
            #expect(throws: ImageError.self) { try FATVolume(FATBytes(bytes: Array(small.bytes.bytes.prefix(size)))) }
        }
    }

    @Test func limitsEntriesAndDepth() throws {
        let small = try Small()
        let volume = try FATVolume(small.bytes)
        let keep = { (error: ImageError) throws(ImageError) in throw error }
        #expect(try volume.tree(maximumEntries: 5, onDamage: keep).names(below: volume.tree().root) >= 0)
        let error = try #require(throws: ImageError.self) { try volume.tree(maximumEntries: 4, onDamage: keep) }
        #expect(error.code == .doesNotFit && "\(error)".contains("more than 4 files and folders"))

        func nested(_ depth: Int) throws -> FATVolume {
            let sample = SampleTree(files: [String(repeating: "a/", count: depth): []])
            return try FATVolume(FATFormatter.layOut(sample.built()).map)
        }
        #expect(try nested(255).tree().nodes.count == 256)
        let deep = try #require(throws: ImageError.self) { try nested(256).tree() }
        #expect("\(deep)".contains("more than 256 folders deep"))
    }

    /// A long name is used only if all its fields are correct.
    @Test func longNamesMustBelongToTheShortName() throws {
        let sample = SampleTree(files: ["A long name.text": [7]])
        let good = try FATBytes.map(FATFormatter.layOut(sample.built()).map)
        let root = Int(try FATVolume(good).layout.rootOffset) + 32
        func name(_ plant: (inout [UInt8]) -> Void) throws -> [String] {
            var bad = good
            plant(&bad.bytes)
            let volume = try FATVolume(bad)
            return try volume.entries(of: volume.root).map(\.name)
        }
        #expect(try name { _ in } == ["A long name.text"])
        #expect(try name { $0[root + Piece.checksum] ^= 1 } == ["ALONGN~1.TEX"], "another checksum in its first piece")
        #expect(
            try name { $0[root + 32 + Piece.checksum] ^= 1 } == ["ALONGN~1.TEX"], "another checksum in its second piece"
        )
        #expect(try name { $0[root + 64] = 0x42 } == ["BLONGN~1.TEX"], "another short name")
        #expect(try name { $0[root] = 0x43 } == ["ALONGN~1.TEX"], "a gap")
        #expect(try name { $0[root] = 0x02 } == ["ALONGN~1.TEX"], "no beginning")
        #expect(try name { $0[root + 32] = 0xE5 } == ["ALONGN~1.TEX"], "a deleted piece")
        #expect(try name { $0[root + 1] = 0 } == ["A long name.t"], "shorter")
        #expect(try name { $0.store(0xD83D as UInt16, at: root + 1) } == ["ALONGN~1.TEX"], "half a surrogate pair")
        #expect(
            try name {
                $0.store(0xD83D as UInt16, at: root + 32 + 1); $0.store(0xDE00 as UInt16, at: root + 32 + 3)
            }
                == ["😀long name.text"], "a whole surrogate pair")
        #expect(try name { $0[root + 32 + 1] = 0x2F } == ["ALONGN~1.TEX"], "a slash")
        #expect(try name { $0[root + 64] = 0xE5 } == [])
        #expect(try name { $0[root + 64] = 0x05 } == ["\u{3C3}LONGN~1.TEX"], "stands for e5")
    }

    /// Hundreds of damaged volumes of each kind: the result is a tree or an error, and no more bytes than the source
    /// has.
    @Test(.enabled(if: Judge.hasFATTools, "\(Judge.fatReason)"), .timeLimit(.minutes(60)), arguments: 0..<4)
    func mutationsNeverStopTheReader(kind: Int) throws {
        let good = try Self.fuzzed(kind)
        let layout = try FATVolume(good).layout
        var random = Fuzz.random(UInt64(kind) + 77)
        let data = Int(layout.dataOffset), fat = Int(layout.fatOffset), root = Int(layout.rootOffset)
        // The beginnings of all structures: boot sector, FAT, root directory, first clusters.
        let areas = [0..<90, fat..<fat + 120, root..<root + 640, data..<data + 12 * Int(layout.clusterSize)]
        let values: [UInt8] = [
            0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0x0F, 0x10, 0x20, 0x2E, 0x41, 0x7F, 0x80, 0xE5, 0xF0, 0xF8, 0xFF,
        ]
        var readable = 0
        var bad = good
        for _ in 0..<Fuzz.iterations(kind == 3 ? 120 : 250) {
            var before: [(offset: Int, byte: UInt8)] = []
            for _ in 0..<Int.random(in: 1...6, using: &random) {
                let area = areas.randomElement(using: &random) ?? 0..<1
                let offset = Int.random(in: area, using: &random)
                before.append((offset, bad.bytes[offset]))
                bad.bytes[offset] =
                    Bool.random(using: &random)
                    ? values.randomElement(using: &random) ?? 0 : UInt8.random(in: 0...255, using: &random)
            }
            do {
                try Self.readEverything(bad)
                readable += 1
            } catch let error as ImageError {
                #expect([.corrupt, .doesNotFit].contains(error.code), "\(error)")
            }
            for (offset, byte) in before.reversed() { bad.bytes[offset] = byte }
        }
        #expect(readable > 40, "most mutations get past the boot sector")
    }

    static func fuzzed(_ kind: Int) throws -> FATBytes {
        let sample = FATFormatterTests.generated(9, emoji: true)
        if kind == 0 {
            return try FATBytes.map(FATFormatter.layOut(sample.built(), FATOptions(size: 3 << 20)).map)
        }
        let fat = try ForeignFAT(
            [["-F", "12"], ["-F", "16", "-s", "1"], ["-F", "32", "-s", "1"]][kind - 1], size: (kind == 3 ? 34 : 5) << 20
        )
        try fat.directory("/folder")
        try fat.directory("/folder/inner")
        for name in ["/a long name.text", "/folder/b", "/folder/inner/another long name", "/c"] {
            try fat.put(FATFormatterTests.bytes(1500, 4), name)
        }
        return try FATBytes.file(fat.image)
    }

    static func readEverything(_ bytes: FATBytes) throws {
        let volume = try FATVolume(bytes)
        _ = try? volume.label()
        _ = try volume.freeClusters()
        _ = try volume.freeClusterHint()
        for path in ["/folder/inner/another long name", "/nowhere/x"] {
            if let entry = try? volume.entry(at: path) { _ = try? volume.content(of: entry) }
        }
        var damage = 0
        let tree = try volume.tree { (_) throws(ImageError) in damage += 1 }
        var total: UInt64 = 0
        try tree.walk(from: tree.root) { _, node throws(ImageError) in
            guard tree.kind(of: node) == .file else { return }
            total += tree.size(of: node)
            // The first and last bytes only, because a damaged file can be large.
            _ = try tree.read(node, atMost: 4096)
            if case .source(let source, let offset) = tree.content(of: node) {
                _ = try source.read(1, at: offset + tree.size(of: node) - 1)
            }
        }
        #expect(total <= bytes.size, "no cluster belongs to two files")
    }
}

extension FATVolume {
    fileprivate func entries(ofAll names: [String]) throws -> [Entry] {
        try names.compactMap { name in try entry(at: name) }
    }
}
