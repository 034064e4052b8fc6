import Foundation
import Glibc
import Testing

@testable import ImageKit

/// The same tree gives the same bytes, independent of clock and environment.
@Suite struct Ext4DeterminismTests {
    static func image(_ tree: FileTree, size: UInt64? = nil) throws -> [UInt8] {
        let map = try Ext4Formatter.layOut(tree, Ext4Judge.options(slack: 0, size: size)).map
        return try map.read(Int(map.size), at: 0)
    }

    static func areEqual(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        left.count == right.count && memcmp(left, right, left.count) == 0
    }

    @Test(arguments: [0, 1, 2] as [UInt64])
    func theSameTreeTwice(seed: UInt64) throws {
        let scratch = try ScratchDirectory()
        var generator = Ext4TreeTests.Generator(seed: seed, scratch: scratch.path)
        let tree = try generator.built()
        for size in [nil, 300 << 20] as [UInt64?] {
            #expect(try Self.areEqual(Self.image(tree, size: size), Self.image(tree, size: size)))
        }
    }

    /// In a process of its own: other tests run in this one at the same time.
    @Test func environmentAndClock() async {
        await #expect(processExitsWith: .success) {
            let scratch = try ScratchDirectory()
            var generator = Ext4TreeTests.Generator(seed: 3, scratch: scratch.path)
            let tree = try generator.built()
            let plain = try Ext4DeterminismTests.image(tree)
            for (name, value) in [
                ("SOURCE_DATE_EPOCH", "1234567890"), ("E2FSPROGS_FAKE_TIME", "987654321"), ("TZ", "Asia/Kathmandu"),
                ("MKE2FS_FIRST_META_BG", "1"), ("MKE2FS_DEVICE_SECTSIZE", "512"), ("LC_ALL", "tr_TR.UTF-8"),
            ] {
                setenv(name, value, 1)
                tzset()
                let image = try Ext4DeterminismTests.image(tree)
                #expect(Ext4DeterminismTests.areEqual(image, plain), "\(name)")
                unsetenv(name)
            }
            // A second later, nothing shows the clock.
            usleep(1_100_000)
            #expect(try Ext4DeterminismTests.areEqual(Ext4DeterminismTests.image(tree), plain))
        }
    }

    /// The order in which nodes were added makes no difference.
    @Test func theOrderOfBuilding() throws {
        func tree(reversed: Bool) throws -> FileTree {
            var tree = FileTree()
            var nodes: [(name: [UInt8], node: FileTree.NodeID)] = []
            for index in reversed ? (0..<400).reversed() : Array(0..<400) {
                let attributes = FileAttributes(permissions: 0o644, owner: UInt32(index))
                let name = Array("\(index)".utf8)
                switch index % 3 {
                case 0: nodes.append((name, tree.addFile(name, attributes)))
                case 1:
                    nodes.append((name, tree.addSymlink(to: name + [UInt8](repeating: 0x61, count: index), attributes)))
                default: nodes.append((name, try tree.addDirectory([], attributes)))
                }
            }
            tree.root = try tree.addDirectory(nodes, FileAttributes(permissions: 0o755))
            return tree
        }
        var forward = try tree(reversed: false), backward = try tree(reversed: true)
        try forward.joinLinks(under: forward.root, .byContent(threads: 1))
        try backward.joinLinks(under: backward.root, .byContent(threads: 4))
        #expect(try Self.areEqual(Self.image(forward), Self.image(backward)))
    }
}
