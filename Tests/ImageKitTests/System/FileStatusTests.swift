import Foundation
import SystemPackage
import Testing

@testable import ImageKit

@Suite struct FileStatusTests {
    @Test func followsLinksOrNot() throws {
        let scratch = try ScratchDirectory()
        let directory = FilePath(scratch.path), file = directory.appending("file")
        try Data().write(to: URL(fileURLWithPath: file.string))
        let target = String(repeating: "x", count: 4095)
        for (name, target) in [("link", "file"), ("broken", "missing"), ("long", target)] {
            try #require(symlink(target, directory.appending(name).string) == 0)
        }
        let link = directory.appending("link"), broken = directory.appending("broken")
        #expect(FileStatus.type(of: link) == S_IFREG && FileStatus.type(of: broken) == nil)
        #expect(try FileStatus.mode(of: link).get() & S_IFMT == S_IFLNK)
        #expect(FileStatus.mode(of: directory.appending("missing")) == .failure(.noSuchFileOrDirectory))
        #expect(FileStatus.exists("broken", in: directory) && !FileStatus.exists("missing", in: directory))
        #expect(try FileStatus.linkTarget(of: broken).get() == "missing")
        #expect(try FileStatus.linkTarget(of: directory.appending("long")).get().string == target)
        #expect(FileStatus.linkTarget(of: file) == .failure(.invalidArgument))
        #expect(try FileStatus.realPath(of: link).get() == FileStatus.realPath(of: file).get())
        #expect(FileStatus.realPath(of: broken) == .failure(.noSuchFileOrDirectory))
    }
}
