/// Asks the kernel for file data before it is needed, so that a cold disk is read at its queue depth.
///
/// Each thread, before it reads its own piece of the disk, asks for the one that will be needed next; the requests of
/// several threads add up to the depth.
struct Prefetcher {
    private let map: SegmentMap
    /// What is shorter comes with one read anyway, and asking would cost as much as reading.
    private static let shortest: UInt64 = 64 << 10

    init(_ map: SegmentMap) {
        self.map = map
    }

    /// Requests what lies in a range of the disk. A file that cannot be opened is no error here; reading it will be.
    func run(_ range: Range<UInt64>) {
        var index = map.firstSegment(endingAfter: range.lowerBound)
        while index < map.segments.count, map.segments[index].offset < range.upperBound {
            let segment = map.segments[index]
            if segment.length >= Self.shortest, case .file(let table, let file, let start) = segment.content {
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
