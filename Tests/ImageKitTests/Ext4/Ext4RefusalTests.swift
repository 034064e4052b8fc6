import Testing

@testable import ImageKit

/// Unusual input causes one clear error, and no number causes a trap.
@Suite struct Ext4RefusalTests {
    static let attributes = FileAttributes(permissions: 0o644)

    /// A tree with one entry, made by `add`.
    static func tree(
        _ name: String = "x", _ add: (inout FileTree) throws -> FileTree.NodeID
    ) throws -> FileTree {
        var tree = FileTree()
        let node = try add(&tree)
        tree.root = try tree.addDirectory([(Array(name.utf8), node)], attributes)
        return tree
    }

    static func refusal(_ tree: FileTree, _ options: Ext4Options? = nil) throws -> ImageError {
        try #require(throws: ImageError.self) { try Ext4Formatter.layOut(tree, options ?? Ext4Judge.options()) }
    }

    @Test func names() throws {
        var tree = FileTree()
        let node = tree.addFile([], Self.attributes)
        let long = [UInt8](repeating: 0x61, count: 256)
        for name in [[], [0x2E], [0x2E, 0x2E], [0x61, 0], [0x61, 0x2F], long] {
            let error = try #require(throws: ImageError.self) { try tree.addDirectory([(name, node)], Self.attributes) }
            #expect(error.code == .invalidInput && error.remedy != nil)
        }
        _ = try tree.addDirectory([(Array(long.dropLast()), node), ([0x2E, 0x2E, 0x2E], node)], Self.attributes)
        #expect(throws: ImageError.self) { try tree.addDirectory([([0xFF], node), ([0xFF], node)], Self.attributes) }
    }

    @Test func lostAndFoundAsAFile() throws {
        let error = try Self.refusal(Self.tree("lost+found") { $0.addFile([1], Self.attributes) })
        #expect(error.code == .invalidInput && error.description.contains("lost+found"))
    }

    @Test func labelsAndIdentifiers() throws {
        for label in ["12345678901234567", "ääääääääö", "a\0b"] {
            #expect(throws: ImageError.self) { try Ext4Options(label: label, uuid: Ext4Judge.uuid) }
        }
        #expect(throws: ImageError.self) { try Ext4Options(uuid: .zero) }
        #expect(throws: ImageError.self) { try Ext4Options(uuid: Ext4Judge.uuid, reservedPercent: 51) }
    }

    @Test(arguments: ["", "1234567890123456", "größe", "\u{7F}"])
    func oddLabelsThatFit(label: String) throws {
        let scratch = try ScratchDirectory()
        let options = try Ext4Options(label: label, uuid: Ext4Judge.uuid, slack: 0)
        let layout = try Ext4Formatter.layOut(Self.tree { $0.addFile([1], Self.attributes) }, options)
        let image = try scratch.write(layout)
        let offset = UInt64(Ext4Forger.superblock(Ext4Superblock.Field.label))
        let stored = try layout.map.read(Ext4Superblock.Field.labelLength, at: offset)
        #expect(stored.prefix { $0 != 0 }.elementsEqual(label.utf8))
        if Judge.hasExt4Tools { #expect(try Judge.run("e2fsck", ["-fn", image]).status == 0) }
    }

    @Test(arguments: [.max, .max - 1, 1 << 63, 1 << 52, 3 << 40, 2 << 40] as [UInt64])
    func hugeNumbers(number: UInt64) throws {
        let tree = try Self.tree { $0.addFile([1], Self.attributes) }
        for percent in [0, 50] as [UInt32] {
            let error = try Self.refusal(tree, Ext4Judge.options(slack: number, reservedPercent: percent))
            #expect(error.code == .doesNotFit && error.description.contains("2 TiB"), "\(error)")
            let fixed = try Self.refusal(
                tree, Ext4Judge.options(slack: number, reservedPercent: percent, size: 1 << 30))
            #expect(fixed.code == .doesNotFit, "\(fixed)")
        }
        if number > 2 << 40 {
            let error = try Self.refusal(tree, Ext4Judge.options(size: number))
            #expect(error.code == .doesNotFit && error.description.contains("2 TiB"), "\(error)")
        }
    }

    @Test func symlinkTargets() throws {
        for target in [
            [], [UInt8](repeating: 0x61, count: 4096), [UInt8](repeating: 0x61, count: 9000), [0x61, 0, 0x62],
        ] {
            let error = try Self.refusal(Self.tree("the link") { $0.addSymlink(to: target, Self.attributes) })
            #expect(error.code != .internal && error.description.contains("the link"), "\(error)")
        }
    }

    @Test func filesThatNoFilesystemHolds() throws {
        let error = try Self.refusal(
            Self.tree { $0.addFile(StampedSource(size: .max), offset: 0, size: 1 << 45, Self.attributes) })
        #expect(error.code == .doesNotFit && error.description.contains("32 TiB"), "\(error)")
        // More bytes than the source has: a few, and more than a number can count.
        for (offset, size) in [(0, 5001), (5001, 0), (1, 5000), (.max, 2), (.max, 3 << 20), (5000, 1 << 44)]
            as [(UInt64, UInt64)]
        {
            let error = try Self.refusal(
                Self.tree { $0.addFile(StampedSource(size: 5000), offset: offset, size: size, Self.attributes) })
            #expect(error.code != .internal, "\(error)")
        }
    }

    @Test func invalidTrees() throws {
        #expect(try Self.refusal(FileTree()).code == .invalidInput)
        var tree = FileTree()
        tree.root = tree.addFile([1], Self.attributes)
        #expect(try Self.refusal(tree).code == .invalidInput)
        // A directory with two names: no filesystem can have one.
        let directory = try tree.addDirectory([], Self.attributes)
        tree.root = try tree.addDirectory([([0x61], directory), ([0x62], directory)], Self.attributes)
        #expect(try Self.refusal(tree).code == .invalidInput)
    }

    @Test func tooManyNames() throws {
        var tree = FileTree()
        let file = tree.addFile([1], Self.attributes)
        tree.root = try tree.addDirectory((0..<65_001).map { (Array("\($0)".utf8), file) }, Self.attributes)
        #expect(try Self.refusal(tree).code == .doesNotFit)
    }

    /// A unit whose files were replaced (by an overlay) lays out its remaining files.
    @Test func unitsThatAreNotInTheTree() throws {
        let scratch = try ScratchDirectory()
        var tree = FileTree()
        let old = tree.addFile([1, 2], Self.attributes), kept = tree.addFile([3], Self.attributes)
        let unit = try tree.addDirectory([([0x61], old), ([0x62], kept)], Self.attributes)
        let new = try tree.addDirectory(
            [([0x61], tree.addFile([4], Self.attributes)), ([0x62], kept)], Self.attributes)
        tree.root = try tree.addDirectory([([0x75], new)], Self.attributes)
        let hints = LayoutHints(units: [LayoutHints.Unit(node: unit, key: 7)])
        _ = try scratch.judgedByKernel(tree, hints: hints)
    }
}
