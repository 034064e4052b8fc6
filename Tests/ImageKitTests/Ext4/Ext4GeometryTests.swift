import Testing

@testable import ImageKit

/// The planned sizes are those that libext2fs makes, whatever is left for the last group.
@Suite struct Ext4GeometryTests {
    static let mebi: UInt64 = 1 << 20

    /// A tree with one file of `blocks` blocks without holes, and `files` empty ones.
    static func tree(blocks: UInt64, files: Int = 0) throws -> FileTree {
        var tree = FileTree()
        let attributes = FileAttributes(permissions: 0o644)
        var children: [(name: [UInt8], node: FileTree.NodeID)] = []
        if blocks > 0 {
            let source = StampedSource(size: blocks * 4096)
            children.append((Array("data".utf8), tree.addFile(source, offset: 0, size: source.size, attributes)))
        }
        for index in 0..<files { children.append((Array("e\(index)".utf8), tree.addFile([], attributes))) }
        tree.root = try tree.addDirectory(children, FileAttributes(permissions: 0o755))
        return tree
    }

    /// Expects that libext2fs accepts a geometry: `Ext4Filesystem` throws if the library changed it.
    static func accept(_ geometry: Ext4Geometry) throws {
        _ = try Ext4Filesystem(geometry, options: Ext4Judge.options(), reservedBlocks: 0)
    }

    /// Free blocks besides those that are reserved for root and the kernel.
    static func free(_ summary: Ext4Formatter.Summary) -> Int {
        Int(summary.freeBlocks) - Int(summary.reservedBlocks + min(summary.blocks / 50, 4096))
    }

    @Test(arguments: 1...20 as ClosedRange<UInt64>)
    func theLastGroupIsNeverDropped(group: UInt64) throws {
        var random = SplitMix(state: group)
        var contents = (0..<60).map { _ in UInt64.random(in: (group - 1) * 32_768...group * 32_768, using: &random) }
        for inodes in [20, 9000 * group, 20_000 * group, 32_768 * group] as [UInt64] {
            // Around the sizes at which a group is full, and at which libext2fs keeps the next one.
            let full = Ext4Geometry(blocks: group * 32_768, inodesPerGroup: max(8192, inodes / group)).contentBlocks
            for step in [0, 1, 2, 49, 50, 51, 52, 53, 257, 300, 307, 512, 563, 570, 800, 2100, 2400] as [UInt64] {
                contents += [full + step, full - min(full, step)]
            }
            for content in contents {
                let geometry = try Ext4Geometry.smallest(content: content, inodes: inodes)
                #expect(geometry.contentBlocks >= content && geometry.inodes >= inodes)
                try Self.accept(geometry)
            }
            contents.removeAll(keepingCapacity: true)
        }
    }

    @Test func theLayoutHasTheRequestedSlack() throws {
        var random = SplitMix(state: 1)
        let scratch = try ScratchDirectory()
        for turn in 0..<60 {
            let groups = UInt64(1 + turn % 20)
            let blocks = groups * 32_768 - min(groups * 32_768, .random(in: 0...70_000, using: &random))
            let slack = [0, 5000, 1 << 20, 64 << 20][turn / 3 % 4] as UInt64
            let options = try Ext4Judge.options(slack: slack, reservedPercent: [0, 5, 50][turn % 3])
            let tree = try Self.tree(blocks: blocks)
            let layout =
                turn % 6 == 0
                ? try scratch.judged(tree, options).1 : try Ext4Formatter.layOut(tree, options)
            #expect(Self.free(layout.summary) >= Int(slack.dividedRoundingUp(by: 4096)))
            // And not much more: the minimum of a last group, and unused blocks of extent trees.
            #expect(Self.free(layout.summary) <= Int(slack / 4096 + 1000 + layout.summary.blocks / 1000))
            #expect(layout.map.size == layout.summary.blocks * 4096)
        }
    }

    @Test(arguments: [
        24, 63, 128, 129, 130, 131, 132, 256, 257, 259, 260, 511, 1023, 1024, 1025, 1026, 2049, 4097, 4100,
    ])
    func fixedSizes(mebibytes: UInt64) throws {
        let scratch = try ScratchDirectory()
        let tree = try Self.tree(blocks: 10)
        for odd in [0, 1, 4095, 4096, 123_456] as [UInt64] {
            let size = mebibytes * Self.mebi + odd
            let options = try Ext4Judge.options(size: size)
            let layout = odd == 4096 ? try scratch.judged(tree, options).1 : try Ext4Formatter.layOut(tree, options)
            #expect(layout.map.size <= size && layout.map.size + 4 * Self.mebi > size)
            #expect(layout.summary.journalBlocks == (layout.map.size >= 1 << 30 ? 16_384 : 4096))
        }
    }

