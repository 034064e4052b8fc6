import Foundation
import Glibc
import Testing

@testable import ImageKit

/// Damaged and hostile filesystems: an error, never more.
@Suite struct Ext4VolumeDamageTests {
    static func image() throws -> [UInt8] {
        var tree = FileTree()
        let attributes = FileAttributes(permissions: 0o755)
        var children: [(name: [UInt8], node: FileTree.NodeID)] = []
        for index in 0..<120 {
            let name = Array("a-name-of-some-length-for-a-file-\(index)".utf8)
            children.append((name, tree.addFile([UInt8](repeating: UInt8(index), count: 5000), attributes)))
        }
        let sparse = StampedSource(size: 19 << 20) { $0 % 2 == 0 }
        let directory = try tree.addDirectory(children, attributes)
        let link = tree.addSymlink(to: [UInt8](repeating: 0x61, count: 100), attributes)
        let file = tree.addFile(sparse, offset: 0, size: sparse.size, attributes)
        tree.root = try tree.addDirectory(
            [(Array("d".utf8), directory), (Array("l".utf8), link), (Array("s".utf8), file)], attributes)
        let map = try Ext4Formatter.layOut(tree, Ext4Judge.options()).map
        return try map.read(Int(map.size), at: 0)
    }

    /// Reads all there is, and gives the error.
    static func outcome(_ bytes: [UInt8], verifiesChecksums: Bool) -> ImageError? {
        do throws(ImageError) {
            let volume = try Ext4Volume(HeldImage(bytes), verifiesChecksums: verifiesChecksums)
            let tree = try volume.tree().tree
            try tree.walk(from: tree.root) { _, node throws(ImageError) in
                _ = try tree.read(node, atMost: 1 << 16)
            }
            _ = try volume.node(at: "/d/a-name-of-some-length-for-a-file-77", followingLinks: true)
            return nil
        } catch { return error }
    }

    @Test func checksumErrorsSayWhere() throws {
        let good = try Self.image()
        #expect(Self.outcome(good, verifiesChecksums: true) == nil)
        let volume = try Ext4Volume(HeldImage(good))
        let directory = try #require(try volume.node(at: "/d")), file = try #require(try volume.node(at: "/s"))
        var bad = good
        bad[Int(directory.record.offset) + 4] ^= 1
        let inode = try #require(Self.outcome(bad, verifiesChecksums: true))
        #expect(inode.offset == directory.record.offset && inode.description.contains("inode \(directory.inode) "))
        bad = good
        var limit: UInt64 = 99
        let runs = try Ext4BlockRuns.find(directory.record, volume, limit: &limit)
        let run = try #require(runs.first)
        bad[Int(run.disk + 1) * 4096 + 9] ^= 1
        let block = try #require(Self.outcome(bad, verifiesChecksums: true))
        #expect(block.offset == (run.disk + 1) * 4096 && block.description.contains("checksum"))
        bad = good
        let child: UInt32 = try #require(file.record.area.load(at: 16))
        bad[Int(child) * 4096 + 30] ^= 1
        let extent = try #require(Self.outcome(bad, verifiesChecksums: true))
        #expect(extent.offset == UInt64(child) * 4096 && extent.description.contains("inode \(file.inode) "))
    }

    @Test func superblocksThatDoNotFit() throws {
        let good = try Self.image()
        let cases: [(Int, [UInt8])] = [
            (0x38, [0]), (0x18, [7]), (0x18, [255, 255, 255, 255]), (0x04, [0, 0, 0, 0]), (0x150, [1]),
            (0x150, [255, 255, 255, 255]), (0x20, [0, 0, 0, 0]), (0x20, [8, 0, 0, 0]), (0x20, [1]),
            (0x28, [0, 0, 0, 0]), (0x28, [255, 255, 255, 255]), (0x00, [255, 255, 255, 255]), (0x58, [0, 0]),
            (0x58, [255, 255]), (0x58, [0, 0x80]), (0xFE, [0, 0]), (0xFE, [1, 0]), (0xFE, [255, 255]),
            (0x54, [0, 0, 0, 0]), (0x54, [255, 255, 255, 255]), (0x14, [5]), (0x4C, [9]), (0xCE, [255, 255]),
            (0x60, [0x08]), (0x63, [0x80]),
        ]
        for (offset, bytes) in cases {
            var bad = good
            bad.store(bytes: bytes, at: 1024 + offset)
            for verifies in [true, false] {
                #expect(Self.outcome(bad, verifiesChecksums: verifies) != nil, "\(offset) \(bytes)")
            }
        }
        // 2^26 groups.
        var bad = good
        bad.store(UInt32(0), at: 1024 + 4)
        bad.store(UInt32(512), at: 1024 + 0x150)
        let error = try #require(Self.outcome(bad, verifiesChecksums: false))
        #expect(error.description.contains("blocks"))
        for size in [0, 1, 1024, 2047, 2048, 4096, good.count - 1] {
            #expect(Self.outcome(Array(good[..<size]), verifiesChecksums: false) != nil)
        }
    }

