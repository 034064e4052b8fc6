import Foundation
import SystemPackage
import Testing

@testable import ImageKit

/// Scanning many directories at once has the same result as scanning them one after the other.
@Suite struct ParallelScanTests {
    private static let rules = FileTree.ScanRules(metadata: .store)

    /// Makes directories, files and symbolic links with different names and content, with hard links in and between
    /// them.
    private func make(_ count: Int, in scratch: String, seed: UInt64) throws -> [FilePath] {
        var generator = SplitMix(state: seed)
        let manager = FileManager.default
        var files: [String] = []
        return try (0..<count).map { index in
            let top = "\(scratch)/\(index)"
            switch index % 7 {
            case 5:
                try manager.createSymbolicLink(atPath: top, withDestinationPath: "to/\(index)")
            case 6:
                try Data(content("file \(index)", &generator).utf8).write(to: URL(fileURLWithPath: top))
                files.append(top)
            default:
                for directory in 0..<Int.random(in: 1...4, using: &generator) {
                    let path = top + String(repeating: "/d\(directory)", count: directory)
                    try manager.createDirectory(atPath: path, withIntermediateDirectories: true)
                    for file in 0..<Int.random(in: 0...5, using: &generator) {
                        let name = "\(path)/f\(file)"
                        if let existing = files.randomElement(using: &generator), Bool.random(using: &generator) {
                            try #require(link(existing, name) == 0)
                        } else if Int.random(in: 0..<9, using: &generator) == 0 {
                            // A symbolic link with several names.
                            try manager.createSymbolicLink(atPath: name, withDestinationPath: "several \(file)")
                            files.append(name)
                        } else {
                            try Data(content("\(index)/\(directory)/\(file)", &generator).utf8)
                                .write(to: URL(fileURLWithPath: name))
                            files.append(name)
                        }
                    }
                    try manager.createSymbolicLink(atPath: path + "/l", withDestinationPath: "\(index) \(directory)")
                }
            }
            return FilePath(top)
        }
    }

    /// A short text, or one of some kilobytes.
    private func content(_ text: String, _ generator: inout SplitMix) -> String {
        Bool.random(using: &generator) ? text : String(repeating: text, count: 600)
    }

    /// Everything in a tree, by path. Hard links have the number of their first path.
    private func described(_ tree: FileTree, _ tops: [FileTree.NodeID]) throws -> [String] {
        var lines: [String] = [], numbers: [FileTree.NodeID: Int] = [:]
        for (index, top) in tops.enumerated() {
            try tree.walk(from: top) { (path, node) throws(ImageError) in
                if numbers[node] == nil { numbers[node] = lines.count }
                let content = try tree.read(node, atMost: 10_000)
                var line =
                    "\(index)/\(String(decoding: path, as: UTF8.self)) \(numbers[node] ?? 0) \(tree.kind(of: node))"
                line +=
                    " \(tree.attributes(of: node)) \(tree.size(of: node)) \(content) \(Array(tree.target(of: node)))"
                if case .host(let file) = tree.content(of: node) {
                    line += " \(tree.hostFiles.identity(of: file)) \(tree.hostFiles.fingerprint(of: file))"
                }
                lines.append(line)
            }
        }
        return lines
    }

    private func summary(_ node: FileTree.Node) -> String { "\(node.kind) \(node.attributes) \(node.size)" }

    @Test(arguments: [(0, false), (1, false), (1, true), (2, false), (2, true), (16, false)], [false, true])
    func equalsASerialScan(_ mode: (threads: Int, isCold: Bool), joinsByContent: Bool) throws {
        let (threads, isCold) = mode
        var rules = FileTree.ScanRules(metadata: .store, joinsByContent: joinsByContent)
        // Enough for all short files, so that timing does not decide which are kept.
        rules.kept = Monitor(1 << 20)
        for seed in 1...4 as ClosedRange<UInt64> {
            let scratch = try ScratchDirectory()
            let paths = try make(40, in: scratch.path, seed: seed)
            var serial = FileTree(), links = FileTree.HostLinks()
            let expected = try paths.map { try serial.scan($0, rules: rules, links: &links) }
            // The tree is not empty before.
            var tree = FileTree()
            _ = tree.addFile(Array("before".utf8), FileAttributes(permissions: 0o600))
            let result = try ParallelScan(paths: paths, rules: rules, progress: nil).run(
                threads: threads, isCold: isCold, into: &tree)
            #expect(result.isCold || !isCold)
            #expect(try described(tree, result.nodes) == described(serial, expected))
            // Nodes have the numbers of a serial scan.
            #expect(result.nodes.map(\.index) == expected.map { $0.index + 1 })
            #expect(tree.nodes.dropFirst().map(summary) == serial.nodes.map(summary))
            #expect(tree.entries.map(\.node.index) == serial.entries.map { $0.node.index + 1 })
        }
    }

    /// The error does not depend on which thread fails first.
    @Test(arguments: [1, 4]) func throwsTheFirstError(threads: Int) throws {
        let scratch = try ScratchDirectory()
        var paths = try make(30, in: scratch.path, seed: 9)
        paths[12] = FilePath(scratch.path + "/missing 12")
        paths[13] = FilePath(scratch.path + "/missing 13")
        paths[29] = FilePath(scratch.path + "/missing 29")
        for _ in 0..<20 {
            var tree = FileTree()
            let scan = ParallelScan(paths: paths, rules: Self.rules, progress: nil)
            let error = #expect(throws: ImageError.self) { try scan.run(threads: threads, into: &tree) }
            #expect(error?.path?.hasSuffix("missing 12") == true)
        }
    }

    @Test func noPathsGiveNoNodes() throws {
        var tree = FileTree()
        let result = try ParallelScan(paths: [], rules: Self.rules, progress: nil).run(threads: 4, into: &tree)
        #expect(result.nodes.isEmpty && !result.isCold && tree.nodes.isEmpty)
    }
}
