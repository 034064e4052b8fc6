import Synchronization

/// The progress of an operation. The operation updates it; any thread can read it at any time.
public final class Progress: Sendable {
    /// The step that is going on: first the steps of a build, in their order, then those of other operations.
    public enum Phase: Int, Sendable, CaseIterable {
        /// The operation has not begun.
        case idle
        /// Finding the closure's store paths and their registration.
        case closure
        /// Walking store paths, or directories to extract.
        case scan
        /// Finding files of the same content.
        case deduplicate
        /// Sampling files to find similar parts.
        case sample
        /// Laying out the filesystems.
        case layout
        /// Reading, compressing and writing an image, or writing extracted files.
        case write
        /// Hashing the store paths that were not hashed while writing.
        case check
        /// Flushing the output to the disk.
        case flush
        /// Decompressing an image that cannot be read at random offsets.
        case decompress
        /// Comparing two images.
        case compare
        /// Checking the structures of an image's filesystems.
        case filesystems
        /// Hashing an image's store paths.
        case storePaths
    }

    /// The counters, each read by itself.
    public struct Snapshot: Sendable, Equatable {
        /// The current phase.
        public var phase: Phase
        /// The completed part of the phase: bytes in ``Phase/write``, ``Phase/decompress`` and ``Phase/storePaths``,
        /// items in other phases.
        public var done: UInt64
        /// The size of the phase, in the same unit; 0 if it is not known.
        public var total: UInt64
        /// Bytes written to the output.
        public var written: UInt64
    }

    private let phase = Atomic<Int>(0)
    private let done = Atomic<UInt64>(0)
    private let total = Atomic<UInt64>(0)
    private let written = Atomic<UInt64>(0)
    private let stop = Atomic<Bool>(false)
    private let failure = Mutex<ImageError?>(nil)

    /// A progress in ``Phase/idle``.
    public init() {}

    /// The current state.
    public var snapshot: Snapshot {
        Snapshot(
            phase: Phase(rawValue: phase.load(ordering: .acquiring)) ?? .idle, done: done.load(ordering: .relaxed),
            total: total.load(ordering: .relaxed), written: written.load(ordering: .relaxed))
    }

    /// Asks the operation to stop. It throws ``ImageError/Code/cancelled`` soon after.
    public func cancel() { stop.store(true, ordering: .relaxed) }

    /// Asks the operation to stop with the error of one of its threads. The first error counts.
    func fail(_ error: ImageError) {
        failure.withLock { $0 = $0 ?? error }
        cancel()
    }

    /// Whether `phase` is the current one and fewer than `units` of it are done.
    func isBefore(_ units: UInt64, of phase: Phase) -> Bool {
        let snapshot = snapshot
        return snapshot.phase == phase && snapshot.done < units
    }

    /// Begins a phase of `units`; 0 if their number is not known.
    func begin(_ next: Phase, total units: UInt64 = 0) throws(ImageError) {
        try checkCancelled()
        done.store(0, ordering: .relaxed)
        total.store(units, ordering: .relaxed)
        phase.store(next.rawValue, ordering: .releasing)
    }

    /// Counts `units` of the phase as done.
    func advance(_ units: UInt64 = 1) { done.wrappingAdd(units, ordering: .relaxed) }

    /// Counts `bytes` as written to the output.
    func wrote(_ bytes: UInt64) { written.wrappingAdd(bytes, ordering: .relaxed) }

    /// Throws after ``cancel()`` or ``fail(_:)``.
    func checkCancelled() throws(ImageError) {
        guard stop.load(ordering: .relaxed) else { return }
        throw failure.withLock { $0 } ?? ImageError(.cancelled, "stopped on request")
    }
}
