import Foundation
import SystemPackage
import Testing

@testable import ImageKit

@Suite struct OutputFileTests {
    private func names(_ folder: borrowing ScratchFolder) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
    }

    private func put(_ text: String, _ file: borrowing OutputFile) throws {
        try DescriptorSink(file.descriptor, path: file.target).write(Array(text.utf8))
    }

    @Test func appearsWholeOrNotAtAll() throws {
        let folder = try ScratchFolder()
        let path = FilePath(folder.path).appending("x.img")
        do {
            let file = try OutputFile(path)
            try put("half", file)
            #expect(try names(folder).count == 1 && names(folder)[0].hasPrefix(".x.img.mkpiimg-"))
        }
        #expect(try names(folder) == [])
        var file = try OutputFile(path)
        try put("whole", file)
        try file.commit()
        #expect(try names(folder) == ["x.img"])
        #expect(try String(contentsOfFile: path.string, encoding: .utf8) == "whole")
    }

    /// Names of files are bytes, whatever they mean.
    @Test func theFolderMayHaveAnyName() throws {
        let folder = try ScratchFolder()
        let inner = FilePath(bytes: Array((folder.path + "/x").utf8) + [0xFF, 0xFE])
        #expect(inner.withPlatformString { mkdir($0, 0o755) } == 0)
        let path = inner.appending("x.img")
        for text in ["first", "second"] {
            try OutputFile.check(path)
            var file = try OutputFile(path)
            try put(text, file)
            try file.commit()
            #expect(try WholeFile.read(path, atMost: 100) == Array(text.utf8))
        }
        #expect(try DirectoryNames.read(folder: inner).count == 1)
    }

    /// What a build would find out only when all is planned is known before.
    @Test func whatCannotBeWrittenIsKnownBefore() throws {
        let folder = try ScratchFolder()
        let place = FilePath(folder.path)
        #expect(throws: ImageError.self) { try OutputFile.check(place) }
        #expect(throws: ImageError.self) { try OutputFile.check(place.appending("none").appending("x.img")) }
        let leftover = folder.path + "/.x.img.mkpiimg-01234567.tmp"
        try Data("left by a killed build".utf8).write(to: URL(fileURLWithPath: leftover))
        try OutputFile.check(place.appending("x.img"))
        #expect(try names(folder) == [])
    }

    /// Of two equal files, the one whose bytes are not stored is looked at, too, whichever that is.
    @Test(arguments: ["one", "two"]) func anEqualFileThatChangesIsNoticed(changed: String) throws {
        let folder = try ScratchFolder()
        for name in ["one", "two"] {
            try Data(count: 10_000).write(to: URL(fileURLWithPath: "\(folder.path)/\(name)"))
        }
        var tree = FileTree(), links = FileTree.HostLinks()
        tree.root = try tree.scan(FilePath(folder.path), rules: .init(metadata: .store), links: &links)
        let top = tree.root
        usleep(20000)
        try Data(count: 10_000).write(to: URL(fileURLWithPath: "\(folder.path)/\(changed)"))
        let error = #expect(throws: ImageError.self) { try tree.joinLinks(under: top, .byContent(threads: 1)) }
        #expect(error?.code == .changed && error?.path == "\(folder.path)/\(changed)", "\(String(describing: error))")
    }

    @Test func removesLeftoversButNotLiveFiles() throws {
        let folder = try ScratchFolder()
        let leftover = folder.path + "/.x.img.mkpiimg-01234567.tmp"
        try Data("left by a killed build".utf8).write(to: URL(fileURLWithPath: leftover))
        try Data().write(to: URL(fileURLWithPath: folder.path + "/.y.img.mkpiimg-01234567.tmp"))
        let path = FilePath(folder.path).appending("x.img")
        let first = try OutputFile(path)
        #expect(try !names(folder).contains(".x.img.mkpiimg-01234567.tmp"))
        #expect(try names(folder).count == 2, "another name's leftover is not ours")
        var second = try OutputFile(path)
        #expect(try names(folder).count == 3, "a live build's file is locked")
        try put("second", second)
        try second.commit()
        _ = first.target
        #expect(try String(contentsOfFile: path.string, encoding: .utf8) == "second")
    }

    @Test func followsALinkToItsTarget() throws {
        let folder = try ScratchFolder()
        try Data("old".utf8).write(to: URL(fileURLWithPath: folder.path + "/real.img"))
        symlink("real.img", folder.path + "/link.img")
        var file = try OutputFile(FilePath(folder.path).appending("link.img"))
        try put("new", file)
        try file.commit()
        #expect(try names(folder) == ["link.img", "real.img"])
        #expect(try String(contentsOfFile: folder.path + "/real.img", encoding: .utf8) == "new")
    }

    private func layOut(_ folder: String) throws -> Ext4Formatter.Layout {
        var tree = FileTree(), links = FileTree.HostLinks()
        tree.root = try tree.scan(FilePath(folder), rules: .init(metadata: .store), links: &links)
        return try Ext4Formatter.layOut(tree, Ext4Options(uuid: [UInt8](repeating: 4, count: 16), slack: 0))
    }

    @Test func aSourceThatChangesIsNoticed() throws {
        let folder = try ScratchFolder()
        let path = folder.path + "/source"
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

    /// What Nix does while something else is built: it links equal files to one another, and removes what nobody needs.
    @Test func namesThatComeAndGoAreNoChange() throws {
        let folder = try ScratchFolder()
        let file = folder.path + "/file", other = folder.path + ".other"
        defer { unlink(other) }
        for links in [1, 2] {
            try Data("bytes".utf8).write(to: URL(fileURLWithPath: file))
            if links == 2 { link(file, other) }
            let layout = try layOut(folder.path)
            let before = try layout.map.read(Int(layout.map.size), at: 0)
            usleep(20000)  // The clock of files ticks every few milliseconds.
            if links == 1 { link(file, other) } else { unlink(other) }
            #expect(try layout.map.read(Int(layout.map.size), at: 0) == before)
            unlink(other)
        }
    }
}
