import Glibc
import SystemPackage
import Testing

@testable import ImageKit

/// Moving complete files and directories to their destination.
@Suite struct DirectoryWriterTests {
    /// Runs in a process of its own, because it becomes an ordinary user: root may list and write every directory.
    @Test func movesTheEntriesOfLockedDirectories() async {
        await #expect(processExitsWith: .success) {
            let scratch = try ScratchDirectory()
            if geteuid() == 0 {
                try #require(chown(scratch.path, 65534, 65534) == 0 && setegid(65534) == 0 && seteuid(65534) == 0)
            }
            for permissions in [0o400, 0o500, 0o755] as [UInt16] {
                let destination = FilePath("\(scratch.path)/\(permissions)"), name = Array("made".utf8)
                try #require(mkdir(destination.string, 0o700) == 0)
                let temporary = try TemporaryDirectory(in: FilePath(scratch.path))
                try temporary.directory.makeDirectory(name)
                let made = try DirectoryWriter([name], below: temporary.directory)
                try made.makeDirectory(Array("inner".utf8))
                try made.set(.init(attributes: FileAttributes(permissions: permissions), nanoseconds: 0))
                try temporary.directory.move(name, to: destination, as: nil)
                #expect(try FileStatus.mode(of: destination).get() & 0o7777 == mode_t(permissions))
                try #require(chmod(destination.string, 0o700) == 0)
                #expect(try DirectoryNames.read(directory: destination).texts == ["inner"])
            }
            seteuid(getuid())
        }
    }

    @Test func replacesNothing() throws {
        let scratch = try ScratchDirectory()
        let name = Array("x".utf8)
        let temporary = try TemporaryDirectory(in: FilePath(scratch.path))
        try temporary.directory.makeLink(
            name, to: Array("new".utf8), .init(attributes: FileAttributes(permissions: 0o777), nanoseconds: 0))
        symlink("old", scratch.path + "/y")
        let error = #expect(throws: ImageError.self) {
            try temporary.directory.move(name, to: FilePath(scratch.path), as: Array("y".utf8))
        }
        #expect(error?.path == scratch.path + "/y" && error?.reason == Errno.fileExists.description)
        #expect(try FileStatus.linkTarget(of: FilePath(scratch.path + "/y")).get() == "old")
    }
}
