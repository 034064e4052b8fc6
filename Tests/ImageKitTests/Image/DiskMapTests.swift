import Foundation
import SystemPackage
import Testing

@testable import ImageKit

/// An image with one byte that cannot be read.
private struct FailingSource: ByteSource {
    let source: SegmentMap
    /// The offset of that byte.
    let failingByte: UInt64
    let error: ImageError
    var size: UInt64 { source.size }

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(ImageError) {
        if (offset..<offset + UInt64(buffer.count)).contains(failingByte) { throw error }
        try source.read(into: buffer, at: offset)
    }
}

/// The use of a disk's bytes, compared with what other tools say.
@Suite struct DiskMapTests {
    /// The extents follow each other and cover the disk.
    private func check(_ map: DiskMap, _ size: UInt64, location: SourceLocation = #_sourceLocation) {
        var end: UInt64 = 0
        for extent in map.extents {
            #expect(extent.offset == end && extent.length > 0, sourceLocation: location)
            end = extent.end
        }
        #expect(end == size, sourceLocation: location)
        #expect(map.bytes.values.reduce(0, +) == size, sourceLocation: location)
    }

    private func ranges(_ map: DiskMap, _ kinds: Set<DiskMap.Kind>) -> [Range<UInt64>] {
        joined(map.extents.filter { kinds.contains($0.kind) }.map { $0.offset..<$0.end })
    }

