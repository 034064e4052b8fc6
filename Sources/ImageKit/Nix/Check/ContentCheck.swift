import Glibc
import SystemPackage

/// Compares what store paths hold with what is registered of them, beside the writing of their image.
///
/// Paths are hashed in the order in which their data lies on the disk, each once the writer has come to it: the writer,
/// which reads ahead at the disk's queue depth, brings the pages, and hashing finds them in memory. There are as many
/// threads as the writer has, and the kernel divides the processors: they sleep while compressing is the slower part, and
/// take what is left over where it is not. Each has one small buffer.
struct ContentCheck: Sendable {
    private struct Item: Sendable {
        var info: PathInfo
        /// Where on the disk the first of its own bytes lies.
        var place: UInt64
    }

    private let items: [Item]
    private let store: StoreLocation

    /// How long to wait before looking again where the writer is, in microseconds.
    private static let pause: UInt32 = 2000

    /// - Parameters:
    ///   - paths: one for each layout unit in `hints`, in the same order.
    ///   - tree: what was laid out.
    ///   - map: the filesystem that it was laid out in.
    ///   - start: where that begins on the disk, in bytes.
    init(
        _ paths: [PathInfo], of tree: FileTree, _ hints: LayoutHints, on map: SegmentMap, from start: UInt64,
        in store: StoreLocation
    ) {
        self.store = store
        var places: [UInt64?] = Array(repeating: nil, count: tree.hostFiles.count)
        for segment in map.segments {
            guard case .file(_, let file, _) = segment.content, places[Int(file.index)] == nil else { continue }
            places[Int(file.index)] = segment.offset
        }
        var seen = [Bool](repeating: false, count: tree.nodes.count)
        var reached: UInt64 = 0
        var items: [Item] = []
        for (info, unit) in zip(paths, hints.units) {
            // A file that an earlier path has too is there already, so it says nothing.
            for node in tree.nodesInOrder(from: unit.node, seen: &seen) {
                guard tree.kind(of: node) == .file, case .host(let file) = tree.content(of: node),
                    let place = places[Int(file.index)]
                else { continue }
                reached = max(reached, place)
                break
            }
            items.append(Item(info: info, place: start + reached))
        }
        self.items = items
    }

    /// What the threads share.
    private struct State {
        var next = 0
        var done: UInt64 = 0
        var isStopped = false
        var failure: ImageError?
    }

    /// Does the work of `body`, which is paced by `progress`, and checks all paths beside it.
    ///
    /// - Throws: what `body` throws; and when a path is not what is registered of it, or cannot be read. Then `body` is
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
            // From here on nobody waits for the writer.
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

    /// One thread's part: takes the next path, waits for the writer, hashes.
    private func check(_ state: Monitor<State>, _ progress: Progress) {
        var writer = NARWriter()
        while true {
            let index = state.change { state in
                defer { state.next += 1 }
                return state.isStopped ? items.count : state.next
            }
            guard index < items.count else { return }
            do throws(ImageError) {
                while progress.isBefore(items[index].place, of: .write) {
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
        try writer.write(store.physical(info.path)) { (piece) throws(ImageError) in
            try progress.checkCancelled()
            if state.change({ $0.isStopped }) { throw ImageError(.cancelled, "stopped on request") }
            hasher.update(piece)
        }
        let (hash, size) = try hasher.finish()
        if hash == info.narHash, size == info.narSize { return }
        if hash == info.narHash {
            throw ImageError(
                .invalidInput, "the registration is wrong about", path: info.path.path,
                reason:
                    "it says that its NAR has \(info.narSize) bytes; what is there has the registered hash, and \(size)",
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
