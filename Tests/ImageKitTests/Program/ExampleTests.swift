import Foundation
import SystemPackage
import Testing

@testable import ImageKit

/// The programs of `Examples/`, and the articles that explain them.
@Suite struct ExampleTests {
    private static let articles = [
        ("OpenAnImage", "walk-image/WalkImage.swift"), ("BuildAnImage", "build-image/BuildImage.swift"),
    ]

    private func lines(_ path: String) throws -> [String] {
        let bytes = try Data(contentsOf: URL(fileURLWithPath: SmallClosure.checkout.appending(path).string))
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
            .map(String.init)
    }

    /// Each code block of an article is in the program, line by line, at any indentation.
    @Test(arguments: articles) func articlesQuoteThePrograms(article: String, program: String) throws {
        let source = try lines("Examples/Sources/\(program)").map { $0.trimmingCharacters(in: .whitespaces) }
        var blocks: [[String]] = []
        var isInside = false
        for line in try lines("Sources/ImageKit/ImageKit.docc/\(article).md") {
            switch line {
            case "```swift":
                blocks.append([])
                isInside = true
            case "```": isInside = false
            default: if isInside { blocks[blocks.count - 1].append(line.trimmingCharacters(in: .whitespaces)) }
            }
        }
        #expect(blocks.count >= 4)
        for block in blocks {
            let isQuoted = source.indices.contains { source[$0...].starts(with: block) }
            #expect(isQuoted, "not in \(program):\n\(block.joined(separator: "\n"))")
        }
        #expect(source.count <= 80)
    }

    /// The front page lists every public type, once.
    @Test func theFrontPageListsEveryType() throws {
        let page = try lines("Sources/ImageKit/ImageKit.docc/ImageKit.md").filter { $0.hasPrefix("- ``") }
        let sources = SmallClosure.checkout.appending("Sources/ImageKit").string
        let declared = try Judge.run(
            "grep", ["-rhoE", "^public (final )?(struct|class|enum|actor|protocol) [A-Za-z0-9]+", sources])
        let types = declared.said.split(separator: "\n").compactMap { $0.split(separator: " ").last.map(String.init) }
        #expect(types.count > 40)
        let listed = page.map { String($0.dropFirst(4).dropLast(2)) }
        #expect(Set(types).subtracting(listed).isEmpty, "not on the front page")
        #expect(Set(listed).subtracting(types).isEmpty, "on the front page, but not in the sources")
        #expect(Set(listed).count == listed.count)
    }

    /// One program makes an image, the other reads it, and the filesystem tools find no errors.
    @Test func theProgramsMakeAndReadAnImage() throws {
        let directory = try ScratchDirectory()
        let programs = FilePath(CommandLineTests.program).removingLastComponent()
        try FileManager.default.createDirectory(
            atPath: directory.path + "/files/below", withIntermediateDirectories: true)
        try Data("some text\n".utf8).write(to: URL(fileURLWithPath: directory.path + "/files/below/text"))
        let image = directory.path + "/disk.img.zst"
        let built = try Judge.run(programs.appending("build-image").string, [directory.path + "/files", image])
        #expect(built.status == 0 && built.said.hasPrefix("the name has 3 bytes\n"), "\(built.said)")
        let walk = programs.appending("walk-image").string
        let walked = try Judge.run(walk, [image, "/srv/below", "text"])
        #expect(walked.status == 0, "\(walked.said)")
        for words in ["partition 1: 32 MiB, fat", "root:/srv/below: 1 files, 10 B", "some text\n"] {
            #expect(walked.said.contains(words), "\(walked.said)")
        }
        #expect(try Judge.run(walk, [image, "firmware:/", "config.txt"]).said.contains("kernel=u-boot.bin"))
        let missing = try Judge.run(walk, [image, "/nowhere"])
        #expect(missing.status == 1 && missing.said.contains("walk-image: there is nothing at '/nowhere'"))

        guard Judge.hasExt4Tools, Judge.hasFATTools, Judge.has("zstd") else { return }
        let raw = directory.path + "/disk.img"
        try #require(try Judge.run("zstd", ["-dq", image, "-o", raw]).status == 0)
        #expect(try Judge.run("sfdisk", ["--verify", raw]).said.contains("No errors"))
        for (name, skip, tool) in [("fat", "skip=1", ["fsck.fat", "-n"]), ("ext4", "skip=33", ["e2fsck", "-fn"])] {
            let part = directory.path + "/\(name)"
            let count = name == "fat" ? ["count=32"] : []
            try Judge.run("dd", ["if=\(raw)", "of=\(part)", "bs=1M", skip, "conv=sparse", "status=none"] + count)
            let judged = try Judge.run(tool[0], [tool[1], part])
            #expect(judged.status == 0, "\(judged.said)")
        }
    }
}
