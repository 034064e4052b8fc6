import Testing

@testable import ImageKit

/// Trees that do not fit or that FAT cannot hold, and the smallest size of a partition.
@Suite struct FATRefusalTests {
    static let mebi: UInt64 = 1 << 20

    /// A source of any size. Reading it is an error.
    struct Endless: ByteSource {
        var size: UInt64 { .max }
        func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(ImageError) {
            throw ImageError(.internal, "read while laying out")
        }
    }

    static func tree(_ files: [(String, UInt64)]) throws -> FileTree {
        var tree = FileTree()
        let children = files.map { name, size in
            (name: Array(name.utf8), node: tree.addFile(Endless(), offset: 0, size: size, SampleTree.attributes))
        }
        tree.root = try tree.addDirectory(children, SampleTree.attributes)
        return tree
    }

    static func refusal(_ tree: FileTree, _ options: FATOptions = FATOptions()) throws -> ImageError {
        try #require(throws: ImageError.self) { try FATFormatter.layOut(tree, options) }
    }

    @Test func aFixedSizeThatIsTooSmall() throws {
        let tree = try Self.tree([("kernel.img", 40 * Self.mebi), ("start4.elf", 2 * Self.mebi)])
        let error = try Self.refusal(tree, FATOptions(size: 30 * Self.mebi))
        #expect(error.code == .doesNotFit)
        #expect(
            "\(error)" == "the files do not fit: they need 42 MiB and a FAT partition of 30 MiB has room for "
                + "29.9 MiB; use partition size 43M or more, or leave files out")
        let named = try Self.refusal(tree, FATOptions(size: 30 * Self.mebi, purpose: "firmware"))
        #expect(named.message == "the firmware files do not fit" && named.remedy == error.remedy)
        #expect(try FATFormatter.minimumSize(for: tree) == 43 * Self.mebi)
        #expect(try FATFormatter.layOut(tree).map.size == 86 * Self.mebi, "without a size, the size that it needs")
        _ = try FATFormatter.layOut(tree, FATOptions(size: 43 * Self.mebi))
    }

    /// Content that fills the last cluster fits, and one more byte does not.
    @Test(arguments: [5, 30, 300, 600] as [UInt64])
    func theLastClusterIsUsed(mebibytes: UInt64) throws {
        let geometry = try FATGeometry(partitionSize: mebibytes * Self.mebi)
        let room = (geometry.clusterCount - (geometry.kind == .fat32 ? 1 : 0)) * geometry.clusterSize
        let options = FATOptions(size: mebibytes * Self.mebi)
        let map = try FATFormatter.layOut(Self.tree([("a", 1), ("b", room - geometry.clusterSize)]), options).map
        #expect(map.segments.last?.end == geometry.offset(ofCluster: geometry.clusterCount + 2))
        _ = try Self.refusal(Self.tree([("a", 1), ("b", room - geometry.clusterSize + 1)]), options)
    }

    @Test(
        arguments: [
            (0, 3), (2 << 20, 3), (29 << 20, 30), (30 << 20, 31), (127 << 20, 128), (128 << 20, 129), (255 << 20, 256),
            (511 << 20, 513), (512 << 20, 514), (4 << 30 - 1, 4105),
        ] as [(UInt64, UInt64)])
    func theSmallestSizeIsFound(bytes: UInt64, mebibytes: UInt64) throws {
        let tree = try Self.tree([("kernel.img", bytes)])
        let size = try FATFormatter.minimumSize(for: tree)
        #expect(size == mebibytes * Self.mebi, "\(size / Self.mebi)")
        _ = try FATFormatter.layOut(tree, FATOptions(size: size))
        if size > FATGeometry.minimumSize { _ = try Self.refusal(tree, FATOptions(size: size - Self.mebi)) }
    }

    @Test func tooLargeAFile() throws {
        _ = try FATFormatter.layOut(Self.tree([("a", 0xFFFF_FFFF)]))
        for size in [0x1_0000_0000, UInt64.max] {
            let error = try Self.refusal(Self.tree([("big.img", size)]))
            #expect(error.code == .doesNotFit)
            #expect("\(error)".contains("cannot hold the file 'big.img': it has \(size) bytes"))
            #expect("\(error)".contains("4 GiB less one byte is the limit; leave it out, or split it"))
        }
    }

    /// The root directory of FAT16 has 512 entries, and the label takes one of them.
    @Test func tooManyNamesInTheRootDirectory() throws {
        func tree(_ count: Int) throws -> FileTree { try Self.tree((0..<count).map { ("f\($0)", 0) }) }
        let options = FATOptions(size: 30 * Self.mebi)
        _ = try FATFormatter.layOut(tree(511), options)
        _ = try FATFormatter.layOut(tree(512), FATOptions(label: "", size: 30 * Self.mebi))
        let error = try Self.refusal(tree(512), options)
        #expect(error.code == .doesNotFit)
        #expect(
            "\(error)" == "the files do not fit: their names take 513 entries of the top folder, and that of "
                + "FAT16 has 512; move some into a folder, give them shorter names, or use partition size 512M or "
                + "more (FAT32, which has no such limit)")
        #expect(try FATFormatter.layOut(tree(512)).map.size == 512 * Self.mebi)
    }

    @Test func tooManyNamesInADirectory() throws {
        func tree(_ count: Int) throws -> FileTree {
            var tree = FileTree()
            let file = tree.addFile([], SampleTree.attributes)
            let directory = try tree.addDirectory(
                (0..<count).map { (Array("F\($0)".utf8), file) }, SampleTree.attributes)
            let parent = try tree.addDirectory([(Array("Sub".utf8), directory)], SampleTree.attributes)
            tree.root = try tree.addDirectory([(Array("dir".utf8), parent)], SampleTree.attributes)
            return tree
        }
        _ = try FATFormatter.layOut(tree(65_534))
        for (count, slots) in [(65_535, 65_537), (65_537, 65_537)] {
            let error = try Self.refusal(tree(count))
            #expect(error.code == .doesNotFit)
            #expect(
                "\(error)" == "a FAT filesystem cannot hold the folder 'dir/Sub': its \(count) names take \(slots) "
                    + "directory entries and 65536 are the limit; spread its files over several folders")
        }
    }

    @Test func namesThatAreTheSameToFAT() throws {
        let error = try Self.refusal(SampleTree(files: ["dir/Config.txt": [], "dir/config.TXT": []]).built())
        #expect(error.code == .invalidInput)
        #expect(
            "\(error)" == "a FAT filesystem cannot hold both names 'dir/Config.txt': it does not tell 'config.TXT' "
                + "from it, as upper and lower case are the same to it; rename one of them")
        _ = try FATFormatter.layOut(SampleTree(files: ["dir/a": [], "a": [], "DIR2/A": []]).built())
    }

    @Test func errorsNameSymbolicLinksAndInvalidNames() throws {
        var tree = FileTree()
        let link = tree.addSymlink(to: Array("target".utf8), SampleTree.attributes)
        let directory = try tree.addDirectory([(Array("link".utf8), link)], SampleTree.attributes)
        tree.root = try tree.addDirectory([(Array("overlays".utf8), directory)], SampleTree.attributes)
        #expect(
            "\(try Self.refusal(tree))" == "a FAT filesystem cannot hold the symbolic link 'overlays/link'; put the "
                + "file itself in its place")
        let name = try Self.refusal(SampleTree(files: ["one/b:c/d": []]).built())
        #expect("\(name)" == "a FAT filesystem cannot hold the name 'one/b:c': it contains ':'; rename it")
        tree.root = link
        #expect("\(try Self.refusal(tree))" == "the tree for a FAT filesystem is not a folder")
    }

    @Test func canBeCancelled() throws {
        let tree = try SampleTree(files: ["overlays/README": []]).built()
        let progress = Progress()
        progress.cancel()
        let error = try #require(throws: ImageError.self) { try FATFormatter.layOut(tree, progress: progress) }
        #expect(error.code == .cancelled)
    }

    @Test(arguments: [
        ("TWELVE CHARS", "it has 12 bytes and 11 is the limit"), ("a/b", "letters, digits"), ("é", "letters, digits"),
        (" a", "it begins with a space"), ("a\u{7}", "cannot have the label 'a\\x07'"),
    ])
    func refusesInvalidLabels(label: String, sentence: String) throws {
        let error = try Self.refusal(SampleTree().built(), FATOptions(label: label))
        #expect(error.code == .invalidInput && "\(error)".contains(sentence), "\(error)")
    }
}
