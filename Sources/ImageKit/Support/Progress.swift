import Synchronization

/// How far a piece of work has come: written by the work, read by whoever shows it (at any time, from any thread).
public final class Progress: Sendable {
    /// What is being done: first what a build does, in its order, then what other work does.
    public enum Phase: Int, Sendable, CaseIterable {
        /// Nothing yet.
        case idle
        /// Finding the closure's store paths and their registration.
        case closure
        /// Walking the store paths.
        case scan
        /// Finding files with the same content.
        case deduplicate
        /// Looking for parts of files that are alike.
        case sample
        /// Laying out the filesystems.
        case layout
        /// Reading, compressing and writing.
        case write
        /// Hashing the store paths that have not been hashed beside the writing.
        case check
        /// Bringing the output to the disk.
        case flush
        /// Decompressing an image that cannot be read in parts.
        case decompress
        /// Comparing two images.
        case compare
        /// Checking the structure of an image's filesystems.
        case filesystems
        /// Hashing the store paths of an image.
        case storePaths
    }

    /// A moment's state.
    public struct Snapshot: Sendable, Equatable {
        /// The current phase.
        public var phase: Phase
        /// What is done of it: bytes in ``Phase/write``, ``Phase/decompress`` and ``Phase/storePaths``, items
        /// elsewhere.
        public var done: UInt64
        /// What there is to do in it, in the same unit; 0 where nobody knows.
        public var total: UInt64
        /// Bytes that have reached the output.
        public var written: UInt64
    }

    private let phase = Atomic<Int>(0)
    private let done = Atomic<UInt64>(0)
    private let total = Atomic<UInt64>(0)
    private let written = Atomic<UInt64>(0)
    private let stop = Atomic<Bool>(false)
    private let failure = Mutex<ImageError?>(nil)

    /// Starts at ``Phase/idle``.
    public init() {}

    /// The state now.
    public var snapshot: Snapshot {
        Snapshot(
            phase: Phase(rawValue: phase.load(ordering: .acquiring)) ?? .idle, done: done.load(ordering: .relaxed),
            total: total.load(ordering: .relaxed), written: written.load(ordering: .relaxed))
    }

    /// Asks the work to stop: it throws ``ImageError/Code/cancelled`` soon after.
    public func cancel() { stop.store(true, ordering: .relaxed) }

    /// Asks the work to stop with this error, which another part of it met. The first one counts.
    func fail(_ error: ImageError) {
        failure.withLock { $0 = $0 ?? error }
        cancel()
    }

    /// Whether a phase is going on and has not come to `units` yet.
    func isBefore(_ units: UInt64, of phase: Phase) -> Bool {
        let snapshot = snapshot
        return snapshot.phase == phase && snapshot.done < units
    }

    /// Begins a phase of `total` units.
    func begin(_ next: Phase, total units: UInt64 = 0) throws(ImageError) {
        try checkCancelled()
        done.store(0, ordering: .relaxed)
        total.store(units, ordering: .relaxed)
        phase.store(next.rawValue, ordering: .releasing)
    }

    /// Counts units of the phase as done.
    func advance(_ units: UInt64 = 1) { done.wrappingAdd(units, ordering: .relaxed) }

    /// Counts bytes as written to the output.
    func wrote(_ bytes: UInt64) { written.wrappingAdd(bytes, ordering: .relaxed) }

    /// Throws when somebody asked the work to stop.
    func checkCancelled() throws(ImageError) {
        guard stop.load(ordering: .relaxed) else { return }
        throw failure.withLock { $0 } ?? ImageError(.cancelled, "stopped on request")
    }
}
