import Foundation
import SystemPackage
import Testing

@testable import ImageKit

/// Similar parts of files: which are found, how they are laid out (judged by e2fsprogs and the kernel), and how much
/// they save.
@Suite struct SimilarFilesTests {
    private static let attributes = FileAttributes(permissions: 0o644)

    /// Incompressible bytes from a seed.
    private static func noise(_ count: Int, seed: UInt64) -> [UInt8] {
        var state = seed &* 0x9E37_79B9_7F4A_7C15 | 1
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count + 8)
        while bytes.count < count {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            withUnsafeBytes(of: state) { bytes.append(contentsOf: $0) }
        }
        return Array(bytes.prefix(count))
    }

    /// A family of three files of a few MiB, two of them shifted by some bytes; an unrelated file; a file that is too
    /// small; and a fourth file of the family, with a hole of 2 MiB.
    private static let contents: [(name: String, bytes: [UInt8])] = {
        let family = noise(3_000_000, seed: 1)
        return [
            ("a", family), ("b", noise(700_001, seed: 2)), ("c", noise(1000, seed: 7) + family),
            ("d", Array(family.prefix(200_000))), ("e", Array(family.dropFirst(1234))),
            ("f", Array(family.prefix(1 << 20)) + [UInt8](repeating: 0, count: 2 << 20) + family.suffix(900_000)),
        ]
    }()

    private static func tree(from directory: String? = nil) throws -> FileTree {
        var tree = FileTree()
        var children: [(name: [UInt8], node: FileTree.NodeID)] = []
        if let directory {
            var links = FileTree.HostLinks()
            tree.root = try tree.scan(
                FilePath(directory), rules: FileTree.ScanRules(metadata: .store), links: &links, progress: nil)
            return tree
        }
        for (name, bytes) in contents { children.append((Array(name.utf8), tree.addFile(bytes, attributes))) }
        tree.root = try tree.addDirectory(children, FileAttributes(permissions: 0o755))
        return tree
    }

    private static func hints(_ tree: FileTree, threads: Int = 1) throws -> LayoutHints {
        var hints = LayoutHints()
        try hints.gatherSimilar(in: tree, threads: threads)
        return hints
    }

    private static func described(_ hints: LayoutHints, _ tree: FileTree) -> [[String]] {
        let names = Dictionary(uniqueKeysWithValues: tree.children(of: tree.root).map { ($0.node, $0.name) })
        return hints.clusters.map { cluster in
            cluster.map { "\(String(decoding: names[$0.node] ?? [], as: UTF8.self)) \($0.range)" }
        }
    }

    @Test func familiesAreFound() throws {
        let tree = try Self.tree()
        let hints = try Self.hints(tree)
        let found = Self.described(hints, tree)
        let members = Set(found.joined().compactMap(\.first))
        #expect(members.isSuperset(of: ["a", "c", "e"]), "\(found)")
        #expect(members.isDisjoint(with: ["b", "d"]), "\(found)")
        // Every part occurs once, is inside its file, and consists of chunks.
        for (name, bytes) in Self.contents {
            let ranges = hints.clusters.joined().filter { tree.node(at: name) == $0.node }.map(\.range)
                .sorted { $0.lowerBound < $1.lowerBound }
            for (range, next) in zip(ranges, ranges.dropFirst()) { #expect(range.upperBound <= next.lowerBound) }
            for range in ranges {
                #expect(range.lowerBound % ChunkClusters.chunkSize == 0 && range.upperBound <= UInt64(bytes.count))
            }
        }
        for cluster in hints.clusters {
            #expect(
                cluster.reduce(0) { $0 + $1.range.upperBound - $1.range.lowerBound } <= ChunkClusters.maximumClusterSize
            )
        }
    }

    @Test func threadsAndOriginsMakeNoDifference() throws {
        let scratch = try ScratchDirectory()
        try FileManager.default.createDirectory(atPath: scratch.path + "/t", withIntermediateDirectories: true)
        for (name, bytes) in Self.contents { try Data(bytes).write(to: URL(filePath: scratch.path + "/t/" + name)) }
        let first = try Self.tree()
        let hints = try Self.hints(first)
        #expect(!hints.clusters.isEmpty)
        for threads in [1, 4, 16] {
            let scanned = try Self.tree(from: scratch.path + "/t")
            let scannedHints = try Self.hints(scanned, threads: threads)
            #expect(Self.described(scannedHints, scanned) == Self.described(hints, first))
        }
    }

    @Test func theFilesystemIsSoundAndHoldsEveryByte() throws {
        let tree = try Self.tree()
        let scratch = try ScratchDirectory()
        let (image, layout) = try scratch.judged(tree, hints: Self.hints(tree, threads: 2))
        // The library's reader, and the kernel.
        let volume = try Ext4Volume(FileSource(FilePath(image)))
        let read = try volume.tree().tree
        for (name, bytes) in Self.contents {
            let node = try #require(read.node(at: name))
            let found = try read.read(node, atMost: Int.max)
            #expect(found == bytes, "\(name)")
        }
        if Judge.hasExt4Tools {
            let blocks = try Ext4Judge.debugfs("ex /c", image).split(separator: "\n").count
            #expect(blocks > 4, "the file is one extent")
        }
        if Ext4Judge.canMount {
            try Ext4Judge.mounted(image, in: scratch.path) { mountPoint in
                for (name, bytes) in Self.contents {
                    let found = try Array(Data(contentsOf: URL(filePath: "\(mountPoint)/\(name)")))
                    #expect(found == bytes, "\(name)")
                }
            }
        }
        #expect(
            layout.summary.dataBlocks == UInt64(Self.contents.reduce(0) { $0 + ($1.bytes.count + 4095) / 4096 } - 512))
    }

    /// Distant repetitions are stored once if their chunks are side by side.
    @Test func framesBecomeSmaller() throws {
        let distant = Self.noise(6_000_000, seed: 3)
        var tree = FileTree()
        let children = [("a", distant), ("b", Self.noise(9_000_000, seed: 4)), ("c", distant)].map { name, bytes in
            (name: Array(name.utf8), node: tree.addFile(bytes, Self.attributes))
        }
        tree.root = try tree.addDirectory(children, FileAttributes(permissions: 0o755))
        var sizes: [UInt64] = []
        for gathers in [false, true] {
            let hints = gathers ? try Self.hints(tree) : LayoutHints()
            let map = try Ext4Formatter.layOut(tree, Ext4Judge.options(), hints: hints).map
            let sink = MemorySink()
            sizes.append(
                try ZstdImageWriter(
                    map: map, parameters: ZstdParameters(), frameSize: 4 << 20, threads: 2, progress: nil
                ).write(to: sink).size)
        }
        #expect(sizes[0] > 21_000_000 && sizes[1] < 16_000_000, "\(sizes)")
    }

    /// A source of any size that repeats a few bytes and counts reads.
    private final class RepeatingSource: ByteSource {
        let size: UInt64
        let bytes: [UInt8]
        let reads = Monitor(0)

        init(_ bytes: [UInt8], size: UInt64) { (self.bytes, self.size) = (bytes, size) }

        func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(ImageError) {
            reads.change { $0 += 1 }
            for index in buffer.indices {
                buffer[index] = bytes[Int((offset + UInt64(index)) % UInt64(bytes.count))]
            }
        }
    }

    /// Very large files get fewer windows for their size. Repetitive bytes have a limited number of features. (Each run
    /// of 64 sevens would be one.)
    @Test func samplingIsLimited() throws {
        for bytes in [[0x37], [0xA5, 0x5A], [1, 2, 3]] + (0..<40).map({ [UInt8($0), UInt8($0 * 5 + 1)] }) as [[UInt8]] {
            var tree = FileTree()
            let source = RepeatingSource(bytes, size: 1 << 40)
            let files = (0..<4).map { _ in tree.addFile(source, offset: 0, size: source.size, Self.attributes) }
            let features = try ContentSampler(tree: tree, files: files, maximumWindows: 100).run(
                threads: 2, progress: nil)
            let reads = source.reads.change { $0 }
            #expect(reads > 50 && reads <= 100, "of \(bytes)")
            #expect(features.count <= reads * (bytes.count == 1 ? 1 : ContentSampler.maximumFeatures), "of \(bytes)")
        }
    }

    /// A file that no image can hold is refused, and no memory is allocated for its chunks before.
    @Test func filesThatAreTooLargeAreRefused() throws {
        var tree = FileTree()
        let source = StampedSource(size: 1 << 50) { _ in false }
        let children = [
            (name: Array("a".utf8), node: tree.addFile(Self.noise(300_000, seed: 1), Self.attributes)),
            (name: Array("b".utf8), node: tree.addFile(source, offset: 0, size: source.size, Self.attributes)),
        ]
        tree.root = try tree.addDirectory(children, FileAttributes(permissions: 0o755))
        let hints = try Self.hints(tree)
        let error = #expect(throws: ImageError.self) {
            try Ext4Formatter.layOut(tree, Ext4Judge.options(), hints: hints)
        }
        #expect(error?.code == .doesNotFit, "\(String(describing: error))")
    }
}
