import Foundation
import Glibc
import SystemPackage
import Testing

@testable import ImageKit

/// Hard links: by content, independent of the host's links, and never more than ext4 allows.
@Suite struct Ext4LinkTests {
    /// Makes a store of 40 files with 8 contents, with or without hard links.
    static func makeStore(at path: String, linked: Bool) throws {
        let manager = FileManager.default
        var first: [String: String] = [:]
        for index in 0..<40 {
            let directory = "\(path)/folder \(index / 10)"
            try manager.createDirectory(atPath: directory, withIntermediateDirectories: true)
            let content =
                index % 8 == 0
                ? "" : String(repeating: "content \(index % 8) ", count: 1 + index % 8 * (index % 8) * 30)
            let isExecutable = index % 3 == 0
            let file = "\(directory)/file \(index)"
            let key = "\(index % 8) \(isExecutable)"
            if linked, let existing = first[key], index % 2 == 0 {
                #expect(link(existing, file) == 0)
            } else {
                try Data(content.utf8).write(to: URL(fileURLWithPath: file))
                #expect(chmod(file, isExecutable ? 0o755 : 0o644) == 0)
                first[key] = file
            }
            let target = "\(directory)/link \(index)"
            if linked, index % 10 > 0 {
                #expect(linkat(AT_FDCWD, "\(directory)/link \(index / 10 * 10)", AT_FDCWD, target, 0) == 0)
            } else {
                #expect(symlink("../folder \(index / 10)/" + String(repeating: "x", count: 80), target) == 0)
            }
        }
    }

    /// - Parameter isExpected: whether the scan knows that files will be joined by content.
    static func scanned(
        _ path: String, _ rule: FileTree.LinkRule, isExpected: Bool = false
    ) throws -> (FileTree, FileTree.LinkSavings) {
        var tree = FileTree()
        var links = FileTree.HostLinks()
        var rules = FileTree.ScanRules(metadata: .store, joinsByContent: isExpected)
        // Some of the short files are in memory, and some are not.
        if isExpected { rules.kept = Monitor(2000) }
        tree.root = try tree.scan(FilePath(path), rules: rules, links: &links)
        let savings = try tree.joinLinks(under: tree.root, rule)
        return (tree, savings)
    }

    /// The number of a tree's nodes of a kind.
    static func count(_ kind: FileTree.Kind, _ tree: FileTree) throws -> Int {
        var found: Set<FileTree.NodeID> = []
        try tree.walk(from: tree.root) { _, node throws(ImageError) in
            if tree.kind(of: node) == kind { found.insert(node) }
        }
        return found.count
    }

    @Test(arguments: [1, 3])
    func linksOfTheHostMakeNoDifference(threads: Int) throws {
        var images: [[UInt8]] = []
        for (linked, isExpected) in [(false, false), (true, false), (false, true), (true, true)] {
            let scratch = try ScratchDirectory()
            try Self.makeStore(at: scratch.path + "/store", linked: linked)
            let (tree, savings) = try Self.scanned(
                scratch.path + "/store", .byContent(threads: threads), isExpected: isExpected)
            // Eight contents, each with and without the executable bit.
            #expect(try Self.count(.file, tree) == 16)
            #expect(try Self.count(.symlink, tree) == 40)
            #expect(savings.names == 24)
            let (_, layout) = try scratch.judgedByKernel(tree)
            images.append(try layout.map.read(Int(layout.map.size), at: 0))
        }
        for image in images.dropFirst() {
            #expect(images[0].count == image.count)
            #expect(memcmp(images[0], image, image.count) == 0)
        }
    }

    @Test func asScannedKeepsLinksOfTheHost() throws {
        for linked in [false, true] {
            let scratch = try ScratchDirectory()
            try Self.makeStore(at: scratch.path + "/store", linked: linked)
            let (tree, savings) = try Self.scanned(scratch.path + "/store", .asScanned)
            #expect(try Self.count(.symlink, tree) == (linked ? 4 : 40))
            let files = try Self.count(.file, tree)
            #expect(linked ? files < 40 : files == 40)
            #expect(savings.names == UInt64(80 - files) - (linked ? 4 : 40))
            _ = try scratch.judgedByKernel(tree)
        }
    }

