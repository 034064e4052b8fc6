import Foundation
import Glibc
import Testing

@testable import ImageKit

/// Cards are larger than images: resize2fs must be able to use all of any card.
@Suite(.enabled(if: Judge.hasExt4Tools, "\(Judge.ext4Reason)"), .serialized)
struct Ext4GrowthTests {
    static func grow(_ tree: FileTree, to sizes: [UInt64], isMounted: Bool = true) throws {
        let scratch = try ScratchDirectory()
        let (image, _) = try scratch.judged(tree)
        // Online, resize2fs can add only the descriptors that have reserved space: those of 2 TiB. (Offline, it moves
        // blocks out of the way.)
        let before = try Ext4Judge.superblock(image)
        #expect(before["Reserved GDT blocks"] == "255" && before["Group descriptor size"] == "64")
        for size in sizes {
            #expect(truncate(image, off_t(size)) == 0)
            let (status, said) = try Judge.run("resize2fs", [image])
            #expect(status == 0 && said.contains("is now \(size / 4096) (4k) blocks long"), "\(said)")
            try Ext4Judge.check(image)
            let fields = try Ext4Judge.superblock(image)
            #expect(fields["Block count"] == String(size / 4096))
            // At least one inode for every 32 KiB, and no other descriptor layout.
            #expect((fields["Inode count"].flatMap { UInt64($0) } ?? 0) >= size / 32_768)
            #expect(fields["Filesystem features"]?.contains("meta_bg") == false)
        }
        if isMounted, Ext4Judge.canMount {
            try Ext4Judge.mounted(image, in: scratch.path) { try MountedTree(tree).compare(with: $0) }
        }
    }

    @Test func aGeneratedTree() throws {
        let scratch = try ScratchDirectory()
        var generator = Ext4TreeTests.Generator(seed: 77, scratch: scratch.path)
        try Self.grow(generator.built(), to: [64 << 30, 1 << 40])
    }

    @Test func oneGroup() throws {
        try Self.grow(Ext4GeometryTests.tree(blocks: 0), to: [64 << 20, 2 << 30, 64 << 30])
    }

    @Test func severalGroups() throws {
        try Self.grow(Ext4GeometryTests.tree(blocks: 600_000), to: [2560 << 20, 64 << 30], isMounted: false)
    }

    @Test func aLargeDirectory() throws {
        try Self.grow(Ext4HashTreeTests.tree((0..<60_000).map { Array("file \($0)".utf8) }), to: [64 << 30])
    }
}
