import Foundation
import SystemPackage
import Testing

@testable import ImageKit

/// Trees laid out as FAT, read by dosfstools, by mtools and by an independent reader, and compared with filesystems
/// that those tools make.
@Suite struct FATFormatterTests {
    static let mebi: UInt64 = 1 << 20

    static func bytes(_ count: Int, _ seed: UInt64) -> [UInt8] {
        var random = SplitMix(state: seed)
        return (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
    }

    /// The content of a Raspberry Pi's firmware partition.
    static let firmware: SampleTree = {
        var tree = SampleTree()
        for (index, name) in [
            "config.txt", "bootcode.bin", "start4.elf", "start_x.elf", "fixup4cd.dat", "u-boot.bin", "README",
            "12345.txt", "bcm2710-rpi-2-b.dtb", "bcm2710-rpi-3-b.dtb", "bcm2711-rpi-4-b.dtb", "armstub8-gic.bin",
            "Config2.txt", "LICENCE.broadcom", "a.b.c", "a+b.txt", "sp ace.txt", ".hidden", "LongName1.TXT",
            "overlays/README", "overlays/vc4-kms-v3d.dtbo", "overlays/dwc2.dtbo", "Mixed Dir/x",
            "nixos/default/kernel.img", "empty",
        ].enumerated() {
            tree.files[name] = name == "empty" ? [] : bytes(index * 999 + 1, UInt64(index))
        }
        return tree
    }()

    /// Odd names and sizes. Characters past 16 bits only on request, because mtools reads them wrongly.
    static func generated(_ seed: UInt64, emoji: Bool) -> SampleTree {
        var random = SplitMix(state: seed)
        var tree = SampleTree()
        let pieces =
            ["a", "B", "c.d", " ", "ü", "日本", "1", "-", "..", "~1", "LONG", "long", "x", ".txt", "'", "+", "€"]
            + (emoji ? ["😀", "𝒳"] : [])
        func name() -> String {
            while true {
                let count = Int.random(in: 1...9, using: &random)
                let text = (0..<count).map { _ in pieces.randomElement(using: &random) ?? "" }.joined()
                if (try? FATNameTests.name(text)) != nil, text != ".", text != ".." { return text }
            }
        }
        var directories = [""]
        for _ in 0..<14 { directories.append((directories.randomElement(using: &random) ?? "") + name() + "/") }
        var keys: Set<[UInt32]> = []
        func isNew(_ path: String) -> Bool {
            let flat = path.utf8.filter { $0 != 0x2F }
            return (try? FATName(flat[...], path: "").key).map { keys.insert($0).inserted } ?? false
        }
        directories = [""] + directories.dropFirst().filter { isNew($0) }
        let sizes = [0, 1, 511, 512, 513, 2047, 2048, 2049, 4095, 4096, 4097, 9000]
        for directory in directories.dropFirst() { tree.files[directory] = [] }
        for _ in 0..<120 {
            let path = (directories.randomElement(using: &random) ?? "") + name()
            if isNew(path) { tree.files[path] = bytes(sizes.randomElement(using: &random) ?? 0, random.next()) }
        }
        return tree
    }

    static let special: [(String, SampleTree)] = [
        ("nothing", SampleTree()), ("firmware", firmware),
        ("deep", SampleTree(files: [(0..<60).map { "folder \($0)/" }.joined() + "file": [1, 2, 3]])),
        (
            "long names",
            SampleTree(
                files: Dictionary(
                    uniqueKeysWithValues: (0..<40).map {
                        ("n/" + String(repeating: "x", count: 253 - $0) + String($0 + 10), bytes($0 * 700, 1))
                    }))
        ),
        (
            "names of 13 units",
            SampleTree(
                files: Dictionary(
                    uniqueKeysWithValues: (11...41).map { (String(repeating: "é", count: $0), [UInt8($0)]) }))
        ),
        (
            "thousands",
            SampleTree(
                files: Dictionary(
                    uniqueKeysWithValues: (0..<5000).map { ("overlays/overlay number \($0).dtbo", [UInt8($0 % 251)]) }))
        ),
    ]

    /// Lays out a tree, and compares it with the results of all readers.
    static func judge(_ sample: SampleTree, _ options: FATOptions, mtools: Bool) throws {
        let scratch = try ScratchDirectory()
        let layout = try FATFormatter.layOut(sample.built(), options)
        let map = layout.map
        let expected = sample.everything
        if let size = options.size { #expect(map.size == size) }

        let reader = try PlainFATReader(map)
        #expect(Set(reader.entries.keys) == Set(expected.keys))
        #expect(reader.label == Array("FIRMWARE   ".utf8))
        let geometry = try FATGeometry(partitionSize: map.size)
        #expect(layout.summary.kind == geometry.kind && layout.summary.clusterSize == geometry.clusterSize)
        #expect(layout.summary.clusters == geometry.clusterCount)
        #expect(layout.summary.freeClusters == geometry.clusterCount - UInt64(reader.seen.count))
        for (path, entry) in reader.entries {
            #expect(entry.content == expected[path] ?? nil, "\(path)")
            #expect(
                entry.slot[13..<20] == [0, 0, 0, 0x21, 0x28, 0x21, 0x28] && entry.slot[22..<26] == [0, 0, 0x21, 0x28],
                "made, read and written 2000-01-01 00:00")
        }

        guard Judge.hasFATTools else { return }
        let image = try scratch.write(map)
        let checked = try Judge.run("fsck.fat", ["-n", image])
        let summary =
            "\(image): \(expected.count + 1) files, \(reader.seen.count)/\(geometry.clusterCount) clusters\n"
        #expect(checked.status == 0 && checked.said.hasSuffix(summary), "\(checked.said)")
        #expect(checked.said.split(separator: "\n").count == 2, "\(checked.said)")
        #expect(try Judge.run("mlabel", ["-s", "-i", image, "::"]).said == " Volume label is FIRMWARE   \n")
        let info = try Judge.run("minfo", ["-i", image, "::"]).said
        #expect(info.contains("sectors per track: \(geometry.sectorsPerTrack)\nheads: \(geometry.heads)"), "\(info)")
        #expect(info.contains("cluster size: \(geometry.sectorsPerCluster) sectors"))
        #expect(info.contains("serial number: 2178694E"))
        #expect(info.contains("disk type=\"\(geometry.kind == .fat32 ? "FAT32" : "FAT16")   \""))

        guard mtools, !expected.isEmpty else { return }
        let copy = scratch.path + "/copy"
        try FileManager.default.createDirectory(atPath: copy, withIntermediateDirectories: true)
        let copied = try Judge.run("mcopy", ["-s", "-n", "-i", image, "::/", copy])
        #expect(copied.status == 0, "\(copied.said)")
        let found = try FileManager.default.subpathsOfDirectory(atPath: copy)
        #expect(Set(found) == Set(expected.keys))
        for path in found {
            guard let content = expected[path] else { continue }
            var isDirectory: ObjCBool = false
            #expect(FileManager.default.fileExists(atPath: copy + "/" + path, isDirectory: &isDirectory))
            #expect(isDirectory.boolValue == (content == nil), "\(path)")
            if let content {
                let copied = try Array(Data(contentsOf: URL(fileURLWithPath: copy + "/" + path)))
                #expect(copied.elementsEqual(content), "\(path)")
            }
        }
    }

    @Test(arguments: special.indices, [nil, 30, 200, 520] as [UInt64?])
    func specialTreesAreReadBack(index: Int, mebibytes: UInt64?) throws {
        try Self.judge(Self.special[index].1, FATOptions(size: mebibytes.map { $0 * Self.mebi }), mtools: true)
    }

    @Test(arguments: 0..<12 as Range<UInt64>, [3, 7, 30, 300, 513] as [UInt64])
    func generatedTreesAreReadBack(seed: UInt64, mebibytes: UInt64) throws {
        let emoji = seed % 2 == 0
        try Self.judge(
            Self.generated(seed, emoji: emoji), FATOptions(size: mebibytes * Self.mebi), mtools: !emoji)
    }

    @Test func theSameTreeGivesTheSameBytes() throws {
        for size in [30, 513] as [UInt64] {
            let options = FATOptions(size: size * Self.mebi)
            let first = try FATFormatter.layOut(Self.generated(5, emoji: true).built(), options).map
            let second = try FATFormatter.layOut(Self.generated(5, emoji: true).built(), options).map
            #expect(first.segments.map { [$0.offset, $0.length] } == second.segments.map { [$0.offset, $0.length] })
            for segment in first.segments {
                #expect(
                    try first.read(Int(segment.length), at: segment.offset)
                        == second.read(Int(segment.length), at: segment.offset))
            }
        }
    }

