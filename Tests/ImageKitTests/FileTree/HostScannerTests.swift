import Foundation
import SystemPackage
import Testing

@testable import ImageKit

/// Scans of files and links that will be joined by content.
@Suite struct HostScannerTests {
    /// - Parameter kept: the bytes of short files that may be kept in memory.
    private func scan(_ path: String, joinsByContent: Bool = true, kept: Int? = nil) throws -> FileTree {
        var tree = FileTree(), links = FileTree.HostLinks()
        var rules = FileTree.ScanRules(metadata: .store, joinsByContent: joinsByContent)
        rules.kept = kept.map { Monitor($0) }
        tree.root = try tree.scan(FilePath(path), rules: rules, links: &links)
        return tree
    }

    private func fingerprint(_ path: String, of tree: FileTree) throws -> UInt64 {
        guard case .host(let file) = tree.content(of: try #require(tree.node(at: path))) else { return 0 }
        return tree.hostFiles.fingerprint(of: file)
    }

    /// Fingerprints do not depend on bytes after the first block, and every file has one.
    @Test func fingerprintsAreOfTheFirstBlock() throws {
        let scratch = try ScratchDirectory()
        let block = Data((0..<4096).map { UInt8(truncatingIfNeeded: $0 / 7) })
        for (name, data) in [
            ("a", block), ("b", block + Data("more".utf8)), ("c", block.dropLast()), ("d", Data()),
            ("e", Data("x".utf8) + block.dropFirst()),
        ] { try data.write(to: URL(fileURLWithPath: "\(scratch.path)/\(name)")) }
        let tree = try scan(scratch.path)
        let prints = try ["a", "b", "c", "d", "e"].map { try fingerprint($0, of: tree) }
        #expect(prints[0] == prints[1])
        #expect(Set(prints).count == 4 && !prints.contains(0))
        #expect(try fingerprint("a", of: scan(scratch.path, joinsByContent: false)) == 0)
    }

    /// Short files are read only once, also those with several names: they may disappear after the scan.
    @Test func shortFilesAreInMemory() throws {
        let scratch = try ScratchDirectory()
        for count in [0, 1, 2047, 2048, 2049, 5000] {
            try Data((0..<count).map { UInt8(truncatingIfNeeded: $0 / 3) })
                .write(to: URL(fileURLWithPath: "\(scratch.path)/\(count)"))
        }
        #expect(chmod("\(scratch.path)/2047", 0o700) == 0)
        #expect(linkat(AT_FDCWD, "\(scratch.path)/1", AT_FDCWD, "\(scratch.path)/one", 0) == 0)
        let tree = try scan(scratch.path, kept: 1 << 20)
        for count in [0, 1, 2047, 2048, 2049, 5000] {
            let node = try #require(tree.node(at: "\(count)"))
            #expect(tree.size(of: node) == UInt64(count))
            #expect(tree.attributes(of: node).permissions == (count == 2047 ? 0o555 : 0o444))
            #expect(unlink("\(scratch.path)/\(count)") == 0)
            let content = try? tree.read(node, atMost: count)
            #expect(content == (count > 2048 ? nil : (0..<count).map { UInt8(truncatingIfNeeded: $0 / 3) }))
        }
        #expect(tree.node(at: "1") == tree.node(at: "one"))
    }

    /// The bytes of kept files stay below their limit. Without a limit, no file is kept.
    @Test func memoryForShortFilesIsLimited() throws {
        let scratch = try ScratchDirectory()
        for name in 0..<10 { try Data(count: 300).write(to: URL(fileURLWithPath: "\(scratch.path)/\(name)")) }
        for (kept, expected) in [(nil, 0), (0, 0), (299, 0), (300, 1), (1000, 3), (3000, 10)] as [(Int?, Int)] {
            let tree = try scan(scratch.path, kept: kept)
            let inMemory = (0..<10).filter { name in
                tree.node(at: "\(name)").map { if case .bytes = tree.content(of: $0) { true } else { false } } ?? false
            }
            #expect(inMemory.count == expected)
            for name in 0..<10 where !inMemory.contains(name) { #expect(try fingerprint("\(name)", of: tree) != 0) }
        }
        #expect(try fingerprint("0", of: scan(scratch.path, joinsByContent: false, kept: 3000)) == 0)
    }

    /// The path of a scan may be a file. It is read like others.
    @Test func singleFilesAreReadToo() throws {
        let scratch = try ScratchDirectory()
        let short = scratch.path + "/short", long = scratch.path + "/long"
        try Data("short".utf8).write(to: URL(fileURLWithPath: short))
        try Data(count: 3000).write(to: URL(fileURLWithPath: long))
        let tree = try scan(short, kept: 100)
        #expect(unlink(short) == 0)
        #expect(try tree.read(tree.root, atMost: 100) == Array("short".utf8))
        let longTree = try scan(long, kept: 100_000)
        guard case .host(let file) = longTree.content(of: longTree.root) else {
            Issue.record("the file is no host file")
            return
        }
        #expect(longTree.hostFiles.fingerprint(of: file) != 0 && longTree.hostFiles.path(of: file) == FilePath(long))
    }

    /// Links have the same targets and metadata as in other scans. Each name of a link with several names has its own
    /// node.
    @Test func linksAreReadByName() throws {
        let scratch = try ScratchDirectory()
        let targets = [1, 59, 60, 4095].map { String(repeating: "t", count: $0) }
        for target in targets { #expect(symlink(target, "\(scratch.path)/\(target.count)") == 0) }
        #expect(linkat(AT_FDCWD, "\(scratch.path)/60", AT_FDCWD, "\(scratch.path)/second", 0) == 0)
        let tree = try scan(scratch.path)
        for target in targets {
            let node = try #require(tree.node(at: "\(target.count)"))
            #expect(tree.kind(of: node) == .symlink && Array(tree.target(of: node)) == Array(target.utf8))
            #expect(tree.attributes(of: node) == FileAttributes(permissions: 0o777))
        }
        #expect(tree.node(at: "60") != tree.node(at: "second"))
        let asScanned = try scan(scratch.path, joinsByContent: false)
        #expect(asScanned.node(at: "60") == asScanned.node(at: "second"))
    }

    @Test(.enabled(if: getuid() != 0, "root may read everything")) func unreadableFilesAreNamed() throws {
        let scratch = try ScratchDirectory()
        try Data("x".utf8).write(to: URL(fileURLWithPath: scratch.path + "/secret"))
        #expect(chmod(scratch.path + "/secret", 0) == 0)
        let error = #expect(throws: ImageError.self) { try scan(scratch.path) }
        #expect(error?.path?.hasSuffix("/secret") == true)
    }

    @Test(arguments: [true, false]) func pipesAreRefused(joinsByContent: Bool) throws {
        let scratch = try ScratchDirectory()
        #expect(mkfifo(scratch.path + "/pipe", 0o644) == 0)
        let error = #expect(throws: ImageError.self) { try scan(scratch.path, joinsByContent: joinsByContent) }
        #expect(error?.path?.hasSuffix("/pipe") == true)
        #expect(error?.description.contains("named pipe") == true)
    }

    /// Some filesystems allow longer names than ext4, some do not record the kind of a name, and a directory that
    /// changes during the scan may list a name twice.
    @Test func namesOfADirectoryAreNotTrusted() throws {
        func adding(_ names: [String]) throws -> [String] {
            var tree = FileTree(), found = DirectoryNames()
            for name in names { found.append(name, type: UInt8(DT_UNKNOWN)) }
            found.sort()
            let nodes = names.map { _ in tree.addFile([], FileAttributes(permissions: 0o444)) }
            tree.root = try tree.addDirectory(found, nodes, FileAttributes(permissions: 0o555))
            return tree.children(of: tree.root).map { String(decoding: $0.name, as: UTF8.self) }
        }
        let long = String(repeating: "l", count: 255)
        #expect(try adding(["b", long, "a"]) == ["a", "b", long])
        #expect(throws: ImageError.self) { try adding(["a", "b", "a"]) }
        #expect(throws: ImageError.self) { try adding([long + "l"]) }
    }

    /// A directory with thousands of names gives each name once and in order.
    @Test func largeDirectoriesAreComplete() throws {
        let scratch = try ScratchDirectory()
        for index in 0..<5000 {
            #expect(symlink("x", String(format: "%@/%d", scratch.path, index)) == 0)
        }
        let tree = try scan(scratch.path)
        let names = tree.children(of: tree.root).map { String(decoding: $0.name, as: UTF8.self) }
        #expect(names == (0..<5000).map(String.init).sorted())
    }
}
