import Foundation
import Testing

@testable import ImageKit

/// Volumes of our formatter are read back, and volumes of mkfs.vfat and mtools are compared with the output of mtools.
@Suite struct FATVolumeTests {
    static let mebi: UInt64 = 1 << 20

    @Test(arguments: FATFormatterTests.special.indices, [nil, 520] as [UInt64?])
    func readsVolumesOfTheFormatter(index: Int, mebibytes: UInt64?) throws {
        let sample = FATFormatterTests.special[index].1
        let map = try FATFormatter.layOut(sample.built(), FATOptions(size: mebibytes.map { $0 * Self.mebi })).map
        let volume = try FATVolume(map)
        let tree = try volume.tree()
        #expect(try tree.everything() == sample.everything)
        #expect(volume.layout.kind == (mebibytes == nil ? .fat16 : .fat32))
        #expect(try volume.label() == "FIRMWARE" && volume.rootLabel() == "FIRMWARE")
        #expect(volume.bootLabel == "FIRMWARE" && volume.uuid == "2178-694E")
        try tree.walk(from: tree.root) { path, node throws(ImageError) in
            let expected = FileAttributes(permissions: 0o755, modified: path.isEmpty ? 0 : 946_684_800)
            #expect(tree.attributes(of: node) == expected)
        }
        if let hint = try volume.freeClusterHint() { #expect(try volume.freeClusters() == hint) }
        #expect(try (volume.freeClusterHint() != nil) == (mebibytes != nil))
    }

    @Test(arguments: 0..<6 as Range<UInt64>)
    func readsOddNames(seed: UInt64) throws {
        let sample = FATFormatterTests.generated(seed, emoji: true)
        let map = try FATFormatter.layOut(sample.built(), FATOptions(size: 3 * Self.mebi)).map
        let volume = try FATVolume(map)
        #expect(try volume.tree().everything() == sample.everything)
        for (path, content) in sample.everything {
            let entry = try #require(try volume.entry(at: "/" + path), "\(path)")
            #expect(entry.path == "/" + path && entry.isDirectory == (content == nil))
            let source = try volume.content(of: entry)
            #expect(try source.read(Int(source.size), at: 0) == content ?? [])
        }
    }

    /// Layouts of mkfs.vfat: its options, MiB, the kind, and the bytes of a cluster.
    static let layouts: [([String], UInt64, FATKind, UInt64)] = [
        (["-F", "12"], 2, .fat12, 2048), (["-F", "12", "-s", "1"], 2, .fat12, 512),
        (["-F", "12", "-s", "64", "-f", "1"], 32, .fat12, 32_768), (["-F", "16", "-s", "1"], 16, .fat16, 512),
        (["-F", "16", "-s", "8", "-r", "64"], 40, .fat16, 4096),
        (["-F", "16", "-S", "4096", "-s", "1"], 40, .fat16, 4096),
        (["-F", "32", "-s", "1"], 40, .fat32, 512), (["-F", "32", "-s", "8"], 270, .fat32, 4096),
        (["-F", "32", "-S", "4096", "-s", "1"], 270, .fat32, 4096),
        (["-F", "32", "-S", "1024", "-s", "2"], 140, .fat32, 2048),
        (["-F", "12", "-S", "2048", "-s", "1"], 4, .fat12, 2048),
    ]

    @Test(.enabled(if: Judge.hasFATTools, "\(Judge.fatReason)"), arguments: layouts.indices)
    func readsVolumesOfOtherTools(index: Int) throws {
        let (options, mebibytes, kind, cluster) = Self.layouts[index]
        let fat = try ForeignFAT(options + ["-n", "AN ODD NAME", "-i", "0badcafe"], size: mebibytes * Self.mebi)
        for directory in ["/overlays", "/Ein Ordner", "/Ein Ordner/deep", "/Ein Ordner/deep/DEEPER", "/gone"] {
            try fat.directory(directory)
        }
        let size = Int(cluster)
        for (name, count) in [
            ("EMPTY", 0), ("one", 1), ("a cluster.bin", size), ("cluster+1", size + 1), ("Three.Clusters", 3 * size),
            ("overlays/x.dtbo", 777), ("overlays/Überlang genannte Datei ohne Punkt", 3 * size - 1),
            ("Ein Ordner/deep/DEEPER/日本.txt", 50), ("README.txt", 12), ("readme.TXT.bak", 13), ("lower.EXT", 9),
        ] {
            try fat.put(FATFormatterTests.bytes(count, UInt64(count)), "/" + name)
        }
        // Holes that the next files fill, and a directory that grows around them.
        for number in 0..<40 { try fat.put(FATFormatterTests.bytes(size * 2, 1), "/gone/file number \(number)") }
        for number in stride(from: 0, to: 40, by: 2) { try fat.delete("/gone/file number \(number)") }
        let free = try fat.volume.freeClusters()
        let pieces = FATFormatterTests.bytes(min(Int(free - 8), 60) * size - 5, 99)
        if kind == .fat32 {
            // mtools searches from the last allocated cluster on, unless FSInfo does not name it.
            let handle = try FileHandle(forUpdating: URL(fileURLWithPath: fat.image))
            try handle.seek(
                toOffset: try #require(try fat.volume.layout.infoOffset) + UInt64(FATBootSector.InfoField.freeClusters))
            try handle.write(contentsOf: Data(repeating: 0xFF, count: 8))
            try handle.close()
        }
        try fat.put(pieces, "/in pieces")
        try ForeignFAT.must("mattrib", ["+r", "+h", "+s", "-i", fat.image, "::/one"])

        let volume = try fat.volume
        #expect(volume.layout.kind == kind && volume.layout.clusterSize == cluster)
        #expect(volume.uuid == "0BAD-CAFE")
        #expect(try volume.label() == "AN ODD NAME" && volume.bootLabel == "AN ODD NAME")
        let tree = try volume.tree()
        let theirs = try fat.everything()
        #expect(theirs.count >= 35 && theirs["in pieces"] == pieces)
        #expect(try tree.everything() == theirs)

        let file = try #require(try volume.entry(at: "/IN PIECES"))
        let source = try #require(try volume.content(of: file) as? ExtentSource)
        #expect(source.extents.count > 5, "mtools has put it into the holes")
        for start in stride(from: 0, to: pieces.count, by: 1001) {
            let count = min(pieces.count - start, 3 * size / 2)
            #expect(try source.read(count, at: UInt64(start)) == Array(pieces[start..<start + count]))
        }
        #expect(throws: ImageError.self) { try source.read(2, at: source.size - 1) }

        let hidden = try #require(try volume.entry(at: "ONE"))
        #expect(hidden.name == "one" && hidden.isHidden && hidden.isSystem)
        #expect(hidden.attributes.permissions == 0o555)
        #expect(hidden.attributes.modified == 1_709_210_096, "2024-02-29 12:34:56")
        let checked = try Judge.run("fsck.fat", ["-n", "-v", fat.image]).said
        let summary = try #require(checked.split(separator: "\n").last { $0.contains(" clusters") })
        let used = try #require(UInt64(summary.split { $0 == " " || $0 == "/" }.dropLast(2).last ?? ""))
        #expect(try volume.freeClusters() == volume.layout.clusterCount - used, "\(summary)")
    }

    /// On request, mkfs.vfat makes FAT32 with few clusters. Linux and U-Boot read it as FAT32, mtools does not.
    @Test(.enabled(if: Judge.hasFATTools, "\(Judge.fatReason)"), arguments: ["1", "8"])
    func readsFAT32OfFewClusters(sectors: String) throws {
        let fat = try ForeignFAT(["-F", "32", "-s", sectors, "-n", "FEW"], size: 20 << 20)
        let volume = try fat.volume
        #expect(volume.layout.kind == .fat32 && volume.layout.clusterCount < 65_525)
        #expect(try volume.label() == "FEW" && volume.freeClusters() == volume.freeClusterHint())
        #expect(try volume.tree().everything().isEmpty)
    }

    @Test func findsPaths() throws {
        let sample = SampleTree(files: [
            "overlays/x.dtbo": [1, 2, 3], "overlays/Long Name.dtbo": [4], "Überall/ÄÖ": [5], "b/c/d": [6],
        ])
        let volume = try FATVolume(FATFormatter.layOut(sample.built()).map)
        for (asked, found) in [
            ("/overlays/x.dtbo", "/overlays/x.dtbo"), ("OVERLAYS//X.DTBO", "/overlays/x.dtbo"), ("/", "/"), ("", "/"),
            ("/overlays/LONGNA~1.DTB", "/overlays/Long Name.dtbo"),
            ("/overlays/long name.DTBO", "/overlays/Long Name.dtbo"),
            ("/üBERALL/äö", "/Überall/ÄÖ"), ("/./b/c/.", "/b/c"), ("/b/c/", "/b/c"), ("/b/../b", nil), ("/x.dtbo", nil),
            ("/overlays/x.dtbo/", nil), ("/overlays/x.dtbo/y", nil), ("/overlays/x.dtb", nil),
            ("/overlays/x.dtboo", nil),
        ] {
            #expect(try volume.entry(at: asked)?.path == found, "\(asked)")
        }
        #expect(try volume.entries(of: volume.root).map(\.name).sorted() == ["b", "overlays", "Überall"])
        let directory = try #require(try volume.entry(at: "b"))
        #expect(try volume.content(of: directory).size == 0)
    }

    @Test func contentInOneExtentIsARangeOfTheSource() throws {
        let sample = SampleTree(files: ["a": FATFormatterTests.bytes(10_000, 3), "empty": []])
        let source = try FATBytes.map(FATFormatter.layOut(sample.built()).map)
        let volume = try FATVolume(source)
        let tree = try volume.tree()
        let node = try #require(tree.node(at: "a"))
        guard case .source(let range, let offset) = tree.content(of: node) else {
            Issue.record("it is in memory")
            return
        }
        #expect(range is FATBytes && offset == volume.layout.dataOffset && tree.size(of: node) == 10_000)
    }

    @Test func knowsTheCodePageAndTheCalendar() throws {
        #expect(CodePage437.text((0x80...0xFF as ClosedRange<UInt8>).map { $0 }).unicodeScalars.count == 128)
        #expect(CodePage437.text([0x81, 0x9A, 0xE1, 0xFE, 0x41, 0x20, 0x20]) == "üÜß■A")
        #expect(CodePage437.lowered("ÄÖÜAß") == "äöüaß")
        for (time, seconds) in [
            (FATTime(1980, 1, 1, 0, 0, 0), 315_532_800), (FATTime(2000, 2, 29, 23, 59, 58), 951_868_798),
            (FATTime(2107, 12, 31, 23, 59, 58), 4_354_819_198), (FATTime(2100, 3, 1, 0, 0, 0), 4_107_542_400),
            (FATTime(date: 0, time: 0), 315_532_800), (FATTime(date: 0x01E1, time: 0), 344_476_800),
        ] as [(FATTime, Int64)] {
            #expect(time.seconds == seconds, "\(time)")
        }
        // The largest values of the fields are no date, but must not trap.
        #expect(FATTime(date: 0xFFFF, time: 0xFFFF).seconds > 4_354_819_198)
    }
}