    private func joined(_ ranges: [Range<UInt64>]) -> [Range<UInt64>] {
        var found: [Range<UInt64>] = []
        for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) where !range.isEmpty {
            if let last = found.last, last.upperBound >= range.lowerBound {
                found[found.count - 1] = last.lowerBound..<max(last.upperBound, range.upperBound)
            } else {
                found.append(range)
            }
        }
        return found
    }

    // MARK: Layers

    @Test func upperLayersHideLowerOnes() {
        let map = DiskMap(
            size: 100,
            layers: [
                [.init(30..<50, .file, owner: 2), .init(10..<40, .table, owner: 1), .init(90..<200, .bitmap)],
                [.init(0..<20, .free), .init(45..<70, .free), .init(60..<61, .used)], [.init(5..<80, .used)],
            ])
        check(map, 100)
        let expected: [(Range<UInt64>, DiskMap.Kind)] = [
            (0..<10, .free), (10..<40, .table), (40..<50, .file), (50..<70, .free), (70..<80, .used), (80..<90, .gap),
            (90..<100, .bitmap),
        ]
        #expect(map.joined { _ in -1 }.extents == expected.map { DiskMap.Extent($0.0, $0.1) })
        #expect(DiskMap(size: 0, layers: [[.init(0..<5, .file)]]).extents.isEmpty)
    }

    /// For random layers, each byte belongs to the first layer that has it, and there to the extent that begins first.
    @Test func anyLayersCoverTheDisk() {
        var random = SplitMix(state: 11)
        for _ in 0..<200 {
            let size = UInt64.random(in: 1...60, using: &random)
            let layers = (0..<3).map { layer in
                (0..<Int.random(in: 0...6, using: &random)).map { _ in
                    let start = UInt64.random(in: 0...70, using: &random)
                    let length = UInt64.random(in: 0...20, using: &random)
                    return DiskMap.Extent(start..<start + length, .file, owner: Int32(layer))
                }
            }
            let map = DiskMap(size: size, layers: layers)
            check(map, size)
            for byte in 0..<size {
                let layer = layers.firstIndex { $0.contains { ($0.offset..<$0.end).contains(byte) } }
                let extent = map.extents.first { ($0.offset..<$0.end).contains(byte) }
                #expect(extent?.owner == layer.map { Int32($0) } ?? -1)
            }
            let coarse = map.coarse(7)
            #expect(coarse.extents.last?.end == size)
        }
    }

    // MARK: Judges

    /// The structures of block groups in bytes, as dumpe2fs prints them.
    private func groups(_ image: String, _ blockSize: UInt64) throws -> [DiskMap.Kind: [Range<UInt64>]] {
        var found: [DiskMap.Kind: [Range<UInt64>]] = [:]
        let words: [(String, DiskMap.Kind)] = [
            ("superblock at ", .superblock), ("Group descriptors at ", .descriptors),
            ("Reserved GDT blocks at ", .growth), ("Block bitmap at ", .bitmap), ("Inode bitmap at ", .bitmap),
            ("Inode table at ", .inodeTable), ("Free blocks: ", .free),
        ]
        var isInGroups = false
        for line in try Judge.run("dumpe2fs", [image]).said.split(separator: "\n") {
            isInGroups = isInGroups || line.hasPrefix("Group 0:")
            guard isInGroups else { continue }
            for (word, kind) in words {
                guard let match = line.range(of: word) else { continue }
                let list =
                    kind == .free
                    ? line[match.upperBound...] : line[match.upperBound...].prefix { $0 != "," && $0 != " " }
                for part in list.split(separator: ",") {
                    let ends = part.split(separator: "-").compactMap { UInt64($0.trimmingCharacters(in: .whitespaces)) }
                    guard let first = ends.first, let last = ends.last else { continue }
                    found[kind, default: []].append(first * blockSize..<(last + 1) * blockSize)
                }
            }
        }
        return found.mapValues(joined)
    }

    /// The block map of the resize inode. dumpe2fs does not print it; debugfs does.
    private func growthMap(_ volume: ImageVolume) throws -> [Range<UInt64>] {
        guard case .ext4(let ext) = volume else { return [] }
        return try ext.growthMap()
    }

    private func compareWithJudges(_ image: String) throws {
        let disk = try DiskImage.open(FilePath(image))
        let survey = try ImageSurvey(disk)
        check(survey.map, disk.source.size)
        let volume = try #require(survey.volumes.first)
        #expect(volume.problem == nil)
        let head = try #require(volume.head), blockSize = head.blockSize
        let expected = try groups(image, blockSize)
        for kind in [DiskMap.Kind.superblock, .descriptors, .growth, .bitmap, .inodeTable, .free] {
            let added = kind == .growth ? try disk.volume(of: volume.partition).map(growthMap) ?? [] : []
            #expect(ranges(survey.map, [kind]) == joined((expected[kind] ?? []) + added), "\(kind) of \(head.kind)")
        }
        #expect(survey.map.bytes[.free] ?? 0 == volume.free)
        // The blocks of each file and of its block map.
        var found: [Int32: [Range<UInt64>]] = [:]
        for extent in survey.map.extents where [.file, .link, .directory, .blockMap].contains(extent.kind) {
            found[extent.owner, default: []].append(extent.offset..<extent.end)
        }
        let names = survey.space.nodes.indices.filter {
            [.file, .link, .directory].contains(survey.space.nodes[$0].kind)
                // debugfs reads the target of a short link as block numbers.
                && !survey.space.path(of: Int32($0)).hasSuffix("/short")
        }
        let requests = names.map { "blocks \(survey.space.path(of: Int32($0)))\n" }.joined()
        let lines = try Judge.run("debugfs", ["-f", "-", image], input: requests).said
            .split(separator: "\n", omittingEmptySubsequences: false).filter { !$0.hasPrefix("debugfs") }
        #expect(lines.count >= names.count && !names.isEmpty)
        for (index, line) in zip(names, lines) {
            let blocks = line.split(separator: " ").compactMap { UInt64($0) }
            let expected = joined(blocks.map { $0 * blockSize..<($0 + 1) * blockSize })
            #expect(joined(found[Int32(index)] ?? []) == expected, "\(survey.space.path(of: Int32(index)))")
        }
        // Every byte in use has an owner, except the boot block before the first block of 1 KiB.
        #expect(survey.map.bytes[.used] ?? 0 == (blockSize == 1024 ? 1024 : 0), "\(survey.map.bytes)")
    }

    @Test(.enabled(if: Judge.hasExt4Tools && Judge.has("mke2fs"), "needs e2fsprogs"))
    func extentsAgreeWithE2fsprogs() throws {
        let scratch = try ScratchDirectory()
        let files = scratch.path + "/files"
        try FileManager.default.createDirectory(atPath: files + "/a/b", withIntermediateDirectories: true)
        for (name, size) in [("a/large", 3_000_000), ("a/b/small", 10), ("other", 100_000), ("a/empty", 0)] {
            try Data((0..<size).map { UInt8(truncatingIfNeeded: $0 ^ ($0 >> 8)) })
                .write(to: URL(fileURLWithPath: files + "/" + name))
        }
        let target = String(repeating: "x", count: 200)
        try FileManager.default.createSymbolicLink(atPath: files + "/a/long", withDestinationPath: target)
        try FileManager.default.createSymbolicLink(atPath: files + "/a/short", withDestinationPath: "b")
        try FileManager.default.linkItem(atPath: files + "/other", toPath: files + "/a/again")
        for (number, options) in [
            ["-t", "ext4"], ["-t", "ext4", "-b", "4096", "-g", "1024", "-J", "size=4"], ["-t", "ext2", "-b", "1024"],
            ["-t", "ext3", "-b", "2048"], ["-t", "ext4", "-O", "bigalloc", "-C", "16384", "-b", "4096"],
        ].enumerated() {
            let image = try scratch.empty("\(number).img", size: 33 << 20)
            let made = try Judge.run("mke2fs", ["-q", "-F", "-d", files] + options + [image])
            try #require(made.status == 0, "\(made.said)")
            // A hole in the middle of used blocks.
            _ = try Judge.run("debugfs", ["-w", "-R", "rm /a/b/small", image])
            if options.contains("bigalloc") {
                let disk = try DiskImage.open(FilePath(image))
                let survey = try ImageSurvey(disk)
                check(survey.map, disk.source.size)
                #expect(survey.map.bytes[.free] ?? 0 == survey.volumes.first?.free)
            } else {
                try compareWithJudges(image)
            }
        }
    }

    @Test(.enabled(if: Judge.hasFATTools, "needs dosfstools and mtools")) func clustersAgreeWithMtools() throws {
        for options in [["-F", "12"], ["-F", "16", "-s", "2"], ["-F", "32", "-s", "1"]] {
            let fat = try ForeignFAT(options, size: options[1] == "12" ? 2 << 20 : 40 << 20)
            try fat.put([UInt8](repeating: 7, count: 70_000), "/one.bin")
            try fat.put([UInt8](repeating: 8, count: 5000), "/gone.bin")
            try fat.directory("/folder")
            try fat.put([UInt8](repeating: 9, count: 3), "/folder/two.bin")
            try fat.delete("/gone.bin")
            try fat.put([UInt8](repeating: 6, count: 60_000), "/pieces.bin")
            let survey = try ImageSurvey(try DiskImage(try FATImageFile(fat.image), path: fat.image))
            let volume = try #require(survey.volumes.first), layout = try fat.volume.layout
            check(survey.map, try fat.volume.source.size)
            #expect(volume.head?.kind == "FAT\(layout.kind.rawValue)" && volume.problem == nil)
            #expect(survey.map.bytes[.free] == (try fat.volume.freeClusters() * layout.clusterSize))
            #expect(survey.map.bytes[.fat] == layout.fatSize * layout.fatCopies)
            // mshowfat lists a file's clusters: "::/ONE.BIN <2-138>".
            for (index, node) in survey.space.nodes.enumerated() where node.kind == .file {
                let path = survey.space.path(of: Int32(index))
                let said = try ForeignFAT.must("mshowfat", ["-i", fat.image, "::" + path])
                let clusters = said.split(separator: "<").dropFirst().map { $0.prefix { $0 != ">" } }.map { text in
                    let ends = text.split(separator: "-").compactMap { UInt64($0) }
                    let first = ends.first ?? 0, last = ends.last ?? 0
                    return layout.offset(ofCluster: first)..<layout.offset(ofCluster: last) + layout.clusterSize
                }
                let found = survey.map.extents.filter { $0.owner == Int32(index) }.map { $0.offset..<$0.end }
                #expect(joined(found) == joined(clusters), "\(path): \(said)")
            }
        }
    }

    // MARK: Sizes

    @Test func ourImageIsSurveyedCompletely() throws {
        let plan = try ImagePlan(SmallClosure.shared.get().registeredRecipe())
        let disk = try DiskImage(plan.map, path: "plan")
        let survey = try ImageSurvey(disk)
        check(survey.map, plan.map.size)
        let kinds = survey.volumes.map(\.head?.kind)
        #expect(kinds == ["FAT16", "ext4"] || kinds == ["FAT32", "ext4"])
        #expect(survey.volumes.allSatisfy { $0.problem == nil })
        let names = survey.space.storePaths.map { survey.space.nodes[Int($0.node)].name }
        #expect(names == plan.closure.paths.map(\.path.baseName))
        // Every byte of the disk is counted once.
        #expect(survey.space.totals { $0.disk }[0] == plan.map.size)
        #expect(survey.space.nodes.indices.dropFirst().allSatisfy { survey.space.nodes[$0].parent < Int32($0) })
        #expect(survey.space.savings.names == plan.savings.names)
        // No block of the filesystem is of unknown use.
        #expect(survey.map.bytes[.used] == nil)
    }

    /// A survey of the small closure's image whose root partition's first byte cannot be read.
    private func survey(failingWith error: ImageError) throws -> ImageSurvey {
        let plan = try ImagePlan(SmallClosure.shared.get().registeredRecipe())
        let start = plan.table.partitions[1].bytes.lowerBound
        let source = FailingSource(source: plan.map, failingByte: start, error: error)
        return try ImageSurvey(try DiskImage(source, path: "plan"))
    }

    /// A partition that is damaged does not keep the others from being surveyed.
    @Test func damageIsAProblemOfItsVolume() throws {
        let survey = try survey(failingWith: ImageError(.corrupt, "frame 7 is damaged"))
        #expect(survey.volumes.map { $0.problem?.contains("frame 7") } == [nil, true])
        #expect(survey.volumes.map(\.content) == [.fat, .unknown])
    }

    /// Errors of this library or of the machine are not the image's problems.
    @Test(arguments: [ImageError.Code.internal, .inputOutput, .changed, .cancelled, .brokenPipe])
    func otherErrorsAreThrown(code: ImageError.Code) {
        let failure = #expect(throws: ImageError.self) { try survey(failingWith: ImageError(code, "not read")) }
        #expect(failure?.code == code)
    }

    @Test func anOutlineHasAllSizesInFewLines() throws {
        let plan = try ImagePlan(SmallClosure.shared.get().registeredRecipe())
        let space = try ImageSurvey(try DiskImage(plan.map, path: "plan")).space
        for limit in [0, 1, 20, 100, 100_000] {
            let lines = space.outline(nodes: limit, bytes: 1 << 20)
            #expect(lines.reduce(0) { $0 + $1.disk } == plan.map.size)
            #expect(lines.count <= 2 * limit + 2)
            #expect(lines.first?.depth == 0)
            for (line, next) in zip(lines, lines.dropFirst()) {
                #expect(next.depth > 0 && next.depth <= line.depth + 1)
                #expect(line.node != nil || next.depth <= line.depth, "small ones have nothing in them")
            }
        }
        #expect(space.outline(nodes: 100_000, bytes: 0).count <= 2)
    }

    @Test func framesAreSharedByTheirUsedBytes() {
        let map = DiskMap(
            size: 400, layers: [[.init(0..<50, .file), .init(120..<180, .file), .init(250..<400, .inodeTable)]])
        let frames = FrameMap(frames: [(100, 20), (100, 30), (0, 5), (200, 10)], map)
        #expect(frames.estimate(0..<50) == 20 && frames.estimate(0..<25) == 10)
        #expect(abs(frames.estimate(120..<180) - 30) < 0.001)
        let kept = map.extents.filter { !$0.kind.isFree }.reduce(0.0) { $0 + frames.estimate($1.offset..<$1.end) }
        #expect(abs(kept - 60) < 0.001)
        #expect(frames.estimate(900..<1000) == 0)
    }
}
