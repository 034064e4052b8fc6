import Glibc
import SystemPackage

/// Scans many directories of the host at once, and puts them into one tree in the order in which they were given: the outcome
/// is as if one was scanned after the other.
///
/// ```
///   threads     scan path 3 ─┐
///               scan path 4 ─┼──▶ a tree of each ──▶ appended, in order ──▶ the tree
///               scan path 5 ─┘
/// ```
///
/// From memory as many threads are of use as there are processors. From a cold disk more are: a scan waits for one inode
/// after the other, and a disk finds many in the same time.
struct ParallelScan {
    let paths: [FilePath]
    let rules: FileTree.ScanRules
    let progress: Progress?

    /// What came out.
    struct Outcome {
        /// The node of each path.
        var nodes: [FileTree.NodeID] = []
        /// Whether a disk had to be read.
        var isCold = false
    }

    /// What a thread found at one path.
    private struct Found: Sendable {
        var tree = FileTree()
        var links = FileTree.HostLinks()
        var top = FileTree.NodeID(index: 0)
    }

    private struct State {
        var next = 0
        var found: [Int: Result<Found, ImageError>] = [:]
        var isCold: Bool
    }

    /// Threads that scan a cold disk. More find no more in the same time.
    private static var coldThreads: Int { DiskReads.threads(atMost: 24) }
    /// Paths that are looked at to find out whether a disk must be read: the first ones may take long.
    private static let probes = 16

    /// Scans all paths.
    ///
    /// - Parameters:
    ///   - count: threads, unless a disk must be read.
    ///   - isCold: whether it is known that one must be.
    /// - Throws: the error of the first path in the given order that has one.
    func run(threads count: Int, isCold: Bool = false, into tree: inout FileTree) throws(ImageError) -> Outcome {
        let state = Monitor(State(isCold: isCold || mustRead()))
        var threads = Threads()
        defer { threads.join() }
        var running = 0
        /// Starts threads until there are so many, or as many as the system gives.
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
