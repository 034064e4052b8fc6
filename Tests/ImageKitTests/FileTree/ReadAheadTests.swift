import Foundation
import SystemPackage
import Testing

@testable import ImageKit

/// The kernel's page cache.
private enum PageCache {
    /// Whether the kernel evicts file data here, and counts reads from the disk. It does neither in tmpfs, nor in
    /// filesystems that programs provide.
    static let canEvict: Bool = {
        guard let scratch = try? ScratchDirectory() else { return false }
        let path = scratch.path + "/file"
        let file = URL(fileURLWithPath: path)
        guard (try? Data(count: 5000).write(to: file)) != nil, evict([path]) else { return false }
        let reads = DiskReads()
        return (try? Data(contentsOf: file)) != nil && reads.isCold
    }()

    /// Evicts the data of files from the cache.
    static func evict(_ paths: [String]) -> Bool {
        for path in paths {
            let descriptor = open(path, O_RDONLY)
            fsync(descriptor)
            posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED)
            close(descriptor)
        }
        return paths.allSatisfy { residents(of: $0) == 0 }
    }

    /// The number of pages of a file that are in the cache.
    static func residents(of path: String) -> Int {
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
}

/// Detection of a cold disk, and requests for files on it.
@Suite(.enabled(if: PageCache.canEvict, "the folder for temporary files is on no disk"))
struct ReadAheadTests {
    /// A tree of files of these sizes, named by their indices, whose data is only on the disk.
    private func coldFiles(_ sizes: [Int], in scratch: String) throws -> FileTree {
        for (index, size) in sizes.enumerated() {
            try Data(repeating: UInt8(truncatingIfNeeded: index | 1), count: size)
                .write(to: URL(fileURLWithPath: "\(scratch)/\(index)"))
        }
        var tree = FileTree(), links = FileTree.HostLinks()
        tree.root = try tree.scan(FilePath(scratch), rules: FileTree.ScanRules(metadata: .store), links: &links)
        let files = sizes.indices.map { "\(scratch)/\($0)" }
        try #require((0..<5).contains { _ in PageCache.evict(files) })
        return tree
    }

    /// Whether a request loads the expected number of pages of each file. The index of the first file is `first`.
    ///
    /// On a busy machine, the kernel loses the request for one page in a thousand files. Then all are requested again.
    private func areLoaded(
        _ expected: [Int], in scratch: String, from first: Int = 0, request: () -> Void
    ) -> Bool {
        let files = expected.indices.map { "\(scratch)/\(first + $0)" }
        for _ in 0..<5 where PageCache.evict(files) {
            request()
            for _ in 0..<100 {
                if zip(files, expected).allSatisfy({ PageCache.residents(of: $0) >= $1 }) { return true }
                usleep(50_000)
            }
        }
        return false
    }

    @Test func readsOfADiskAreSeen() throws {
        let scratch = try ScratchDirectory()
        let tree = try coldFiles([10_000], in: scratch.path)
        let node = try #require(tree.node(at: "0"))
        func isCold() throws -> (before: Bool, after: Bool) {
            let reads = DiskReads()
            let before = reads.isCold
            _ = try tree.read(node, atMost: 10_000)
            return (before, reads.isCold)
        }
        #expect(try isCold() == (false, true))
        #expect(try isCold() == (false, false))
    }

