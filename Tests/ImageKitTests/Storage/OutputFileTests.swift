import Foundation
import SystemPackage
import Testing

@testable import ImageKit

@Suite struct OutputFileTests {
    private func names(_ directory: borrowing ScratchDirectory) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: directory.path).sorted()
    }

    private func put(_ text: String, _ file: borrowing OutputFile) throws {
        try DescriptorSink(file.descriptor, path: file.target).write(Array(text.utf8))
    }

    @Test func appearsCompleteOrNotAtAll() throws {
        let directory = try ScratchDirectory()
        let path = FilePath(directory.path).appending("x.img")
        do {
            let file = try OutputFile(path)
            try put("half", file)
            #expect(try names(directory).count == 1 && names(directory)[0].hasPrefix(".x.img.mkpiimg-"))
        }
        #expect(try names(directory) == [])
        var file = try OutputFile(path)
        try put("whole", file)
        try file.commit()
        #expect(try names(directory) == ["x.img"])
        #expect(try String(contentsOfFile: path.string, encoding: .utf8) == "whole")
    }

    /// The names of files are any bytes, not only UTF-8.
    @Test func theDirectoryMayHaveAnyName() throws {
        let directory = try ScratchDirectory()
        let inner = FilePath(bytes: Array((directory.path + "/x").utf8) + [0xFF, 0xFE])
        #expect(inner.withPlatformString { mkdir($0, 0o755) } == 0)
        let path = inner.appending("x.img")
        for text in ["first", "second"] {
            try OutputFile.check(path)
            var file = try OutputFile(path)
            try put(text, file)
            try file.commit()
            #expect(try WholeFile.read(path, atMost: 100) == Array(text.utf8))
        }
        #expect(try DirectoryNames.read(directory: inner).count == 1)
    }

    /// Finds errors before a build takes time to plan.
    @Test func checksBeforeTheContentIsPrepared() throws {
        let directory = try ScratchDirectory()
        let path = FilePath(directory.path)
        #expect(throws: ImageError.self) { try OutputFile.check(path) }
        #expect(throws: ImageError.self) { try OutputFile.check(path.appending("none").appending("x.img")) }
        let leftover = directory.path + "/.x.img.mkpiimg-01234567.tmp"
        try Data("left by a killed build".utf8).write(to: URL(fileURLWithPath: leftover))
        try OutputFile.check(path.appending("x.img"))
        #expect(try names(directory) == [])
    }

    /// Of two equal files, only one is stored, but a change of either one is detected.
    @Test(arguments: ["one", "two"]) func anEqualFileThatChangesIsNoticed(changed: String) throws {
        let directory = try ScratchDirectory()
        for name in ["one", "two"] {
            try Data(count: 10_000).write(to: URL(fileURLWithPath: "\(directory.path)/\(name)"))
        }
        var tree = FileTree(), links = FileTree.HostLinks()
        tree.root = try tree.scan(FilePath(directory.path), rules: .init(metadata: .store), links: &links)
        let top = tree.root
        usleep(20000)
        try Data(count: 10_000).write(to: URL(fileURLWithPath: "\(directory.path)/\(changed)"))
        let error = #expect(throws: ImageError.self) { try tree.joinLinks(under: top, .byContent(threads: 1)) }
        #expect(
            error?.code == .changed && error?.path == "\(directory.path)/\(changed)", "\(String(describing: error))")
    }

    @Test func removesLeftoversButNotLiveFiles() throws {
        let directory = try ScratchDirectory()
        let leftover = directory.path + "/.x.img.mkpiimg-01234567.tmp"
        try Data("left by a killed build".utf8).write(to: URL(fileURLWithPath: leftover))
        try Data().write(to: URL(fileURLWithPath: directory.path + "/.y.img.mkpiimg-01234567.tmp"))
        let path = FilePath(directory.path).appending("x.img")
        let first = try OutputFile(path)
        #expect(try !names(directory).contains(".x.img.mkpiimg-01234567.tmp"))
        #expect(try names(directory).count == 2, "another name's leftover is not ours")
        var second = try OutputFile(path)
        #expect(try names(directory).count == 3, "a live build's file is locked")
        try put("second", second)
        try second.commit()
        _ = first.target
        #expect(try String(contentsOfFile: path.string, encoding: .utf8) == "second")
    }

    @Test func followsALinkToItsTarget() throws {
        let directory = try ScratchDirectory()
        try Data("old".utf8).write(to: URL(fileURLWithPath: directory.path + "/real.img"))
        symlink("real.img", directory.path + "/link.img")
        var file = try OutputFile(FilePath(directory.path).appending("link.img"))
        try put("new", file)
        try file.commit()
        #expect(try names(directory) == ["link.img", "real.img"])
        #expect(try String(contentsOfFile: directory.path + "/real.img", encoding: .utf8) == "new")
    }

    @Test(arguments: ["other/real.img", "second.img"])
    func followsALinkToAMissingTarget(_ link: String) throws {
        let directory = try ScratchDirectory()
        mkdir(directory.path + "/other", 0o755)
        symlink("other/real.img", directory.path + "/second.img")
        symlink(link, directory.path + "/link.img")
        var file = try OutputFile(FilePath(directory.path).appending("link.img"))
        try put("new", file)
        try file.commit()
        #expect(try names(directory) == ["link.img", "other", "second.img"])
        #expect(try String(contentsOfFile: directory.path + "/other/real.img", encoding: .utf8) == "new")
    }

    @Test func linksInACircleAreRefused() throws {
        let directory = try ScratchDirectory()
        symlink("b.img", directory.path + "/a.img")
        symlink("a.img", directory.path + "/b.img")
        #expect(throws: ImageError.self) { _ = try OutputFile(FilePath(directory.path).appending("a.img")) }
        #expect(try names(directory) == ["a.img", "b.img"])
    }

    private func layOut(_ directory: String) throws -> Ext4Formatter.Layout {
        var tree = FileTree(), links = FileTree.HostLinks()
        tree.root = try tree.scan(FilePath(directory), rules: .init(metadata: .store), links: &links)
        return try Ext4Formatter.layOut(tree, Ext4Options(uuid: GUID(high: 4, low: 4), slack: 0))
    }

    @Test func aSourceThatChangesIsNoticed() throws {
        let directory = try ScratchDirectory()
        let path = directory.path + "/source"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        for (index, change) in [
            { try Data("longer".utf8).write(to: URL(fileURLWithPath: $0)) },
            { truncate($0, 2) },
            {
                let other = $0 + "2"; try Data("bytes".utf8).write(to: URL(fileURLWithPath: other)); rename(other, $0)
            },
            { unlink($0) },
        ].enumerated() as EnumeratedSequence<[(String) throws -> Void]> {
            let file = path + "/file"
            try Data("bytes".utf8).write(to: URL(fileURLWithPath: file))
            let layout = try layOut(path)
            try change(file)
            let failure = #expect(throws: ImageError.self, "change \(index)") {
                try layout.map.read(Int(layout.map.size), at: 0)
            }
            #expect(failure?.path == file, "\(String(describing: failure))")
            if index < 3 { #expect(failure?.code == .changed) }
        }
    }

    /// While an image is built, Nix may link equal files to each other, and collect garbage.
    @Test func newAndRemovedNamesAreNoChange() throws {
        let directory = try ScratchDirectory()
        let file = directory.path + "/file", other = directory.path + ".other"
        defer { unlink(other) }
        for links in [1, 2] {
            try Data("bytes".utf8).write(to: URL(fileURLWithPath: file))
            if links == 2 { link(file, other) }
            let layout = try layOut(directory.path)
            let before = try layout.map.read(Int(layout.map.size), at: 0)
            usleep(20000)  // The clock of files ticks every few milliseconds.
            if links == 1 { link(file, other) } else { unlink(other) }
            #expect(try layout.map.read(Int(layout.map.size), at: 0) == before)
            unlink(other)
        }
    }
}
