/// Asks the kernel for file data before it is needed, so that a cold disk is read at its queue depth.
///
/// Each thread has its own. Before it reads its range of the image, it requests the files of its next range. The
/// requests of all threads together fill the queue.
struct Prefetcher {
    private let map: SegmentMap
    /// The thread's disk reads since this value was made.
    private let reads = DiskReads()
    /// The thread's disk reads since the start of the last call; `nil` before the first call.
    private var recentReads: DiskReads?
    /// The shortest segment that is prefetched while the disk seems warm, in bytes. Others take one request anyway.
    private static let minimumLength: UInt64 = 64 << 10

    init(_ map: SegmentMap) {
        self.map = map
    }

    /// Prefetches the files in a range of the image.
    ///
    /// The first call always does so. Later calls do nothing until this thread has read from a disk. Small files are
    /// included only if the thread has read from a disk since the start of the last call, or in that call itself.
    ///
    /// A file that cannot be opened is not an error here: reading it will throw the error.
    mutating func run(_ range: Range<UInt64>) {
        // If all files are in memory, the requests would cost a hundredth of the run time.
        if recentReads != nil, !reads.isCold { return }
        let minimumLength = recentReads?.isCold == true ? 1 : Self.minimumLength
        recentReads = DiskReads()
        var index = map.firstSegment(endingAfter: range.lowerBound)
        while index < map.segments.count, map.segments[index].offset < range.upperBound {
            let segment = map.segments[index]
            if segment.length >= minimumLength, case .file(let table, let file, let start) = segment.content {
                let first = max(segment.offset, range.lowerBound)
                let length = min(segment.end, range.upperBound) - first
                if let open = try? HostFile(file, of: map.tables[Int(table)], isChecked: false) {
                    open.prefetch(length, at: start + first - segment.offset)
                }
            }
            index += 1
        }
    }
}
