/// Asks the kernel for file data before it is needed, so that a cold disk is read at its queue depth.
///
/// Each thread has one of its own: before it reads its piece of the image, it asks for the one that will be needed next; the
/// requests of several threads add up to the depth.
struct Prefetcher {
    private let map: SegmentMap
    private var reads = DiskReads()
    /// What is shorter comes with one read, and where it lies in memory already, asking would cost as much as reading.
    private static let shortest: UInt64 = 64 << 10

    init(_ map: SegmentMap) {
        self.map = map
    }

    /// Requests what lies in a range of the disk: small files only where the thread had to wait for a disk since it last
    /// asked. A file that cannot be opened is no error here; reading it will be.
    mutating func run(_ range: Range<UInt64>) {
        let shortest = reads.isCold ? 1 : Self.shortest
        reads = DiskReads()
        var index = map.firstSegment(endingAfter: range.lowerBound)
        while index < map.segments.count, map.segments[index].offset < range.upperBound {
            let segment = map.segments[index]
            if segment.length >= shortest, case .file(let table, let file, let start) = segment.content {
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