    /// The same files with the tools that NixOS uses, in its order: all bytes are equal, except for the boot code. (In
    /// FAT32, mtools does not update the backup of FSInfo, and mkfs.vfat ends the root's chain with another end mark.)
    @Test(.enabled(if: Judge.hasFATTools, "\(Judge.fatReason)"), arguments: [30, 512] as [UInt64])
    func equalsTheVolumeOfNixOS(mebibytes: UInt64) throws {
        let scratch = try ScratchDirectory()
        let sample = Self.firmware
        let image = try scratch.empty("theirs.img", size: mebibytes * Self.mebi)
        try Judge.run("mkfs.vfat", ["--invariant", "-i", "2178694e", "-n", "FIRMWARE", image])
        let sorted = sample.everything.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
        for (path, content) in sorted where content == nil {
            let made = try Judge.run("faketime", ["2000-01-01 00:00:00", "mmd", "-i", image, "::/" + path])
            #expect(made.status == 0, "\(made.said)")
        }
        for (path, content) in sorted {
            guard let content else { continue }
            let file = scratch.path + "/" + (path.split(separator: "/").last ?? "")
            try Data(content).write(to: URL(fileURLWithPath: file))
            try FileManager.default.setAttributes(
                [.modificationDate: Date(timeIntervalSince1970: 946_684_800)], ofItemAtPath: file)
            let made = try Judge.run("mcopy", ["-pm", "-i", image, file, "::/" + path])
            #expect(made.status == 0, "\(made.said)")
        }
        let map = try FATFormatter.layOut(sample.built(), FATOptions(size: mebibytes * Self.mebi)).map
        var count = 0
        for start in stride(from: 0 as UInt64, to: map.size, by: 1 << 20) {
            var theirs = try scratch.read(image, 1 << 20, at: start)
            var ours = try map.read(theirs.count, at: start)
            if start == 0 {
                let code = mebibytes < 512 ? 62 : 90
                for sector in mebibytes < 512 ? [0] : [0, 6] {
                    for byte in code..<510 { (ours[sector * 512 + byte], theirs[sector * 512 + byte]) = (0, 0) }
                }
                for byte in mebibytes < 512 ? [] : Array(4072..<4080) + [16_392, 540_680] {
                    (ours[byte], theirs[byte]) = (0, 0)
                }
            }
            for byte in ours.indices where ours[byte] != theirs[byte] {
                count += 1
                if count < 40 {
                    Issue.record(
                        "byte \(start + UInt64(byte)) is \(ours[byte]) here and \(theirs[byte]) there")
                }
            }
        }
        #expect(count == 0)
    }

