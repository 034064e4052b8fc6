import Foundation
import Glibc
import SystemPackage
import Testing

@testable import ImageKit

/// Large and sparse files: e2fsprogs judges their maps, and the kernel reads samples of their bytes.
@Suite struct Ext4ExtentTests {
    static let mebi: UInt64 = 1 << 20
    static let attributes = FileAttributes(permissions: 0o644)

    static func tree(_ sources: [StampedSource]) throws -> FileTree {
        var tree = FileTree()
        let children = sources.enumerated().map { index, source in
            (name: Array("f\(index)".utf8), node: tree.addFile(source, offset: 0, size: source.size, attributes))
        }
        tree.root = try tree.addDirectory(children, FileAttributes(permissions: 0o755))
        return tree
    }

    /// Lays out and judges. The kernel must read every stamp, and zeros in the holes.
    static func judge(_ sources: [StampedSource]) throws -> (extents: [Int], depths: [Int], Ext4Formatter.Layout) {
        let scratch = try ScratchDirectory()
        let (image, layout) = try scratch.judged(tree(sources))
        if Ext4Judge.canMount {
            try Ext4Judge.mounted(image, in: scratch.path) { root in
                for (index, source) in sources.enumerated() { try sample(source, "\(root)/f\(index)") }
            }
        }
        guard Judge.hasExt4Tools else { return ([], [], layout) }
        var extents: [Int] = [], depths: [Int] = []
        for index in sources.indices {
            // "Level Entries …", then lines like " 0/ 2   1/  5 …": level and depth, number and count.
            let levels = try Ext4Judge.debugfs("ex /f\(index)", image).split(separator: "\n").compactMap { line in
                let parts = line.split { $0 == "/" || $0 == " " }.prefix(2).compactMap { Int($0) }
                return parts.count == 2 && line.contains("/") ? (level: parts[0], depth: parts[1]) : nil
            }
            depths.append(levels.first?.depth ?? 0)
            extents.append(levels.count { $0.level == $0.depth })
        }
        return (extents, depths, layout)
    }

    private static func sample(_ source: StampedSource, _ path: String) throws {
        let file = try OpenFile(path.utf8)
        var found = stat()
        #expect(fstat(file.descriptor, &found) == 0 && UInt64(found.st_size) == source.size)
        let units = source.size.dividedRoundingUp(by: mebi)
        let stored = (0..<units).filter(source.isStored).reduce(0 as UInt64) {
            $0 + (min(source.size, ($1 + 1) * mebi) - $1 * mebi).dividedRoundingUp(by: 4096)
        }
        #expect(UInt64(found.st_blocks) / 8 >= stored && UInt64(found.st_blocks) / 8 <= stored + 8)
        var wrong = 0
        for unit in 0..<units {
            for start in [unit * mebi, (unit + 1) * mebi - 300] where start < source.size {
                let count = min(300, Int(source.size - start))
                if try file.read(count, at: start) != source.read(count, at: start) { wrong += 1 }
            }
        }
        #expect(wrong == 0, "\(path)")
    }

    @Test func holesAnywhere() throws {
        let size = 7 * Self.mebi + 5000
        let none = StampedSource(size: size) { _ in false }
        let sources = (0..<64 as Range<UInt64>).map { mask in StampedSource(size: size) { mask >> ($0 % 6) & 1 == 1 } }
        let (extents, _, layout) = try Self.judge([none] + sources)
        #expect(layout.summary.extentBlocks == 0)
        if Judge.hasExt4Tools { #expect(extents[0] == 0 && extents[64] >= 1 && extents[2] == 2) }
    }

    /// The inode holds four extents, a block 340.
    @Test func treesOfEveryDepth() throws {
        let counts = [4, 5, 340, 341, 1360, 1361] as [UInt64]
        let sources = counts.map { count in
            StampedSource(size: (2 * count - 1) * Self.mebi) { $0 % 2 == 0 }
        }
        let (extents, depths, layout) = try Self.judge(sources)
        #expect((12...18).contains(layout.summary.extentBlocks), "\(layout.summary)")
        if Judge.hasExt4Tools {
            // Groups' structures cut the data into a few more extents.
            for (found, count) in zip(extents, counts) { #expect(found >= Int(count) && found <= Int(count) + 60) }
            #expect(depths.first == 0 && depths[2] == 1 && depths.last == 2, "\(depths)")
        }
    }

    /// More consecutive blocks than an extent can hold, across groups with and without backups.
    @Test func longRuns() throws {
        let sizes = [128 * Self.mebi - 1, 128 * Self.mebi, 128 * Self.mebi + 1, 900 * Self.mebi + 1, 2600 * Self.mebi]
        let (extents, _, layout) = try Self.judge(sizes.map { StampedSource(size: $0) })
        #expect(layout.summary.groups > 27)
        if Judge.hasExt4Tools { #expect(extents[4] >= 21 && extents[4] <= 60, "\(extents)") }
    }

    @Test func aSparseGiantTakesNothing() throws {
        let scratch = try ScratchDirectory()
        let path = scratch.path + "/giant"
        let host = try OpenFile(path.utf8, O_RDWR | O_CREAT)
        try host.write([0xA5], at: 5 << 30)
        var status = stat()
        #expect(fstat(host.descriptor, &status) == 0)
        var tree = FileTree()
        let directory = tree.hostFiles.addRoot(FilePath(scratch.path))
        let file = tree.hostFiles.addFile(Array("giant".utf8), in: directory, identity: HostFiles.Identity(status))
        tree.root = try tree.addDirectory(
            [(Array("giant".utf8), tree.addFile(file, Self.attributes))], FileAttributes(permissions: 0o755))
        let (image, layout) = try scratch.judged(tree)
        #expect(layout.summary.dataBlocks == 1 && layout.summary.groups == 1)
        guard Ext4Judge.canMount else { return }
        try Ext4Judge.mounted(image, in: scratch.path) {
            let file = try OpenFile("\($0)/giant".utf8)
            #expect(file.read(2, at: 5 << 30) == [0xA5] && file.read(2, at: 3 << 30) == [0, 0])
        }
    }

    /// Holes depend on the content. Whether the host stores zeros makes no difference.
    @Test func holesOfTheHostMakeNoDifference() throws {
        var images: [[UInt8]] = []
        for isDense in [false, true] {
            let scratch = try ScratchDirectory()
            let path = scratch.path + "/file"
            let host = try OpenFile(path.utf8, O_RDWR | O_CREAT)
            if isDense { try host.write([UInt8](repeating: 0, count: 6 << 20), at: 0) }
            // The second stored MiB begins with zeros. Only a part of the last MiB is a hole of the host.
            for offset in [10, (3 << 20) + 900_000, (5 << 20) - 1] as [UInt64] { try host.write([7], at: offset) }
            #expect(ftruncate(host.descriptor, 6 << 20) == 0)
            var links = FileTree.HostLinks()
            var tree = FileTree()
            tree.root = try tree.scan(FilePath(scratch.path), rules: .init(metadata: .store), links: &links)
            let layout = try Ext4Formatter.layOut(tree, Ext4Judge.options())
            #expect(layout.summary.dataBlocks == 3 * 256)
            images.append(try layout.map.read(Int(layout.map.size), at: 0))
        }
        #expect(images[0].count == images[1].count)
        #expect(memcmp(images[0], images[1], images[0].count) == 0)
    }
}
