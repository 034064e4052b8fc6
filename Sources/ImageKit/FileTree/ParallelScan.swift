import SystemPackage

/// Scans many folders of the host at once, and puts them into one tree in the order in which they were given: the outcome
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
    struct Result {
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
        var found: [Int: Swift.Result<Found, ImageError>] = [:]
        var isCold = false
    }

    /// Threads that scan a cold disk. More find no more in the same time.
    private static let coldThreads = 8

    /// Scans all paths.
    ///
    /// - Throws: the error of the first path in the given order that has one.
    func run(threads count: Int, into tree: inout FileTree) throws(ImageError) -> Result {
        let state = Monitor(State())
        var threads = Threads()
        var running = 0
        /// Starts threads until there are so many, or as many as the system gives.
        func grow(to count: Int) throws(ImageError) {
            while running < min(count, paths.count) {
                do throws(ImageError) {
                    try threads.start { [self] in work(state) }
                } catch {
                    if running == 0 { throw error }
                    return
                }
                running += 1
            }
        }
        defer { threads.join() }
        try grow(to: count)
        var result = Result()
        var links = FileTree.HostLinks()
        for index in paths.indices {
            while true {
                let (found, isCold) = state.wait { state in
                    let found = state.found.removeValue(forKey: index)
                    let isNewlyCold = state.isCold && !result.isCold
                    return found != nil || isNewlyCold ? (found, state.isCold) : nil
                }
                if isCold, !result.isCold {
                    result.isCold = true
                    if HostMemory.spare > 0 { try grow(to: max(count, Self.coldThreads)) }
                }
                guard let found else { continue }
                switch found {
                case .success(let found):
                    let moved = tree.append(found.tree, links: found.links, knowing: &links)
                    result.nodes.append(moved[Int(found.top.index)])
                case .failure(let error):
                    state.change { $0.next = paths.count }
                    throw error
                }
                break
            }
        }
        return result
    }

    private func work(_ state: Monitor<State>) {
        var reads = DiskReads()
        while let index = state.change({ state -> Int? in
            guard state.next < paths.count else { return nil }
            defer { state.next += 1 }
            return state.next
        }) {
            var found = Found()
            let outcome: Swift.Result<Found, ImageError>
            do throws(ImageError) {
                found.top = try found.tree.scan(paths[index], rules: rules, links: &found.links, progress: progress)
                outcome = .success(found)
            } catch {
                outcome = .failure(error)
            }
            let isCold = reads.look()
            state.change { state in
                state.found[index] = outcome
                if isCold { state.isCold = true }
            }
        }
    }
}
