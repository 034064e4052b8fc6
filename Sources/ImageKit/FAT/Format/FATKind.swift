/// The kind of a FAT filesystem: the number of bits that the FAT has for each cluster.
///
/// The number of clusters decides it, not a field on the disk. Source: Microsoft FAT specification 1.03, section "FAT
/// Type Determination".
public enum FATKind: Int, Hashable, Sendable {
    /// 12 bits a cluster, up to 4084 clusters, a root directory of fixed size.
    case fat12 = 12
    /// 16 bits a cluster, 4085 to 65,524 clusters, a root directory of fixed size.
    case fat16 = 16
    /// 32 bits a cluster, of which 28 count, 65,525 clusters or more, a root directory in clusters.
    case fat32 = 32

    /// Bits of an entry in the FAT.
    var bits: UInt64 { UInt64(rawValue) }

    /// The numbers of clusters that a filesystem of this kind can have.
    var clusterCounts: ClosedRange<UInt64> {
        switch self {
        case .fat12: 1...4084
        case .fat16: 4085...65_524
        case .fat32: 65_525...0x0FFF_FFF4
        }
    }
}
