import Glibc
import SystemPackage

/// Compares the content of store paths with their registration while their image is written.
///
/// Paths are hashed in the order of their data on the disk, each once the writer has reached it. The writer reads ahead
/// at the disk's queue depth, so hashing finds the data in the page cache. The check has the writer's number of
/// threads, and the kernel divides the processors: the threads sleep while compression is slower, and otherwise use the
/// processors that compression leaves idle. Each has one small buffer.
struct ContentCheck: Sendable {
    private struct Item: Sendable {
        var info: PathInfo
        /// The offset on the disk of the first data that no earlier path has, in bytes.
        var offset: UInt64
    }

    private let items: [Item]
    private let store: StoreLocation

    /// The time between two looks at the writer's progress, in microseconds.
    private static let pause: UInt32 = 2000

    /// - Parameters:
    ///   - paths: one for each layout unit in `hints`, in the same order, which is that of their data on the disk.
    ///   - tree: the root filesystem's content.
    ///   - map: the root filesystem.
    ///   - start: the offset of the filesystem on the disk, in bytes.
    init(
        _ paths: [PathInfo], of tree: FileTree, _ hints: LayoutHints, on map: SegmentMap, from start: UInt64,
        in store: StoreLocation
    ) {
        self.store = store
        var offsets: [UInt64?] = Array(repeating: nil, count: tree.hostFiles.count)
        for segment in map.segments {
            guard case .file(_, let file, _) = segment.content, offsets[Int(file.index)] == nil else { continue }
            offsets[Int(file.index)] = segment.offset
        }
        var seen = [Bool](repeating: false, count: tree.nodes.count)
        var reached: UInt64 = 0
        var items: [Item] = []
        for (info, unit) in zip(paths, hints.units) {
            // Skip files that an earlier path has too: their data is before that of this path.
            for node in tree.nodesInOrder(from: unit.node, seen: &seen) {
                guard tree.kind(of: node) == .file, case .host(let file) = tree.content(of: node),
                    let offset = offsets[Int(file.index)]
                else { continue }
                reached = max(reached, offset)
                break
            }
            items.append(Item(info: info, offset: start + reached))
        }
        self.items = items
    }

    /// The state that the threads share.
    private struct State {
        var next = 0
        var done: UInt64 = 0
        var isStopped = false
        var failure: ImageError?
    }

    /// Runs `body`, which reports to `progress`, and checks all paths at the same time.
    ///
    /// - Throws: the errors of `body`; and when a path differs from its registration or cannot be read. Then `body` is
    ///   stopped through `progress`.
    func run<Result>(
        threads count: Int, progress: Progress, beside body: () throws(ImageError) -> Result
    ) throws(ImageError) -> Result {
        let state = Monitor(State())
        var threads = Threads()
        try threads.start(upTo: max(1, min(count, items.count))) { [self] in check(state, progress) }
        let result: Result
        do throws(ImageError) {
            result = try body()
            // From here on, the threads do not wait for the writer.
            try progress.begin(.check, total: UInt64(items.count))
            progress.advance(state.change { $0.done })
        } catch {
            state.change { $0.isStopped = true }
            threads.join()
            throw error
        }
        threads.join()
        if let failure = state.change({ $0.failure }) { throw failure }
        return result
    }

    /// The work of a thread: takes the next path, waits for the writer, hashes the path.
    private func check(_ state: Monitor<State>, _ progress: Progress) {
        var writer = NARWriter()
        while true {
            let index = state.change { state in
                defer { state.next += 1 }
                return state.isStopped ? items.count : state.next
            }
            guard index < items.count else { return }
            do throws(ImageError) {
                while progress.isBefore(items[index].offset, of: .write) {
                    if state.change({ $0.isStopped }) { return }
                    try progress.checkCancelled()
                    usleep(Self.pause)
                }
                try check(items[index].info, &writer, state, progress)
                if state.change({ state in
                    state.done += 1
                    return progress.snapshot.phase == .check
                }) {
                    progress.advance()
                }
            } catch {
                state.change {
                    $0.failure = $0.failure ?? error
                    $0.isStopped = true
                }
                progress.fail(error)
                return
            }
        }
    }

    private func check(
        _ info: PathInfo, _ writer: inout NARWriter, _ state: Monitor<State>, _ progress: Progress
    ) throws(ImageError) {
        var hasher = NARHasher()
        try writer.write(store.physical(info.path)) { (chunk) throws(ImageError) in
            try progress.checkCancelled()
            if state.change({ $0.isStopped }) { throw ImageError(.cancelled, "stopped on request") }
            hasher.update(chunk)
        }
        let (hash, size) = try hasher.finish()
        if hash == info.narHash, size == info.narSize { return }
        if hash == info.narHash {
            throw ImageError(
                .invalidInput, "the registration is wrong about", path: info.path.path,
                reason: "it says that its NAR has \(info.narSize) bytes; "
                    + "what is there has the registered hash, and \(size)",
                remedy: "make the registration again")
        }
        let chosen = store.root == "/" ? "" : " --store '\(store.root.string)'"
        throw ImageError(
            .corrupt, "a store path is damaged:", path: info.path.path,
            reason: "\(info.narHash) is registered, and what is there has \(hash)"
                + (size == info.narSize ? "" : " (\(size) bytes instead of \(info.narSize))"),
            remedy: "mend it with 'nix-store\(chosen) --repair-path \(info.path.path)' and build again")
    }
}