    @Test(arguments: [true, false]) func bringsFilesIntoMemory(isCold: Bool) throws {
        let scratch = try ScratchDirectory()
        let sizes = [1, 0, 70_000, 4096, 1_500_000, 65_535, 65_536, 5000]
        let tree = try coldFiles(sizes, in: scratch.path)
        #expect(
            areLoaded(sizes.map { ($0 + 4095) / 4096 }, in: scratch.path) {
                ReadAhead(tree, isCold: isCold, budget: 1 << 30).stopWhenDone()
            })
    }

    /// The blocks that a scan has read are not read again, but the rest of the files is.
    @Test func firstBlocksAreInMemoryOnceFilesAreFound() throws {
        let scratch = try ScratchDirectory()
        let sizes = [4096, 1, 4097, 70_000]
        _ = try coldFiles(sizes, in: scratch.path)
        var tree = FileTree(), links = FileTree.HostLinks()
        #expect(
            areLoaded([1, 1, 1, 1], in: scratch.path) {
                tree = FileTree()
                links = FileTree.HostLinks()
                let rules = FileTree.ScanRules(metadata: .store, joinsByContent: true)
                tree.root = (try? tree.scan(FilePath(scratch.path), rules: rules, links: &links)) ?? tree.root
            })
        // After another eviction, files of one block with a fingerprint are not requested.
        #expect(
            areLoaded([0, 0, 2, 18], in: scratch.path) { ReadAhead(tree, isCold: true, budget: 1 << 30).stopWhenDone() }
        )
        #expect(PageCache.residents(of: scratch.path + "/0") == 0 && PageCache.residents(of: scratch.path + "/1") == 0)
    }

    /// Until a read comes from the disk, only large files are requested, and only on the first call.
    @Test func nextPartsAreRequestedOnceADiskIsRead() throws {
        let scratch = try ScratchDirectory()
        let tree = try coldFiles([100_000, 5000, 100_000, 5000], in: scratch.path)
        var map = SegmentMap(size: 4 << 20)
        let table = map.addTable(tree.hostFiles)
        for index in 0..<4 as Range<UInt64> {
            guard case .host(let file) = tree.content(of: try #require(tree.node(at: "\(index)"))) else { continue }
            map.add(file: file, of: table, start: 0, length: tree.hostFiles.identity(of: file).size, at: index << 20)
        }
        try map.seal()
        let (first, second) = (0..<2 << 20 as Range<UInt64>, 2 << 20..<4 << 20 as Range<UInt64>)
        func path(_ index: Int) -> String { "\(scratch.path)/\(index)" }
        func request(_ ranges: Range<UInt64>...) {
            var prefetcher = Prefetcher(map)
            for range in ranges { prefetcher.run(range) }
        }
        #expect(areLoaded([25], in: scratch.path) { request(first) })
        #expect(PageCache.residents(of: path(1)) == 0)
        // That was read from the disk, so the next part probably has to be, too.
        #expect(areLoaded([25, 0, 25, 2], in: scratch.path) { request(first, second) })
        // If the first part is cached, nothing more is requested.
        #expect(PageCache.evict([path(2), path(3)]))
        _ = try Data(contentsOf: URL(fileURLWithPath: path(0)))
        request(first, second)
        usleep(200_000)
        #expect(PageCache.residents(of: path(2)) == 0 && PageCache.residents(of: path(3)) == 0)
    }

    /// Reading stops at the budget and leaves out large files.
    @Test func keepsToItsBudget() throws {
        let scratch = try ScratchDirectory()
        let tree = try coldFiles([2_000_000, 20_000, 300_000, 30_000], in: scratch.path)
        #expect(areLoaded([0, 5], in: scratch.path) { ReadAhead(tree, isCold: true, budget: 60_000).stopWhenDone() })
        #expect(PageCache.residents(of: scratch.path + "/2") == 0 && PageCache.residents(of: scratch.path + "/3") == 0)
        #expect(
            areLoaded([0, 5, 74, 8], in: scratch.path) {
                ReadAhead(tree, isCold: true, budget: 350_000).stopWhenDone()
            })
        #expect(PageCache.residents(of: scratch.path + "/0") == 0)
    }

    /// Missing files are ignored; their later readers report them.
    @Test func missingFilesAreNoError() throws {
        let scratch = try ScratchDirectory()
        let missing = 0..<20
        let tree = try coldFiles([Int](repeating: 5000, count: missing.count + 1), in: scratch.path)
        for index in missing { try FileManager.default.removeItem(atPath: "\(scratch.path)/\(index)") }
        #expect(
            areLoaded([2], in: scratch.path, from: missing.count) {
                ReadAhead(tree, isCold: true, budget: 1 << 30).stopWhenDone()
            })
    }

    /// Cached files are not requested.
    @Test func isNotNeededIfEverythingIsCached() throws {
        let scratch = try ScratchDirectory()
        let tree = try coldFiles([5000, 100_000], in: scratch.path)
        func isNeeded() -> Bool {
            let ahead = ReadAhead(tree, isCold: false, budget: 1 << 30)
            return ahead.isNeeded
        }
        _ = try Data(contentsOf: URL(fileURLWithPath: scratch.path + "/0"))
        #expect(isNeeded())
        _ = try Data(contentsOf: URL(fileURLWithPath: scratch.path + "/1"))
        #expect(!isNeeded())
    }
}
