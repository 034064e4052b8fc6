/// Which clusters hold what. They are given out from the first on, each directory and file in one run.
///
/// ```
///   FAT entry   0          1        2    3    4        5        6    ...
///               ├ media ···┤ end ···┤ 3 ─▶ 4 ─▶ end ···┤ end ···┤ 7 ─▶ ····  0 0 0 (free)
///                                   └─ one chain ──────┘
/// ```
///
/// Microsoft FAT specification 1.03, section "FAT Data Structure".
struct FATAllocation {
    /// Clusters in one run: the first, and how many.
    typealias Run = (first: UInt64, count: UInt64)

    private let width: FATGeometry.Width
    private var ends: [UInt64] = []
    /// The next cluster that is free.
    private(set) var next: UInt64 = 2

    /// None given out.
    init(_ width: FATGeometry.Width) {
        self.width = width
    }

    /// Clusters given out.
    var used: UInt64 { next - 2 }

    /// Gives out `count` clusters. (That there are enough was made sure before.) An empty run has cluster 0, which is
    /// how an empty file's entry says that there is none.
    mutating func take(_ count: UInt64) -> Run {
        guard count > 0 else { return (0, 0) }
        let run = (first: next, count: count)
        next += count
        ends.append(next - 1)
        return run
    }

    /// The FAT's sectors up to the last that has a used entry; what follows is zero.
    func encoded() -> [UInt8] {
        let size = Int(width.entrySize)
        var table = [UInt8](repeating: 0, count: (Int(next) * size).roundedUp(to: Int(FATGeometry.sectorSize)))
        func set(_ cluster: UInt64, _ value: UInt32) {
            switch width {
            case .fat16: table.store(UInt16(truncatingIfNeeded: value), at: Int(cluster) * size)
            case .fat32: table.store(value & 0x0FFF_FFFF, at: Int(cluster) * size)  // the top 4 bits are not ours
            }
        }
        let end: UInt32 = 0xFFFF_FFFF
        set(0, end << 8 | UInt32(FATBootSector.media))
        set(1, end)  // with the bits that say: cleanly unmounted, no errors
        for cluster in 2..<next { set(cluster, UInt32(truncatingIfNeeded: cluster + 1)) }
        for last in ends { set(last, end) }
        return table
    }
}
