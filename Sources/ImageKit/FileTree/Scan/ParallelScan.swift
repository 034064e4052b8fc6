import Glibc
import SystemPackage

/// Scans many directories of the host at once, and adds them to one tree in the order in which they were given. The
/// result is that of scanning them one after the other.
///
/// ```
///   threads     scan path 3 ─┐
///               scan path 4 ─┼──▶ a tree of each ──▶ appended, in order ──▶ the tree
///               scan path 5 ─┘
/// ```
///
/// With a warm cache, more threads than processors are no use. With a cold disk they are: a scan waits for one inode
/// after the other, and a disk can find many in the same time.
struct ParallelScan {
    let paths: [FilePath]
    let rules: FileTree.ScanRules
    let progress: Progress?

    /// The result of scanning.
    struct Outcome {
        /// The node of each path.
        var nodes: [FileTree.NodeID] = []
        /// Whether a disk had to be read.
        var isCold = false
    }

    /// The result of a thread for one path.
    private struct Found: Sendable {
        var tree = FileTree()
        var links = FileTree.HostLinks()
        var top = FileTree.NodeID(index: 0)
    }

    private struct State {
        /// The index of the next path to scan.
        var next = 0
        var found: [Int: Result<Found, ImageError>] = [:]
        var isCold: Bool
    }

    /// The number of threads for a cold disk. More are not faster.
    private static var coldThreads: Int { DiskReads.threads(atMost: 24) }
    /// The number of paths that are read to find out whether the disk is cold. (The first scans may take long.)
    private static let probes = 16

    /// Scans all paths.
    ///
    /// - Parameters:
    ///   - count: the number of threads with a warm cache.
    ///   - isCold: whether the disk is known to be cold.
    /// - Throws: the error of the first path, in the given order, that cannot be scanned.
    func run(threads count: Int, isCold: Bool = false, into tree: inout FileTree) throws(ImageError) -> Outcome {
        let state = Monitor(State(isCold: isCold || mustRead()))
        var threads = Threads()
        defer { threads.join() }
        var running = 0
        /// Starts threads up to a number, or until the system refuses.
        func grow(to count: Int) {
            while running < min(count, paths.count), (try? threads.start { [self] in work(state) }) != nil {
                running += 1
            }
        }
        grow(to: count)
        if running == 0 { work(state) }
        var outcome = Outcome()
        var links = FileTree.HostLinks()
        for index in paths.indices {
            var result: Result<Found, ImageError>?
            while result == nil {
                let wasCold = outcome.isCold
                (result, outcome.isCold) = state.wait { state in
                    let found = state.found.removeValue(forKey: index)
                    return found != nil || state.isCold != wasCold ? (found, state.isCold) : nil
                }
                if outcome.isCold, !wasCold, HostMemory.spare > 0 { grow(to: Self.coldThreads) }
            }
            guard let found = try result?.get() else { break }
            let moved = tree.append(found.tree, links: found.links, knowing: &links)
            outcome.nodes.append(moved[Int(found.top.index)])
        }
        return outcome
    }

    /// Whether the inodes of some paths must be read from a disk.
    private func mustRead() -> Bool {
        let reads = DiskReads()
        for index in stride(from: 0, to: paths.count, by: max(1, paths.count / Self.probes)) {
            var status = stat()
            _ = paths[index].withPlatformString { lstat($0, &status) }
        }
        return reads.isCold
    }

    private func work(_ state: Monitor<State>) {
        let reads = DiskReads()
        while let index = state.change({ state -> Int? in
            guard state.next < paths.count else { return nil }
            defer { state.next += 1 }
            return state.next
        }) {
            var found = Found()
            let result: Result<Found, ImageError>
            do throws(ImageError) {
                found.top = try found.tree.scan(paths[index], rules: rules, links: &found.links, progress: progress)
                result = .success(found)
            } catch {
                result = .failure(error)
            }
            state.change { state in
                state.found[index] = result
                if case .failure = result { state.next = paths.count }
                if reads.isCold { state.isCold = true }
            }
        }
    }
}
