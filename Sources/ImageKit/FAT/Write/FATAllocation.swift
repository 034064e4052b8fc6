/// The assignment of clusters to directories and files. Clusters are allocated from the first on, one extent for each
/// directory and file.
///
/// ```
///   FAT entry   0          1        2    3    4        5        6    ...
///               ├ media ···┤ end ···┤ 3 ─▶ 4 ─▶ end ···┤ end ···┤ 7 ─▶ ····  0 0 0 (free)
///                                   └─ one chain ──────┘
/// ```
///
/// Source: Microsoft FAT specification 1.03, section "FAT Data Structure".
struct FATAllocation {
    private let kind: FATKind
    /// The last clusters of all chains.
    private var ends: [UInt64] = []
    /// The first free cluster.
    private(set) var next: UInt64 = 2

    /// A FAT in which all clusters are free.
    init(_ kind: FATKind) {
        self.kind = kind
    }

    /// The number of allocated clusters.
    var used: UInt64 { next - 2 }

    /// Allocates `count` clusters. The caller has made sure that there are enough. An empty extent has cluster 0, which
    /// is the value in the entry of an empty file.
    mutating func allocate(_ count: UInt64) -> FATExtent {
        guard count > 0 else { return FATExtent(first: 0, count: 0) }
        let extent = FATExtent(first: next, count: count)
        next += count
        ends.append(next - 1)
        return extent
    }

    /// The FAT's sectors up to the last one with an entry that is used; the rest is zero.
    func encoded() -> [UInt8] {
        let size = Int(kind.bits / 8)
        var table = [UInt8](repeating: 0, count: (Int(next) * size).roundedUp(to: Int(FATGeometry.sectorSize)))
        func set(_ cluster: UInt64, _ value: UInt32) {
            if kind == .fat32 {
                table.store(value & 0x0FFF_FFFF, at: Int(cluster) * size)  // the top 4 bits are reserved
            } else {
                table.store(UInt16(truncatingIfNeeded: value), at: Int(cluster) * size)
            }
        }
        let end: UInt32 = 0xFFFF_FFFF
        set(0, end << 8 | UInt32(FATBootSector.media))
        set(1, end)  // its top bits mean: cleanly unmounted, no errors
        for cluster in 2..<next { set(cluster, UInt32(truncatingIfNeeded: cluster + 1)) }
        for last in ends { set(last, end) }
        return table
    }
}
