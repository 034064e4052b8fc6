import Foundation
import SystemPackage
import Testing

@testable import ImageKit
@testable import mkpiimg

/// The page of an image, as text. `Tests/page.sh` tests it in a browser.
@Suite struct InspectPageTests {
    static let hostile: [String] = [
        "<script>alert(1)", "</script><b>", "<!--", "]]>", "a\u{2028}b\u{2029}c", "line\nfeed\ttab\u{1B}[31m",
        "right\u{202E}left\u{2066}", "\u{FEFF}\u{200B}nothing\u{200D}", "\"quotes'`\\", "&lt;&amp;", "__proto__",
        "🍓漢字ע",
        "\u{7F}\u{85}\u{AD}", "\u{E0041}tag", String(repeating: "long", count: 60),
    ]

    @Test func embeddedTextsAreExactAndHarmless() throws {
        for text in Self.hostile {
            let quoted = ScriptText.quote(text)
            let parsed = try JSONSerialization.jsonObject(with: Data(quoted.utf8), options: .fragmentsAllowed)
            #expect(parsed as? String == text)
            for bad in ["<", ">", "&", "'", "`", "\u{2028}", "\u{202E}", "\n", "\u{1B}", "\u{FEFF}", "\u{E0041}"] {
                #expect(!quoted.unicodeScalars.contains(try #require(bad.unicodeScalars.first)), "\(quoted)")
            }
            let markup = ScriptText.markup(text)
            #expect(!markup.contains { "<>\"'`\n".contains($0) }, "\(markup)")
        }
        #expect(ScriptText.markup("a<b\u{202E}") == "a&#60;b\\u{202e}")
        #expect(ScriptText.array([1, 2]) == "[1,2]" && ScriptText.object([("a", "1")]) == "{\"a\":1}")
    }

    /// Names from an image stay text wherever they occur: names of files and directories, labels, the image's own name.
    @Test func namesNeverBecomeMarkup() throws {
        var tree = FileTree()
        let attributes = FileAttributes(permissions: 0o644), directory = FileAttributes(permissions: 0o755)
        var files: [(name: [UInt8], node: FileTree.NodeID)] = []
        for name in Self.hostile {
            // A name with a slash becomes a directory and a file in it, whose path is the hostile text.
            let parts = name.split(separator: "/", maxSplits: 1).map { Array($0.utf8) }
            var node = tree.addFile([UInt8](repeating: 65, count: 40_000), attributes)
            if parts.count == 2 { node = try tree.addDirectory([(parts[1], node)], directory) }
            files.append((parts[0], node))
        }
        files.append(([0x62, 0xFF, 0xFE], tree.addFile([UInt8](repeating: 66, count: 9000), attributes)))
        let directoryNode = try tree.addDirectory(
            [(Array("</title><script>".utf8.filter { $0 != 0x2F }), files[0].node)], directory)
        files.append((Array("folder".utf8), directoryNode))
        let store = try tree.addDirectory(files, directory)
        let nix = try tree.addDirectory([(Array("store".utf8), store)], directory)
        tree.root = try tree.addDirectory([(Array("nix".utf8), nix)], directory)
        let scratch = try ScratchDirectory()
        let options = try Ext4Options(label: "</script><i>", uuid: Ext4Judge.uuid, slack: 1 << 20)
        let layout = try Ext4Formatter.layOut(tree, options)
        let image = try scratch.write(layout, as: "<img src=x onerror=alert(1)>&\".img")

        let run = try Judge.run(CommandLineTests.program, ["inspect", image, "--html", "-"])
        try #require(run.status == 0, "\(run.said)")
        let page = run.said
        #expect(page.hasPrefix("<!DOCTYPE html>"))
        #expect(
            page.components(separatedBy: "</script").count == 3 && page.components(separatedBy: "<script").count == 3)
        for name in ["<img", "<b>", "<i>", "</title><", "<!--", "alert(1)>"] {
            #expect(!page.contains(name), "\(name)")
        }
        for scalar in page.unicodeScalars where scalar != "\n" && ScriptText.markup(String(scalar)).hasPrefix("\\u") {
            Issue.record("\\u{\(String(scalar.value, radix: 16))} is in the page")
        }
        // The names are unchanged in its data.
        let start = try #require(page.range(of: "id=\"data\">")), end = try #require(page.range(of: "</script"))
        let data = try JSONSerialization.jsonObject(with: Data(page[start.upperBound..<end.lowerBound].utf8))
        let found = try #require(((data as? [String: Any])?["tree"] as? [String: Any])?["n"] as? [Any])
        for name in Self.hostile where !name.contains("/") {
            #expect(found.contains { $0 as? String == name }, "\(name)")
        }
        // The page fetches nothing.
        #expect(page.contains("default-src 'none'") && !page.contains("http://") && !page.contains("https://"))
    }

    @Test func thePageIsWrittenAtomically() throws {
        let layout = try ImagePlan(SmallClosure.shared.get().registeredRecipe())
        let scratch = try ScratchDirectory()
        let image = scratch.path + "/x.img.zst"
        try layout.write(to: image, frameSize: 1 << 20)
        let page = scratch.path + "/page.html"
        try Data("the old page".utf8).write(to: URL(fileURLWithPath: page))
        let run = try Judge.run(CommandLineTests.program, ["inspect", image, "--html", page])
        #expect(run.status == 0, "\(run.said)")
        let text = try String(contentsOfFile: page, encoding: .utf8)
        #expect(text.hasSuffix("</html>\n") && text.contains("x.img.zst") && text.contains("\"frames\":{"))
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: scratch.path).sorted() == ["page.html", "x.img.zst"])
        // A page that cannot be written is an error.
        let refused = try Judge.run(
            CommandLineTests.program, ["inspect", image, "--html", "/nonexistent/page.html"])
        #expect(refused.status == 1 && refused.said.contains("/nonexistent"), "\(refused.said)")
    }
}
