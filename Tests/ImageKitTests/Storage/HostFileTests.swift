import Foundation
import SystemPackage
import Testing

@testable import ImageKit

/// Reading the host's files, with holes and without.
@Suite struct HostFileTests {
    /// Creates a sparse file, and returns its bytes.
    private func sparse(_ path: String, size: Int, data: [Range<Int>]) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: size)
        #expect(FileManager.default.createFile(atPath: path, contents: nil))
        let file = try #require(FileHandle(forWritingAtPath: path))
        try file.truncate(atOffset: UInt64(size))
        for range in data {
            for index in range { bytes[index] = UInt8(truncatingIfNeeded: index * 7 | 1) }
            try file.seek(toOffset: UInt64(range.lowerBound))
            try file.write(contentsOf: Data(bytes[range]))
        }
        try file.close()
        return bytes
    }

    private func added(_ path: String, to files: inout HostFiles) throws -> HostFiles.FileID {
        var status = stat()
        try #require(lstat(path, &status) == 0)
        return files.addFile(
            Array("file".utf8), in: files.addRoot(FilePath(path).removingLastComponent()), identity: .init(status))
    }

    private func bytes(_ file: borrowing HostFile, _ range: Range<Int>) throws(ImageError) -> [UInt8] {
        let buffer = PageBuffer(count: range.count)
        buffer.bytes.initializeMemory(as: UInt8.self, repeating: 0xAA)
        try file.read(into: buffer.bytes, at: UInt64(range.lowerBound))
        return Array(buffer.bytes)
    }

    /// Reads random ranges of files with data and holes at various offsets.
    @Test func holesReadAsZeros() throws {
        let scratch = try ScratchDirectory()
        let path = scratch.path + "/file"
        let size = 5 << 20
        for data in [
            [], [0..<1], [size - 1..<size], [300_000..<300_005, 1 << 20..<(1 << 20) + 4096],
            [0..<200_000, 1_000_000..<1_200_000, 1_204_224..<1_300_000, 4_000_000..<size],
        ] {
            let expected = try sparse(path, size: size, data: data)
            var files = HostFiles()
            let file = try added(path, to: &files)
            var generator = SplitMix(state: 3)
            for isChecked in [true, false] {
                let open = try HostFile(file, of: files, isChecked: isChecked)
                #expect(try bytes(open, 0..<size) == expected)
                for _ in 0..<60 {
                    let start = Int.random(in: 0..<size, using: &generator)
                    let range = start..<Int.random(in: start...size, using: &generator)
                    #expect(try bytes(open, range) == Array(expected[range]), "\(range)")
                }
                try open.checkUnchanged()
            }
        }
    }

    /// A file that became shorter does not look as if it ended in a hole.
    @Test func truncationIsNoHole() throws {
        let scratch = try ScratchDirectory()
        let path = scratch.path + "/file"
        _ = try sparse(path, size: 4 << 20, data: [0..<10])
        var files = HostFiles()
        let file = try added(path, to: &files)
        let open = try HostFile(file, of: files)
        #expect(truncate(path, 3 << 20) == 0)
        for range in [0..<4 << 20, 3 << 20..<4 << 20, 2 << 20..<(3 << 20) + 1] {
            #expect(message(try bytes(open, range)).contains("written to since it was planned"), "\(range)")
        }
        #expect(try bytes(open, 2 << 20..<3 << 20).allSatisfy { $0 == 0 })
        #expect(message(try open.checkUnchanged()).contains("replaced or written to"))
    }
}
