import Foundation
import Glibc
import SystemPackage
import Testing

@testable import ImageKit

/// The working directory of `extract`, and the leftovers of killed runs.
@Suite struct TemporaryDirectoryTests {
    private func names(_ directory: borrowing ScratchDirectory) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: directory.path).sorted()
    }

    @Test func isRemovedWithItsContent() throws {
        let scratch = try ScratchDirectory()
        do {
            let made = try TemporaryDirectory(in: FilePath(scratch.path))
            try made.directory.makeDirectory(Array("x".utf8))
            let names = try names(scratch)
            #expect(names.count == 1 && names[0].wholeMatch(of: #/\.mkpiimg-[0-9a-f]{8}\.tmp/#) != nil, "\(names)")
            _ = made.directory.path
        }
        #expect(try names(scratch) == [])
    }

    @Test func removesLeftoversAndNothingElse() throws {
        let scratch = try ScratchDirectory()
        let parent = FilePath(scratch.path)
        func directory(_ name: String) throws {
            try FileManager.default.createDirectory(
                atPath: "\(scratch.path)/\(name)/x/inner", withIntermediateDirectories: true)
            try Data("content".utf8).write(to: URL(fileURLWithPath: "\(scratch.path)/\(name)/x/file"))
        }
        try directory(".mkpiimg-01234567.tmp")
        let others = [
            ".mkpiimg-0123456.tmp", ".mkpiimg-012345678.tmp", ".mkpiimg-0123456g.tmp", ".mkpiimg-0123456F.tmp",
            ".mkpiimg-01234567.tmp2", "mkpiimg-01234567.tmp", ".x.mkpiimg-01234567.tmp",
        ]
        for name in others { try directory(name) }
        try Data().write(to: URL(fileURLWithPath: scratch.path + "/.mkpiimg-aaaaaaaa.tmp"))
        symlink(others[0], scratch.path + "/.mkpiimg-bbbbbbbb.tmp")
        let live = try TemporaryDirectory(in: parent)
        let name = live.directory.path.lastComponent?.string ?? ""
        TemporaryDirectory.removeLeftovers(in: parent)
        let kept = others + [".mkpiimg-aaaaaaaa.tmp", ".mkpiimg-bbbbbbbb.tmp", name]
        #expect(try names(scratch) == kept.sorted())
        #expect(FileManager.default.fileExists(atPath: "\(scratch.path)/\(others[0])/x/file"))
        _ = live.directory.path
    }

    @Test(.enabled(if: CommandLineTests.isRoot, "needs root, to give a folder away"))
    func leavesDirectoriesOfOtherUsers() throws {
        let scratch = try ScratchDirectory()
        let theirs = scratch.path + "/.mkpiimg-01234567.tmp"
        mkdir(theirs, 0o700)
        chown(theirs, 65534, 65534)
        TemporaryDirectory.removeLeftovers(in: FilePath(scratch.path))
        #expect(FileManager.default.fileExists(atPath: theirs))
    }

    /// Runs in a process of its own, with a low limit of open files.
    @Test func depthNeedsNoDescriptors() async {
        await #expect(processExitsWith: .success) {
            let scratch = try ScratchDirectory()
            var limit = rlimit(rlim_cur: 40, rlim_max: 40)
            setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            let top = scratch.path + "/top"
            mkdir(top, 0o700)
            var directory = open(top, O_RDONLY | O_DIRECTORY)
            for level in 0..<3000 {
                for name in ["a", "b"] { try #require(mkdirat(directory, name, 0o700) == 0) }
                symlinkat("/", directory, "link")
                close(openat(directory, "file", O_WRONLY | O_CREAT, 0o600))
                let next = openat(directory, "a", O_RDONLY | O_DIRECTORY)
                try #require(next >= 0)
                if level % 7 == 0 { fchmod(directory, 0o500) }
                close(directory)
                directory = next
            }
            close(directory)
            #expect(TemporaryFiles.remove(directory: FilePath(top)))
            #expect(!FileManager.default.fileExists(atPath: top))
        }
    }
}