    @Test func contentIsNotCopied() throws {
        let scratch = try ScratchDirectory()
        let file = scratch.path + "/kernel"
        let content = Self.bytes(5000, 9)
        try Data(content).write(to: URL(fileURLWithPath: file))
        var status = stat()
        #expect(stat(file, &status) == 0)
        var tree = FileTree()
        let directory = tree.hostFiles.addRoot(FilePath(scratch.path))
        let id = tree.hostFiles.addFile(Array("kernel".utf8), in: directory, identity: HostFiles.Identity(status))
        let kernel = tree.addFile(id, SampleTree.attributes)
        var source = SegmentMap(size: 1 << 20)
        source.add(content, at: 1000)
        try source.seal()
        let part = tree.addFile(source, offset: 990, size: 3000, SampleTree.attributes)
        tree.root = try tree.addDirectory(
            [(Array("kernel".utf8), kernel), (Array("link".utf8), kernel), (Array("part".utf8), part)],
            SampleTree.attributes)
        let map = try FATFormatter.layOut(tree).map
        #expect(map.size == 30 * Self.mebi)
        let entries = try PlainFATReader(map).entries
        #expect(entries["kernel"]?.content == content && entries["link"]?.content == content)
        #expect(entries["part"]?.content == [UInt8](repeating: 0, count: 10) + content.prefix(2990))
        let data = map.segments.suffix(3)
        #expect(data.map { "\($0.content)".prefix(4) } == ["file", "file", "sour"])
        #expect(map.marks.map(\.offset) == [data.first?.offset] && map.marks.first?.unit == nil)
    }

    @Test func optionsReachTheDisk() throws {
        let tree = try SampleTree(files: ["a": [1]]).built()
        let options = FATOptions(label: "", serial: 0xA1B2_C3D4, size: 520 * Self.mebi, hiddenSectors: 16_384)
        let map = try FATFormatter.layOut(tree, options).map
        let boot = try map.read(512, at: 0)
        #expect(boot[28..<32] == [0, 0x40, 0, 0] && boot[67..<71] == [0xD4, 0xC3, 0xB2, 0xA1])
        #expect(String(decoding: boot[71..<82], as: UTF8.self) == "NO NAME    ")
        #expect(try PlainFATReader(map).label == nil)
        #expect(try map.read(1024, at: 0) == map.read(1024, at: 6 * 512), "the backup")
    }
}