    @Test func everyRemainderOfAFixedSize() throws {
        for groups in [2, 4, 5, 18] as [UInt64] {
            for rest in Array(0...900) + Array(stride(from: 901, to: 32_768, by: 997)) as [UInt64] {
                let size = ((groups - 1) * 32_768 + rest) * 4096
                let geometry = try #require(try Ext4Geometry.fixed(size: size, inodes: 5000))
                #expect(geometry.blocks * 4096 == size || (rest < 821 && geometry.blocks % 32_768 == 0))
                if rest % 5 == 0 || (500...620).contains(rest) || rest > 800 { try Self.accept(geometry) }
            }
        }
    }

    @Test func tooSmall() throws {
        let tree = try Self.tree(blocks: 50_000)
        for size in [0, 1, 4096, 1 << 20, 2 << 20, 10 << 20, 100 << 20, 200 << 20] as [UInt64] {
            let error = try #require(throws: ImageError.self) {
                try Ext4Formatter.layOut(tree, Ext4Judge.options(size: size))
            }
            #expect(error.code == .doesNotFit)
            #expect(error.description.contains(ByteSize.format(size)) && error.description.contains("too small"))
            #expect(error.remedy?.description.contains("root size") == true)
        }
    }

    /// The size in the remedy is enough, although groups, journal and reserved blocks grow with it.
    @Test func tooSmallByThatMuch() throws {
        let tree = try Self.tree(blocks: 50_000)
        var tries = 0
        for (slack, percent) in [(0, 0), (1, 5), (64, 50), (300, 1), (700, 5), (1500, 33)] as [(UInt64, UInt32)] {
            for mebibytes in [0, 60, 128, 257, 384, 700, 1000, 1023, 1024, 1040, 1100, 2100] as [UInt64] {
                let size = mebibytes * Self.mebi
                var options = try Ext4Judge.options(slack: slack * Self.mebi, reservedPercent: percent, size: size)
                var remedy = ""
                do { _ = try Ext4Formatter.layOut(tree, options) } catch { remedy = error.remedy?.description ?? "" }
                guard let words = remedy.split(separator: "raise root size to ").first else { continue }
                let needed = try #require(ByteSize.parse(String(words.prefix { $0 != "," })), "\(remedy)")
                #expect(needed > size)
                options.size = needed
                _ = try Ext4Formatter.layOut(tree, options)
                tries += 1
            }
        }
        #expect(tries > 30, "\(tries)")
    }

    @Test func manyInodesMeanMoreGroups() throws {
        let scratch = try ScratchDirectory()
        let (_, layout) = try scratch.judged(Self.tree(blocks: 0, files: 62_000))
        #expect(layout.summary.inodes >= 66_096 && layout.summary.groups >= 3, "\(layout.summary)")
    }

    /// The geometry of the largest card, and of one that is just too large. Nothing is laid out.
    @Test func terabytes() throws {
        for content in [1 << 28, (1 << 28) + 12_345, (1 << 29) - 9_000_000] as [UInt64] {
            let geometry = try Ext4Geometry.smallest(content: content, inodes: 5000)
            try Self.accept(geometry)
            let (groups, taken) = geometry.groupLocations()
            #expect(groups.count == geometry.groups && taken.last.map { $0.upperBound <= geometry.blocks } == true)
            #expect(taken.reduce(0) { $0 + $1.upperBound - $1.lowerBound } == geometry.blocks - geometry.contentBlocks)
            for (range, next) in zip(taken, taken.dropFirst()) { #expect(range.upperBound < next.lowerBound) }
        }
        for size in [1 << 40, 2 << 40] as [UInt64] {
            let geometry = try #require(try Ext4Geometry.fixed(size: size, inodes: 5000))
            #expect(geometry.blocks * 4096 == size)
            try Self.accept(geometry)
        }
        #expect(throws: ImageError.self) { try Ext4Geometry.smallest(content: 1 << 29, inodes: 5000) }
        let error = #expect(throws: ImageError.self) {
            try Ext4Geometry.fixed(size: (2 << 40) + 4096 * 4096, inodes: 5000)
        }
        #expect(error?.description.contains("2 TiB") == true, "\(String(describing: error))")
    }
}
