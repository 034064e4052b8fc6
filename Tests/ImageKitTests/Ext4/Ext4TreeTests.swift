import Foundation
import SystemPackage
import Testing

@testable import ImageKit

/// Lays out trees of every kind. e2fsprogs judges them, and the kernel reads all of them back.
@Suite struct Ext4TreeTests {
    /// Makes a tree with unusual names, times, sizes and modes from a seed, with files of the host in `scratch`.
    struct Generator {
        private var random: SplitMix
        private var tree = FileTree()
        private var host: HostFiles.DirectoryID
        private let scratch: String
        private var hostCount = 0
        private var shared: [FileTree.NodeID] = []

        static let sizes = [
            0, 1, 59, 4095, 4096, 4097, 8191, 8192, 8193, 12_289, 65_536, (1 << 20) - 1, 1 << 20, (1 << 20) + 1,
        ]
        static let targets = [1, 2, 57, 58, 59, 60, 61, 62, 100, 255, 1023, 1024, 2048, 4094, 4095]

        init(seed: UInt64, scratch: String) {
            random = SplitMix(state: seed)
            self.scratch = scratch
            host = tree.hostFiles.addRoot(FilePath(scratch))
        }

        mutating func built() throws -> FileTree {
            tree.root = try directory(depth: 0)
            return tree
        }

        private mutating func attributes() -> FileAttributes {
            let modes: [UInt16] = [0o644, 0o755, 0o444, 0o555, 0, 0o4755, 0o2755, 0o1777, 0o7777, 0o600]
            let owners: [UInt32] = [0, 1000, 65_535, 65_536, 100_000, 0xFFFF_FFFE]
            let times: [Int64] = [
                1, 0, -1, -(1 << 31), 1 << 31, (1 << 31) - 1, 1 << 32, (1 << 32) + 7, (1 << 33) + 5,
                (1 << 34) - (1 << 31) - 1, 1_700_000_000, .random(in: -(1 << 31)..<1 << 33, using: &random),
            ]
            return FileAttributes(
                permissions: pick(modes), owner: pick(owners), group: pick(owners), modified: pick(times))
        }

        private mutating func pick<Value>(_ values: [Value]) -> Value {
            values[Int.random(in: values.indices, using: &random)]
        }

        private mutating func bytes(_ count: Int) -> [UInt8] {
            var bytes = [UInt8](repeating: 0, count: count)
            // Some files consist of zeros.
            if Int.random(in: 0..<5, using: &random) == 0 { return bytes }
            for offset in stride(from: 0, to: count, by: 509) { bytes[offset] = .random(in: 0...255, using: &random) }
            if count > 0 { bytes[count - 1] = 0xEE }
            return bytes
        }

        private mutating func name() -> [UInt8] {
            switch Int.random(in: 0..<9, using: &random) {
            case 0: return Array("-rf".utf8) + text(3)
            case 1: return Array("line\nbreak ".utf8) + text(4)
            case 2: return [0xFF, 0xFE, 0x80] + (0..<4).map { _ in UInt8.random(in: 0x80...0xFF, using: &random) }
            case 3: return Array("größe-日本-".utf8) + text(3)
            case 4: return text(255)
            case 5: return [0x20] + text(2) + [0x20]
            case 6: return text(.random(in: 250...255, using: &random))
            case 7: return Array("...".utf8) + text(1)
            default: return text(.random(in: 1...30, using: &random))
            }
        }

        private mutating func text(_ count: Int) -> [UInt8] {
            (0..<count).map { _ in UInt8.random(in: 0x61...0x7A, using: &random) }
        }

        private mutating func directory(depth: Int) throws -> FileTree.NodeID {
            var children: [[UInt8]: FileTree.NodeID] = [:]
            for _ in 0..<(depth == 3 ? Int.random(in: 0...3, using: &random) : 14) {
                let node: FileTree.NodeID
                switch Int.random(in: 0..<12, using: &random) {
                case 0..<4 where depth < 3: node = try directory(depth: depth + 1)
                case 4, 5:
                    let target = text(pick(Self.targets))
                    node = tree.addSymlink(to: target, attributes())
                case 6 where !shared.isEmpty: node = pick(shared)
                default: node = try file()
                }
                if tree.kind(of: node) != .directory, Int.random(in: 0..<4, using: &random) == 0 { shared.append(node) }
                children[name()] = node
            }
            return try tree.addDirectory(children.map { ($0.key, $0.value) }, attributes())
        }

