/// Asks for the host's files that an image takes while it is still being planned, where they lie on a cold disk: all but
/// large ones, since comparing them and looking for what is alike reads some of nearly every block of theirs. Of large files
/// planning reads little, and the disk has time for them while the processor compresses.
///
/// It asks for no more than a part of the memory that is free, and stops when it goes away.
struct ReadAhead: ~Copyable {
    private let state: Monitor<State>
    private var threads = Threads()
    /// Whether there was anything to be done.
    let isAtWork: Bool

    private struct State {
        var next = 0
        /// Bytes that may still be asked for.
        var left: UInt64

        /// The next file that is to be asked for.
        mutating func take(from files: HostFiles) -> HostFiles.FileID? {
            while next < files.count {
                let file = HostFiles.FileID(index: UInt32(next))
                let size = files.identity(of: file).size
                next += 1
                guard size > 0, size < ReadAhead.large else { continue }
                // The first that is too much is the end, for all threads.
                left = size <= left ? left - size : 0
                return left > 0 ? file : nil
            }
            return nil
        }
    }

    private static let threadCount = 4
    /// Files from this size on, in bytes, are left to whoever reads them: ``ContentSampler`` reads less of these.
    private static let large = ContentSampler.leastWindows * ContentSampler.stride
    /// Files that are looked at to find out whether it is worth while.
    private static let probes = 64

    /// Begins to ask for `files`, in their order.
    ///
    /// - Parameters:
    ///   - isCold: whether a disk had to be read for their names. If not, a few files are looked at first.
    ///   - budget: bytes that may be asked for.
    init(_ files: HostFiles, isCold: Bool, budget: UInt64 = HostMemory.spare / 4) {
        let state = Monitor(State(left: budget))
        self.state = state
        isAtWork = budget > 0 && (isCold || Self.mustRead(files))
        guard isAtWork else { return }
        for _ in 0..<Self.threadCount {
            // Without it, all only takes longer.
            try? threads.start {
                while let file = state.change({ $0.take(from: files) }) {
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

    /// Whether some of `files` must be read from a disk: a few of them are looked at.
    private static func mustRead(_ files: HostFiles) -> Bool {
        var reads = DiskReads()
        for index in stride(from: 0, to: files.count, by: max(1, files.count / probes)) {
            withUnsafeTemporaryAllocation(byteCount: 1, alignment: 1) { byte in
                let file = HostFiles.FileID(index: UInt32(index))
                guard files.identity(of: file).size > 0 else { return }
                try? HostFile(file, of: files, isChecked: false).read(into: byte, at: 0)
            }
            if reads.look() { return true }
        }
        return false
    }
}