    @Test func plantedDamage() throws {
        let good = try Self.image()
        let volume = try Ext4Volume(HeldImage(good))
        let directory = try #require(try volume.node(at: "/d")), file = try #require(try volume.node(at: "/s"))
        let place = { (node: Ext4Volume.Node) in Int(node.record.offset) }
        let root = try volume.root()
        var limit: UInt64 = 99
        let tops = try Ext4BlockRuns.find(root.record, volume, limit: &limit)
        let top = try #require(tops.first)
        let leaf = Int(try #require(file.record.area.load(UInt32.self, at: 16))) * 4096
        let rootBlock = Int(top.disk) * 4096
        // The third entry of the top directory is the directory d.
        let entry = rootBlock + 24
        let cases: [(String, Int, [UInt8])] = [
            ("two places", entry, [2, 0, 0, 0]), ("no name", entry, [255, 255, 255, 255]),
            ("slash", entry + 8, [0x2F]), ("slash", entry + 8, [0]), ("entry", entry + 4, [0, 0]),
            ("entry", entry + 4, [255, 255]), ("entry", entry + 6, [255]),
            ("size", place(file) + 0x6C, [0xFF, 0xFF, 0xFF, 0xFF]),
            ("size", place(file) + 0x6C, [0xFF, 0xFF, 0xFF, 0x7F]),
            ("folder of", place(directory) + 4, [1]), ("hole", place(directory) + 5, [0, 0x40]),
            ("outside", leaf + 12 + 8, [255, 255, 255, 255]), ("filesystem's own", leaf + 12 + 8, [0, 0, 0, 0]),
            ("no blocks", leaf + 12 + 4, [0, 0]), ("ascend", leaf + 24, [0, 0, 0, 0]), ("tree", leaf + 6, [1]),
            ("tree", leaf + 4, [255, 255]), ("tree", leaf + 2, [255, 255]), ("tree", leaf, [0]),
            ("outside", place(file) + 0x28 + 16, [255, 255, 255, 255]), ("kind", place(file), [0, 0]),
            ("deleted", place(file) + 0x1A, [0, 0]), ("encrypted", place(file) + 0x21, [8]),
            ("extra", place(file) + 0x80, [255, 255]), ("top folder", place(root), [0xFF, 0x81]),
        ]
        for (words, offset, bytes) in cases {
            var bad = good
            bad.store(bytes: bytes, at: offset)
            let error = Self.outcome(bad, verifiesChecksums: false)
            #expect(error?.description.contains(words) == true, "\(words): \(error?.description ?? "nothing")")
            #expect(Self.outcome(bad, verifiesChecksums: true) != nil, "\(words)")
        }
    }

    /// Bits, bytes and words anywhere in metadata, with checksums ignored: whatever comes of it, it comes to an end.
    @Test func mutations() throws {
        var good = try Self.image()
        let volume = try Ext4Volume(HeldImage(good))
        // A superblock without metadata checksums, so that damage gets deep.
        good.store((good.load(UInt32.self, at: 1024 + 0x64) ?? 0) & ~0x400, at: 1024 + 0x64)
        let directory = try #require(try volume.node(at: "/d")), file = try #require(try volume.node(at: "/s"))
        let link = try #require(try volume.node(at: "/l"))
        var limit: UInt64 = 999
        var regions: [Range<Int>] = [1024..<2048, 4096..<4160]
        for node in [try volume.root(), directory, file, link] {
            regions.append(Int(node.record.offset)..<Int(node.record.offset) + 160)
        }
        for node in [try volume.root(), directory] {
            for run in try Ext4BlockRuns.find(node.record, volume, limit: &limit) {
                regions.append(Int(run.disk) * 4096..<Int(run.disk) * 4096 + 200)
            }
        }
        let leaf = Int(try #require(file.record.area.load(UInt32.self, at: 16))) * 4096
        regions.append(leaf..<leaf + 136)
        var random = Fuzz.random(42)
        let rounds = Fuzz.iterations(800)
        var refused = 0
        for _ in 0..<rounds {
            var bad = good
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                let region = regions[Int.random(in: regions.indices, using: &random)]
                let place = Int.random(in: region, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: bad[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
                case 1: bad[place] = [0, 1, 0x7F, 0x80, 0xFF].randomElement(using: &random) ?? 0
                case 2: bad.store(UInt32.random(in: 0...UInt32.max, using: &random), at: place & ~3)
                default: bad.store(bytes: [255, 255, 255, 255], at: place & ~3)
                }
            }
            if Self.outcome(bad, verifiesChecksums: false) != nil { refused += 1 }
        }
        #expect(refused > rounds / 4 && refused < rounds, "\(refused)")
    }
}
