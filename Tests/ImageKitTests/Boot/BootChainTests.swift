import Foundation
import Testing

@testable import ImageKit

/// Hostile menus and settings do not make the check of a boot chain expensive.
@Suite struct BootChainTests {
    /// A source that counts how often it is read.
    private final class Counted: ByteSource, @unchecked Sendable {
        let size: UInt64
        private let lock = NSLock()
        private var number = 0
        var reads: Int { lock.withLock { number } }

        init(size: UInt64) { self.size = size }

        func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(ImageError) {
            lock.withLock { number += 1 }
            buffer.initializeMemory(as: UInt8.self, repeating: 7)
        }
    }

    private typealias Children = [(name: [UInt8], node: FileTree.NodeID)]
    private static let attributes = FileAttributes(permissions: 0o755)

    /// Checks a filesystem.
    private func check(
        _ type: String, effort: BootEffort = BootEffort(),
        _ fill: (inout FileTree) throws -> Children
    ) throws -> [Finding] {
        var tree = FileTree()
        let children = try fill(&tree)
        tree.root = try tree.addDirectory(children, Self.attributes)
        var findings: [Finding] = []
        let filesystem = BootChainCheck.Filesystem(
            partition: 1, partitionID: nil, type: type, label: nil, uuid: nil, tree: tree)
        _ = try BootChainCheck([filesystem], partitions: [1], effort: effort) { findings.append($0) }.run()
        return findings
    }

    private func names(_ findings: [Finding]) -> Set<String> { Set(findings.map(\.kind.name)) }

    private func file(_ text: String, in tree: inout FileTree) -> FileTree.NodeID {
        tree.addFile(Array(text.utf8), Self.attributes)
    }

    private func menu(_ text: String, in tree: inout FileTree) throws -> Children {
        let menu = file(text, in: &tree)
        return [
            (Array("extlinux".utf8), try tree.addDirectory([(Array("extlinux.conf".utf8), menu)], Self.attributes))
        ]
    }

    @Test func aKernelOfManyNamesIsReadOnce() throws {
        let kernel = Counted(size: 4096)
        let lines = (0..<80).map {
            "kernel=" + String(repeating: "/", count: $0) + ($0 % 2 == 0 ? "KERNEL" : "kernel")
        }
        let findings = try check("vfat") { tree in
            [
                (Array("config.txt".utf8), file(lines.joined(separator: "\n"), in: &tree)),
                (Array("kernel".utf8), tree.addFile(kernel, offset: 0, size: kernel.size, Self.attributes)),
            ]
        }
        #expect(names(findings) == ["boot-no-firmware", "boot-none"])
        // One read of its first bytes, and one to find out whether it is U-Boot.
        #expect((1...2).contains(kernel.reads), "\(kernel.reads)")
    }

    @Test func aFileOfManyEntriesIsReadOnce() throws {
        let kernel = Counted(size: 1 << 20)
        let entries = (0..<800).map { "LABEL \($0)\nLINUX /" + String(repeating: "./", count: $0) + "kernel\n" }
        let findings = try check("ext4") { tree in
            try menu(entries.joined(), in: &tree) + [
                (Array("kernel".utf8), tree.addFile(kernel, offset: 0, size: kernel.size, Self.attributes))
            ]
        }
        #expect(findings.isEmpty, "\(findings)")
        #expect(kernel.reads == 1)
    }

    /// A chain of directories: the search from each of them covers all directories below.
    @Test func eachDirectoryIsSearchedForDeviceTreesOnce() throws {
        var path = ""
        let entries = (0..<700).map { level in
            path += "/d"
            return "LABEL \(level)\nLINUX /kernel\nFDTDIR \(path)\n"
        }
        let effort = BootEffort(names: 700 * 700)
        let findings = try check("ext4", effort: effort) { tree in
            var directory = try tree.addDirectory([], Self.attributes)
            for _ in 0..<700 {
                directory = try tree.addDirectory(
                    [(Array("d".utf8), directory)] + (0..<10).map { (Array("\($0)".utf8), file("", in: &tree)) },
                    Self.attributes)
            }
            return try menu(entries.joined(), in: &tree) + [
                (Array("kernel".utf8), file("kernel", in: &tree)), (Array("d".utf8), directory),
            ]
        }
        #expect(names(findings) == ["boot-device-tree"] && findings.count == 700, "\(names(findings))")
        #expect(!effort.isExhausted)
    }

    /// Each entry follows a chain of links with very long targets.
    @Test func aMazeOfLinksEnds() throws {
        let entries = (0..<900).map { "LABEL \($0)\nLINUX /0/\($0)\n" }
        let findings = try check("ext4") { tree in
            let link = Array(String(repeating: "./", count: 2000).utf8)
            return try menu(entries.joined(), in: &tree)
                + (0..<40).map { level in
                    (
                        Array("\(level)".utf8),
                        tree.addSymlink(to: link + Array("\(level + 1)".utf8), Self.attributes)
                    )
                }
        }
        #expect(findings.last?.kind == .bootMany, "\(names(findings))")
        // Files that were not looked for are not reported as missing.
        #expect(findings.count < 10, "\(findings.count)")
    }

    @Test func thousandsOfFilesAreNotAllRead() throws {
        let sources = (0..<200).map { _ in Counted(size: 4096) }
        let overlays = (0..<200).map { "/\($0)" }.joined(separator: " ")
        let findings = try check("ext4", effort: BootEffort(files: 50)) { tree in
            try menu("LABEL a\nLINUX /0\nFDTOVERLAYS \(overlays)\n", in: &tree)
                + sources.enumerated().map {
                    (Array("\($0)".utf8), tree.addFile($1, offset: 0, size: 4096, Self.attributes))
                }
        }
        #expect(names(findings) == ["boot-many"])
        #expect(sources.map(\.reads).reduce(0, +) < 50)
    }

    @Test func includesOfMissingFilesCount() throws {
        var asked = 0
        let text = Array(String(repeating: "include a\n", count: 5000).utf8)
        _ = try ConfigTxt.load(text, in: FileTree()) { _ in
            asked += 1
            return nil
        }
        #expect(asked == 32)
    }

    @Test func includedFilesAreLimited() throws {
        var tree = FileTree()
        let included = file(String(repeating: "a=1\n", count: 200_000), in: &tree)
        let text = Array(String(repeating: "include a\n", count: 30).utf8)
        let config = try ConfigTxt.load(text, in: tree) { _ in included }
        #expect(config.settings.count < 600_000, "\(config.settings.count)")
    }

    /// The time must not grow with the square of the length.
    @Test func longTextsTakeLinearTime() throws {
        let path = String(repeating: "a/", count: 200_000) + String(repeating: "../", count: 200_000)
        #expect(ExtlinuxConfig.path(of: path) == "/boot/extlinux")
        let name = String(repeating: "x", count: 200_000)
        #expect(ConfigTxt.parse("[\(name)]\na=1\n").sections.first?.filter == ["none"])
        #expect(ConfigTxt.prefixes(in: [ConfigTxt.Setting(key: "os_prefix", value: name)]) == [""])
        #expect(ConfigTxt.overlayPrefix(in: [ConfigTxt.Setting(key: "overlay_prefix", value: name)]) == "overlays/")
        let findings = try check("ext4") { tree in
            try menu("LABEL \(name)\nLINUX /none\nINITRD /none\nAPPEND init=/none\n", in: &tree)
        }
        #expect(findings.count == 3 && findings.allSatisfy { $0.what.utf8.count < 300 })
    }
}