    @Test func onlyEqualFilesAreJoined() throws {
        var tree = FileTree()
        func attributes(_ mode: UInt16, _ owner: UInt32 = 0, _ group: UInt32 = 0) -> FileAttributes {
            FileAttributes(permissions: mode, owner: owner, group: group)
        }
        let long = [UInt8](repeating: 9, count: 600_000)
        var late = long
        late[599_999] = 8
        let contents: [([UInt8], FileAttributes, group: Int)] = [
            ([1], attributes(0o444), 0), ([1], attributes(0o444), 0), ([1], attributes(0o555), 1),
            ([2], attributes(0o444), 2),
            ([1], attributes(0o444, 1), 3), ([1], attributes(0o444, 0, 1), 4), ([], attributes(0o444), 5),
            ([], attributes(0o444), 5), (long, attributes(0o444), 6), (late, attributes(0o444), 7),
            (long, attributes(0o444), 6), (late, attributes(0o444), 7), ([1, 1], attributes(0o444), 8),
        ]
        let children = contents.enumerated().map { index, file in
            (name: [0x61 + UInt8(index)], node: tree.addFile(file.0, file.1))
        }
        tree.root = try tree.addDirectory(children, FileAttributes(permissions: 0o755))
        try tree.joinLinks(under: tree.root, .byContent(threads: 2))
        let nodes = tree.children(of: tree.root).map(\.node)
        for (left, leftNode) in nodes.enumerated() {
            for (right, rightNode) in nodes.enumerated() {
                let isEqual = contents[left].group == contents[right].group
                #expect((leftNode == rightNode) == isEqual, "\(left) and \(right)")
            }
        }
        _ = try ScratchDirectory().judgedByKernel(tree)
        // Only the executable bit, or the owner, differs.
        for different in [attributes(0o555), attributes(0o444, 7)] {
            var pair = FileTree()
            let nodes = [pair.addFile([1], attributes(0o444)), pair.addFile([1], different)]
            pair.root = try pair.addDirectory([([0x61], nodes[0]), ([0x62], nodes[1])], attributes(0o755))
            #expect(try pair.joinLinks(under: pair.root, .byContent(threads: 1)).names == 0)
        }
    }

    /// More names of one content than one inode may have: in their order, the names get the inodes that they need.
    @Test(arguments: [true, false])
    func moreNamesThanOneInodeMayHave(byContent: Bool) throws {
        let scratch = try ScratchDirectory()
        var tree = FileTree()
        let attributes = FileAttributes(permissions: 0o444)
        let shared = tree.addFile([7, 7, 7], attributes)
        let names = (0..<65_100).map { Array("\($0)".utf8) }
        let children = names.map { name in
            (name: name, node: byContent ? tree.addFile([7, 7, 7], attributes) : shared)
        }
        tree.root = try tree.addDirectory(children, FileAttributes(permissions: 0o755))
        let savings = try tree.joinLinks(under: tree.root, byContent ? .byContent(threads: 2) : .asScanned)
        #expect(savings.names == 65_098)
        #expect(try Self.count(.file, tree) == 2)
        let (_, layout) = try scratch.judgedByKernel(tree)
        #expect(layout.summary.dataBlocks == 2)
    }

    /// A directory counts the ".." of its subdirectories up to 65,000. With more, its count is 1.
    @Test(arguments: [64_998, 64_999])
    func moreSubdirectoriesThanCanBeCounted(count: Int) throws {
        let scratch = try ScratchDirectory()
        var tree = FileTree()
        let attributes = FileAttributes(permissions: 0o755)
        var children: [(name: [UInt8], node: FileTree.NodeID)] = []
        for index in 0..<count { children.append((Array("\(index)".utf8), try tree.addDirectory([], attributes))) }
        let directory = try tree.addDirectory(children, attributes)
        tree.root = try tree.addDirectory([([0x64], directory)], attributes)
        let (image, _) = try scratch.judged(tree, Ext4Judge.options(slack: 0))
        guard Ext4Judge.canMount else { return }
        try Ext4Judge.mounted(image, in: scratch.path) { root in
            var found = stat()
            #expect(stat(root + "/d", &found) == 0 && found.st_nlink == (count + 2 > 65_000 ? 1 : count + 2))
            let directory = try OpenFile((root + "/d").utf8, O_RDONLY | O_DIRECTORY)
            #expect(try Ext4Judge.names(in: directory.descriptor).count == count)
        }
    }

    /// So many files with equal first bytes that they are not compared in pairs.
    @Test func manyThatDifferLate() throws {
        var tree = FileTree()
        var children: [(name: [UInt8], node: FileTree.NodeID)] = []
        for index in 0..<60 {
            var content = [UInt8](repeating: 7, count: 9000)
            content[8000] = UInt8(index % 20)
            let node = tree.addFile(content, FileAttributes(permissions: 0o444))
            children.append((Array("file \(index)".utf8), node))
        }
        tree.root = try tree.addDirectory(children, FileAttributes(permissions: 0o555))
        let savings = try tree.joinLinks(under: tree.root, .byContent(threads: 2))
        #expect(savings.names == 40)
        for (name, node) in tree.children(of: tree.root) {
            let number = Int(String(decoding: name.dropFirst(5), as: UTF8.self)) ?? 0
            guard case .bytes(let content) = tree.content(of: node) else { continue }
            #expect(content.dropFirst(8000).first == UInt8(number % 20))
        }
    }
}
