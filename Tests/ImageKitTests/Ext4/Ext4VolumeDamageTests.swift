import Foundation
import Glibc
import Testing

@testable import ImageKit

/// Damaged and hostile filesystems cause an error and nothing worse.
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

    /// The error of reading everything, if there is one.
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

    /// The offset in an inode's record of the first child in its tree of extents.
    static let childField =
        Ext4Inode.Field.area + Ext4ExtentNode.Header.length + Ext4ExtentNode.Entry.childLow

    /// The block of the first child in a file's tree of extents.
    static func firstChild(of file: Ext4Volume.Node) -> Int? {
        file.record.area.load(UInt32.self, at: childField - Ext4Inode.Field.area).map(Int.init)
    }

    @Test func checksumErrorsSayWhere() throws {
        let good = try Self.image()
        #expect(Self.outcome(good, verifiesChecksums: true) == nil)
        let volume = try Ext4Volume(HeldImage(good))
        let directory = try #require(try volume.node(at: "/d")), file = try #require(try volume.node(at: "/s"))
        var bad = good
        bad[Int(directory.record.offset) + Ext4Inode.Field.size] ^= 1
        let inode = try #require(Self.outcome(bad, verifiesChecksums: true))
        #expect(inode.offset == directory.record.offset && inode.description.contains("inode \(directory.inode) "))
        bad = good
        var budget: UInt64 = 99
        let extents = try Ext4BlockMapReader.extents(of: directory.record, in: volume, budget: &budget)
        let first = try #require(extents.first)
        bad[Int(first.disk + 1) * 4096 + 9] ^= 1
        let block = try #require(Self.outcome(bad, verifiesChecksums: true))
        #expect(block.offset == (first.disk + 1) * 4096 && block.description.contains("checksum"))
        bad = good
        let child = try #require(Self.firstChild(of: file))
        bad[child * 4096 + 30] ^= 1
        let extent = try #require(Self.outcome(bad, verifiesChecksums: true))
        #expect(extent.offset == UInt64(child) * 4096 && extent.description.contains("inode \(file.inode) "))
    }

    @Test func superblocksThatDoNotFit() throws {
        let good = try Self.image()
        typealias Field = Ext4Superblock.Field
        let cases: [(Int, [UInt8])] = [
            (Field.magic, [0]), (Field.logBlockSize, [7]), (Field.logBlockSize, [255, 255, 255, 255]),
            (Field.blocks, [0, 0, 0, 0]), (Field.blocksHigh, [1]), (Field.blocksHigh, [255, 255, 255, 255]),
            (Field.blocksPerGroup, [0, 0, 0, 0]), (Field.blocksPerGroup, [8, 0, 0, 0]), (Field.blocksPerGroup, [1]),
            (Field.inodesPerGroup, [0, 0, 0, 0]), (Field.inodesPerGroup, [255, 255, 255, 255]),
            (Field.inodes, [255, 255, 255, 255]), (Field.inodeSize, [0, 0]), (Field.inodeSize, [255, 255]),
            (Field.inodeSize, [0, 0x80]), (Field.descriptorSize, [0, 0]), (Field.descriptorSize, [1, 0]),
            (Field.descriptorSize, [255, 255]), (Field.firstInode, [0, 0, 0, 0]),
            (Field.firstInode, [255, 255, 255, 255]), (Field.firstBlock, [5]), (Field.revision, [9]),
            (Field.reservedDescriptorBlocks, [255, 255]), (Field.incompatible, [0x08]),
            (Field.incompatible + 3, [0x80]),
        ]
        for (offset, bytes) in cases {
            var bad = good
            bad.store(bytes: bytes, at: Ext4Forger.superblock(offset))
            for verifies in [true, false] {
                #expect(Self.outcome(bad, verifiesChecksums: verifies) != nil, "\(offset) \(bytes)")
            }
        }
        // 2^26 groups.
        var bad = good
        bad.store(UInt32(0), at: Ext4Forger.superblock(Field.blocks))
        bad.store(UInt32(512), at: Ext4Forger.superblock(Field.blocksHigh))
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
        let offset = { (node: Ext4Volume.Node, field: Int) in Int(node.record.offset) + field }
        let root = try volume.root()
        var budget: UInt64 = 99
        let extents = try Ext4BlockMapReader.extents(of: root.record, in: volume, budget: &budget)
        let leaf = try #require(Self.firstChild(of: file)) * 4096
        // The third entry of the root directory is the directory d.
        let entry = Int(try #require(extents.first).disk) * 4096 + 2 * Ext4DirectoryEntry.minimumLength
        typealias Entry = Ext4DirectoryEntry.Field
        typealias Inode = Ext4Inode.Field
        typealias Header = Ext4ExtentNode.Header
        let extent = leaf + Header.length
        let cases: [(String, Int, [UInt8])] = [
            ("two places", entry + Entry.inode, [2, 0, 0, 0]), ("no name", entry + Entry.inode, [255, 255, 255, 255]),
            ("slash", entry + Entry.name, [0x2F]), ("slash", entry + Entry.name, [0]),
            ("entry", entry + Entry.entryLength, [0, 0]), ("entry", entry + Entry.entryLength, [255, 255]),
            ("entry", entry + Entry.nameLength, [255]),
            ("size", offset(file, Inode.sizeHigh), [0xFF, 0xFF, 0xFF, 0xFF]),
            ("size", offset(file, Inode.sizeHigh), [0xFF, 0xFF, 0xFF, 0x7F]),
            ("folder of", offset(directory, Inode.size), [1]), ("hole", offset(directory, Inode.size + 1), [0, 0x40]),
            ("outside", extent + Ext4ExtentNode.Entry.diskLow, [255, 255, 255, 255]),
            ("filesystem's own", extent + Ext4ExtentNode.Entry.diskLow, [0, 0, 0, 0]),
            ("no blocks", extent + Ext4ExtentNode.Entry.count, [0, 0]),
            ("ascend", extent + Ext4ExtentNode.Entry.length, [0, 0, 0, 0]), ("tree", leaf + Header.depth, [1]),
            ("tree", leaf + Header.maximum, [255, 255]), ("tree", leaf + Header.entries, [255, 255]),
            ("tree", leaf + Header.magic, [0]), ("outside", offset(file, Self.childField), [255, 255, 255, 255]),
            ("kind", offset(file, Inode.mode), [0, 0]), ("deleted", offset(file, Inode.links), [0, 0]),
            ("encrypted", offset(file, Inode.flags + 1), [8]), ("extra", offset(file, Inode.extraSize), [255, 255]),
            ("top folder", offset(root, Inode.mode), [0xFF, 0x81]),
        ]
        for (words, offset, bytes) in cases {
            var bad = good
            bad.store(bytes: bytes, at: offset)
            let error = Self.outcome(bad, verifiesChecksums: false)
            #expect(error?.description.contains(words) == true, "\(words): \(error?.description ?? "nothing")")
            #expect(Self.outcome(bad, verifiesChecksums: true) != nil, "\(words)")
        }
    }

    /// Changes bits, bytes and words anywhere in the metadata, without checksums. Reading always ends.
    @Test func mutations() throws {
        var good = try Self.image()
        let volume = try Ext4Volume(HeldImage(good))
        // A superblock without metadata checksums, so that damage gets past them.
        let features = Ext4Forger.superblock(Ext4Superblock.Field.readOnlyCompatible)
        good.store(
            (good.load(UInt32.self, at: features) ?? 0) & ~Ext4Feature.metadataChecksums.mask, at: features)
        let directory = try #require(try volume.node(at: "/d")), file = try #require(try volume.node(at: "/s"))
        let link = try #require(try volume.node(at: "/l"))
        var budget: UInt64 = 999
        var regions: [Range<Int>] = [1024..<2048, 4096..<4160]
        for node in [try volume.root(), directory, file, link] {
            regions.append(Int(node.record.offset)..<Int(node.record.offset) + 160)
        }
        for node in [try volume.root(), directory] {
            for extent in try Ext4BlockMapReader.extents(of: node.record, in: volume, budget: &budget) {
                regions.append(Int(extent.disk) * 4096..<Int(extent.disk) * 4096 + 200)
            }
        }
        let leaf = try #require(Self.firstChild(of: file)) * 4096
        regions.append(leaf..<leaf + 136)
        var random = Fuzz.random(42)
        let rounds = Fuzz.iterations(800)
        var refused = 0
        for _ in 0..<rounds {
            var bad = good
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                let region = regions[Int.random(in: regions.indices, using: &random)]
                let offset = Int.random(in: region, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: bad[offset] ^= 1 << UInt8.random(in: 0..<8, using: &random)
                case 1: bad[offset] = [0, 1, 0x7F, 0x80, 0xFF].randomElement(using: &random) ?? 0
                case 2: bad.store(UInt32.random(in: 0...UInt32.max, using: &random), at: offset & ~3)
                default: bad.store(bytes: [255, 255, 255, 255], at: offset & ~3)
                }
            }
            if Self.outcome(bad, verifiesChecksums: false) != nil { refused += 1 }
        }
        #expect(refused > rounds / 4 && refused < rounds, "\(refused)")
    }
}
