/// Asks for the host's files that an image takes while it is still being planned, where they lie on a cold disk.
///
/// Small files are compared, and would be read one by one by whoever compresses them; in files of some hundred KiB, planning
/// reads a little here and there, which is as much work for a disk as all of it. Large files are left out: of them planning
/// reads little, and the disk has time for them while the processor compresses.
///
/// It asks for no more than a part of the memory that is free, and stops when it goes away.
struct ReadAhead: ~Copyable {
    private let state: Monitor<State>
    private var threads = Threads()
    /// Whether something had to be read from a disk, so that it began to ask.
    let isNeeded: Bool

    private struct State {
        var next = 0
        /// Bytes that may still be asked for.
        var left: UInt64

        /// The next of the files; none once one was too much, for whichever thread.
        mutating func take(from ids: [HostFiles.FileID], of files: HostFiles) -> HostFiles.FileID? {
            guard next < ids.count else { return nil }
            let size = files.identity(of: ids[next]).size
            guard size <= left else {
                left = 0
                return nil
            }
            left -= size
            next += 1
            return ids[next - 1]
        }
    }

    private static let threadCount = 4
    /// Files from this size on, in bytes, are left to whoever reads them: ``ContentSampler`` reads less of these.
    private static let large = ContentSampler.leastWindows * ContentSampler.stride
    /// Files that are looked at to find out whether it is worth while.
    private static let probes = 64

    /// Begins to ask for a tree's files, in its order.
    ///
    /// - Parameters:
    ///   - isCold: whether a disk had to be read for their names. If not, a few files are looked at first.
    ///   - budget: bytes that may be asked for.
    init(_ tree: FileTree, isCold: Bool, budget: @autoclosure () -> UInt64 = HostMemory.spare / 4) {
        let files = tree.hostFiles
        let ids = tree.nodes.filter { $0.kind == .file && $0.storage == .host && 0 < $0.size && $0.size < Self.large }
            .map { HostFiles.FileID(index: UInt32($0.place)) }
        // How much memory is free is asked only where something is to be read.
        let budget = isCold || Self.mustRead(ids, of: files) ? budget() : 0
        let state = Monitor(State(left: budget))
        self.state = state
        isNeeded = budget > 0
        guard isNeeded else { return }
        for _ in 0..<Self.threadCount {
            // Without it, all only takes longer.
            try? threads.start {
                while let file = state.change({ $0.take(from: ids, of: files) }) {
                    guard let open = try? HostFile(file, of: files, isChecked: false) else { continue }
                    open.prefetch(files.identity(of: file).size, at: 0)
                }
            }
        }
    }

    /// Asks for no more. What was asked for still comes.
    consuming func stop() {}

    /// Waits until all is asked for, as far as it may be.
    consuming func stopWhenDone() { threads.join() }

    deinit { state.change { $0.left = 0 } }

    /// Whether some of the files must be read from a disk: a few of them are looked at.
    private static func mustRead(_ ids: [HostFiles.FileID], of files: HostFiles) -> Bool {
        let reads = DiskReads()
        return stride(from: 0, to: ids.count, by: max(1, ids.count.dividedRoundingUp(by: probes))).contains { index in
            withUnsafeTemporaryAllocation(byteCount: 1, alignment: 1) { byte in
                try? HostFile(ids[index], of: files, isChecked: false).read(into: byte, at: 0)
            }
            return reads.isCold
        }
    }
}
