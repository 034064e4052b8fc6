import Foundation
import SystemPackage
import Testing

@testable import ImageKit

/// The kernel's memory of files.
private enum PageCache {
    /// Whether the kernel lets go of a file's data here, and counts what it reads again; not so in tmpfs, or in filesystems that
    /// programs provide.
    static let canEvict: Bool = {
        guard let scratch = try? ScratchDirectory() else { return false }
        let path = scratch.path + "/file"
        let file = URL(fileURLWithPath: path)
        guard (try? Data(count: 5000).write(to: file)) != nil, evict([path]) else { return false }
        let reads = DiskReads()
        return (try? Data(contentsOf: file)) != nil && reads.isCold
    }()

    static func evict(_ paths: [String]) -> Bool {
        for path in paths {
            let descriptor = open(path, O_RDONLY)
            fsync(descriptor)
            posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED)
            close(descriptor)
        }
        return paths.allSatisfy { residents(of: $0) == 0 }
    }

    /// Pages of a file that are in memory.
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

/// What is known and asked for of files that lie on a disk only.
@Suite(.enabled(if: PageCache.canEvict, "the folder for temporary files is on no disk"))
struct ReadAheadTests {
    /// A tree of files of these sizes, named by their numbers, whose data is on a disk only.
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

    /// Whether so many pages of the files come into memory where they are asked for; the first file is number `first`.
    ///
    /// Of what a busy machine is asked for, the kernel forgets a page in a thousand files: then all is asked for again.
    private func come(_ expected: [Int], in scratch: String, from first: Int = 0, ask: () -> Void) -> Bool {
        let files = expected.indices.map { "\(scratch)/\(first + $0)" }
        for _ in 0..<5 where PageCache.evict(files) {
            ask()
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
            come(sizes.map { ($0 + 4095) / 4096 }, in: scratch.path) {
                ReadAhead(tree, isCold: isCold, budget: 1 << 30).stopWhenDone()
            })
    }

    /// What a scan has read of files need not be read again; the rest of them must.
    @Test func firstBlocksAreInMemoryOnceFilesAreFound() throws {
        let scratch = try ScratchDirectory()
        let sizes = [4096, 1, 4097, 70_000]
        _ = try coldFiles(sizes, in: scratch.path)
        var tree = FileTree(), links = FileTree.HostLinks()
        #expect(
            come([1, 1, 1, 1], in: scratch.path) {
                tree = FileTree()
                links = FileTree.HostLinks()
                let rules = FileTree.ScanRules(metadata: .store, joinsByContent: true)
                tree.root = (try? tree.scan(FilePath(scratch.path), rules: rules, links: &links)) ?? tree.root
            })
        // Evicted once more, what has a fingerprint and one block is not asked for.
        #expect(
            come([0, 0, 2, 18], in: scratch.path) { ReadAhead(tree, isCold: true, budget: 1 << 30).stopWhenDone() })
        #expect(PageCache.residents(of: scratch.path + "/0") == 0 && PageCache.residents(of: scratch.path + "/1") == 0)
    }

    /// Before anything was read from a disk, only large files are asked for, and only the first time.
    @Test func nextPartsAreAskedForOnceADiskIsRead() throws {
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
        func ask(_ ranges: Range<UInt64>...) {
            var prefetcher = Prefetcher(map)
            for range in ranges { prefetcher.run(range) }
        }
        #expect(come([25], in: scratch.path) { ask(first) })
        #expect(PageCache.residents(of: path(1)) == 0)
        // That had to be read from the disk, so what comes next probably has to be, too.
        #expect(come([25, 0, 25, 2], in: scratch.path) { ask(first, second) })
        // Where the first part lies in memory already, nothing more is asked for.
        #expect(PageCache.evict([path(2), path(3)]))
        _ = try Data(contentsOf: URL(fileURLWithPath: path(0)))
        ask(first, second)
        usleep(200_000)
        #expect(PageCache.residents(of: path(2)) == 0 && PageCache.residents(of: path(3)) == 0)
    }

    /// No more than it may, and none that is large.
    @Test func keepsToItsBudget() throws {
        let scratch = try ScratchDirectory()
        let tree = try coldFiles([2_000_000, 20_000, 300_000, 30_000], in: scratch.path)
        #expect(come([0, 5], in: scratch.path) { ReadAhead(tree, isCold: true, budget: 60_000).stopWhenDone() })
        #expect(PageCache.residents(of: scratch.path + "/2") == 0 && PageCache.residents(of: scratch.path + "/3") == 0)
        #expect(
            come([0, 5, 74, 8], in: scratch.path) {
                ReadAhead(tree, isCold: true, budget: 350_000).stopWhenDone()
            })
        #expect(PageCache.residents(of: scratch.path + "/0") == 0)
    }

    /// Files that are gone are nothing to it; whoever needs them says so.
    @Test func missingFilesAreNoError() throws {
        let scratch = try ScratchDirectory()
        let missing = 0..<20
        let tree = try coldFiles([Int](repeating: 5000, count: missing.count + 1), in: scratch.path)
        for index in missing { try FileManager.default.removeItem(atPath: "\(scratch.path)/\(index)") }
        #expect(
            come([2], in: scratch.path, from: missing.count) {
                ReadAhead(tree, isCold: true, budget: 1 << 30).stopWhenDone()
            })
    }

    /// What is in memory is not asked for.
    @Test func isNotNeededWhereAllIsInMemory() throws {
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
