/// Asks the kernel for file data before it is needed, so that a cold disk is read at its queue depth.
///
/// Each thread has one of its own: before it reads its piece of the image, it asks for the one that will be needed next; the
/// requests of several threads add up to the depth.
struct Prefetcher {
    private let map: SegmentMap
    /// What the thread has read from disks since this was made, and since it was last asked.
    private let reads = DiskReads()
    private var lately: DiskReads?
    /// What is shorter comes with one read.
    private static let shortest: UInt64 = 64 << 10

    init(_ map: SegmentMap) {
        self.map = map
    }

    /// Requests what lies in a range of the disk, once a disk was read for the thread, and the first time, when nobody knows
    /// yet: small files only where one was read since it last asked, be it only because of that. A file that cannot be
    /// opened is no error here; reading it will be.
    mutating func run(_ range: Range<UInt64>) {
        // Where all lies in memory, asking would be a hundredth of the work.
        if lately != nil, !reads.isCold { return }
        let shortest = lately?.isCold == true ? 1 : Self.shortest
        lately = DiskReads()
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