        private mutating func file() throws -> FileTree.NodeID {
            let count = pick(Self.sizes)
            let content = bytes(count)
            switch Int.random(in: 0..<3, using: &random) {
            case 0: return tree.addFile(content, attributes())
            case 1:
                hostCount += 1
                let name = "host-\(hostCount)"
                let path = scratch + "/" + name
                try Data(content).write(to: URL(fileURLWithPath: path))
                var status = stat()
                #expect(stat(path, &status) == 0)
                let file = tree.hostFiles.addFile(Array(name.utf8), in: host, identity: HostFiles.Identity(status))
                return tree.addFile(file, attributes())
            default:
                var source = SegmentMap(size: UInt64(count) + 5000)
                source.add(content, at: 777)
                try source.seal()
                return tree.addFile(source, offset: 777, size: UInt64(count), attributes())
            }
        }
    }

    @Test(arguments: 0..<16 as Range<UInt64>)
    func generatedTreesAreReadBack(seed: UInt64) throws {
        let scratch = try ScratchDirectory()
        var generator = Generator(seed: seed, scratch: scratch.path)
        let tree = try generator.built()
        let slack: UInt64 = [0, 4096, 1 << 20, 300 << 20][Int(seed) % 4]
        let (_, layout) = try scratch.judgedByKernel(
            tree, Ext4Judge.options(slack: slack, reservedPercent: UInt32(seed) % 3 * 5))
        let summary = layout.summary
        let withheld = summary.reservedBlocks + min(summary.blocks / 50, 4096)
        #expect(summary.freeBlocks >= withheld + slack / 4096)
        #expect(summary.freeInodes >= 4096)
    }

    @Test func anEmptyTree() throws {
        let scratch = try ScratchDirectory()
        var tree = FileTree()
        tree.root = try tree.addDirectory([], FileAttributes(permissions: 0o755))
        let (image, layout) = try scratch.judgedByKernel(tree, Ext4Judge.options(slack: 0))
        #expect(layout.summary.dataBlocks == 0 && layout.summary.directoryBlocks == 5)
        let fields = try Ext4Judge.superblock(image)
        #expect(fields["Filesystem UUID"] == "44444444-4444-4888-8888-888888888888")
        #expect(fields["Directory Hash Seed"] == "44444444-4444-4888-8888-888888888888")
        #expect(
            fields["Filesystem volume name"] == "NIXOS_SD" && fields["Filesystem flags"] == "unsigned_directory_hash")
        #expect(
            fields["Filesystem features"]
                == "has_journal ext_attr resize_inode dir_index filetype extent 64bit flex_bg sparse_super large_file "
                + "huge_file dir_nlink extra_isize metadata_csum")
        for field in ["Last write time", "Last checked"] { #expect(fields[field] == "Thu Jan  1 00:00:01 1970") }
    }

    @Test(arguments: [1, 200] as [Int])
    func deepTrees(nameLength: Int) throws {
        let scratch = try ScratchDirectory()
        var tree = FileTree()
        var node = tree.addFile([1, 2, 3], FileAttributes(permissions: 0o644))
        for depth in 0..<150 {
            let name = [UInt8](repeating: 0x61 + UInt8(depth % 26), count: nameLength)
            node = try tree.addDirectory([(name, node)], FileAttributes(permissions: 0o755))
        }
        tree.root = node
        _ = try scratch.judgedByKernel(tree)
    }

    @Test func aDirectoryLostAndFoundIsKept() throws {
        let scratch = try ScratchDirectory()
        var tree = FileTree()
        let file = tree.addFile([7], FileAttributes(permissions: 0o600))
        let lost = try tree.addDirectory(
            [(Array("#12".utf8), file)], FileAttributes(permissions: 0o711, owner: 3, modified: 99))
        tree.root = try tree.addDirectory(
            [(Array("lost+found".utf8), lost), (Array("again".utf8), file)], FileAttributes(permissions: 0o755))
        let (image, _) = try scratch.judgedByKernel(tree)
        if Judge.hasExt4Tools {
            #expect(try Ext4Judge.debugfs("stat lost+found", image).contains("Inode: 11   Type: directory"))
            #expect(try Ext4Judge.debugfs("stat lost+found", image).contains("Size: 16384"))
        }
    }

    @Test func everyTargetLengthAroundTheInode() throws {
        let scratch = try ScratchDirectory()
        var tree = FileTree()
        var children: [(name: [UInt8], node: FileTree.NodeID)] = []
        for length in Array(1...130) + [4094, 4095] {
            let target = (0..<length).map { UInt8(0x80 + ($0 + length) % 128) }
            children.append(
                (Array("to \(length)".utf8), tree.addSymlink(to: target, FileAttributes(permissions: 0o777))))
        }
        tree.root = try tree.addDirectory(children, FileAttributes(permissions: 0o755))
        let (_, layout) = try scratch.judgedByKernel(tree)
        #expect(layout.summary.dataBlocks == 130 - 59 + 2)
    }
}
