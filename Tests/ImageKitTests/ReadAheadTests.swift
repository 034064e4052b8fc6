import Foundation
import SystemPackage
import Testing

@testable import ImageKit

/// What is known and asked for of files that lie on a disk only.
@Suite struct ReadAheadTests {
    /// Files of these sizes with their data on a disk; `nil` where the kernel does not let go of them (tmpfs).
    private func coldFiles(_ sizes: [Int], in scratch: String) throws -> HostFiles? {
        var files = HostFiles()
        let folder = files.addRoot(FilePath(scratch))
        for (index, size) in sizes.enumerated() {
            let path = "\(scratch)/\(index)"
            try Data(repeating: UInt8(truncatingIfNeeded: index | 1), count: size).write(to: URL(fileURLWithPath: path))
            var status = stat()
            try #require(lstat(path, &status) == 0)
            _ = files.addFile(Array("\(index)".utf8), in: folder, identity: HostFiles.Identity(status))
        }
        guard evict(sizes.indices.map { "\(scratch)/\($0)" }) else { return nil }
        return files
    }

    private func evict(_ paths: [String]) -> Bool {
        for path in paths {
            let descriptor = open(path, O_RDONLY)
            fsync(descriptor)
            posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED)
            close(descriptor)
        }
        return paths.allSatisfy { residents(of: $0) == 0 }
    }

    /// Pages of a file that are in memory.
    private func residents(of path: String) -> Int {
        let descriptor = open(path, O_RDONLY)
        defer { close(descriptor) }
        let size = Int(lseek(descriptor, 0, SEEK_END))
        guard size > 0, let memory = mmap(nil, size, PROT_READ, MAP_SHARED, descriptor, 0), memory != MAP_FAILED else {
            return 0
        }
        defer { munmap(memory, size) }
        var pages = [UInt8](repeating: 0, count: (size + 4095) / 4096)
        guard mincore(memory, size, &pages) == 0 else { return 0 }
        return pages.count { $0 & 1 == 1 }
    }

    @Test func readsOfADiskAreSeen() throws {
        let scratch = try ScratchFolder()
        guard let files = try coldFiles([10_000], in: scratch.path) else { return }
        func read() throws -> Bool {
            var reads = DiskReads()
            let before = reads.look()
            let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 10_000, alignment: 1)
            defer { buffer.deallocate() }
            try HostFile(HostFiles.FileID(index: 0), of: files).read(into: buffer, at: 0)
            return !before && reads.look()
        }
        #expect(try read())
        #expect(try !read())
    }

    /// Whether so many pages of the files are in memory before long; the first of them is number `first`.
    private func waits(for expected: [Int], in scratch: String, from first: Int = 0) -> Bool {
        for _ in 0..<600 {
            if expected.indices.allSatisfy({ residents(of: "\(scratch)/\(first + $0)") >= expected[$0] }) {
                return true
            }
            usleep(50_000)
        }
        return false
    }

    @Test(arguments: [true, false]) func bringsFilesIntoMemory(isCold: Bool) throws {
        let scratch = try ScratchFolder()
        let sizes = [1, 0, 70_000, 4096, 1_500_000, 65_535, 65_536, 5000]
        guard let files = try coldFiles(sizes, in: scratch.path) else { return }
        let ahead = ReadAhead(files, isCold: isCold)
        #expect(waits(for: sizes.map { ($0 + 4095) / 4096 }, in: scratch.path))
        ahead.stop()
    }

    /// No more than it may, and none that is large.
    @Test func keepsToItsBudget() throws {
        let scratch = try ScratchFolder()
        guard let files = try coldFiles([2_000_000, 20_000, 300_000, 30_000], in: scratch.path) else { return }
        ReadAhead(files, isCold: true, budget: 60_000).stopWhenDone()
        #expect(waits(for: [0, 5], in: scratch.path))
        #expect(residents(of: scratch.path + "/2") == 0 && residents(of: scratch.path + "/3") == 0)
        ReadAhead(files, isCold: true, budget: 600_000).stopWhenDone()
        #expect(waits(for: [0, 5, 74, 8], in: scratch.path))
        #expect(residents(of: scratch.path + "/0") == 0)
    }

    /// Files that are gone are nothing to it; whoever needs them says so.
    @Test func missingFilesAreNoError() throws {
        let scratch = try ScratchFolder()
        guard let files = try coldFiles([5000, 5000], in: scratch.path) else { return }
        try FileManager.default.removeItem(atPath: scratch.path + "/0")
        ReadAhead(files, isCold: true).stopWhenDone()
        #expect(waits(for: [2], in: scratch.path, from: 1))
    }

    /// What is in memory is not asked for.
    @Test func doesNothingWhereAllIsInMemory() throws {
        let scratch = try ScratchFolder()
        guard let files = try coldFiles([5000, 100_000], in: scratch.path) else { return }
        // The first file of the two is looked at.
        _ = try Data(contentsOf: URL(fileURLWithPath: scratch.path + "/0"))
        var one = HostFiles()
        let folder = one.addRoot(FilePath(scratch.path))
        _ = one.addFile(Array("0".utf8), in: folder, identity: files.identity(of: .init(index: 0)))
        let first = ReadAhead(one, isCold: false), both = ReadAhead(files, isCold: false)
        let isAtWork = (first.isAtWork, both.isAtWork)
        #expect(isAtWork == (false, true))
    }
}
