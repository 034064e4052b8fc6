/// The clusters of a file or directory, up to the end of the chain in the FAT or its first damage.
struct FATChain {
    /// The end of a chain.
    enum End: Equatable {
        /// The FAT marks the last cluster as the end.
        case last
        /// The chain continues after the requested number of clusters.
        case longer
        /// The chain is damaged. The reason is a clause for messages; the offset is that of the entry of the FAT.
        case broken(Fault, reason: String, offset: UInt64?)
    }

    /// The kinds of damage.
    enum Fault: Equatable {
        /// The first cluster does not exist.
        case start
        /// The chain leads to this cluster, which was claimed before.
        case claimed(UInt64)
        /// The chain leads to a free cluster.
        case free
        /// The chain leads to a bad cluster.
        case bad
        /// The chain leads to a cluster that does not exist.
        case range
    }

    private(set) var extents: [FATExtent] = []
    /// The number of clusters in all extents.
    private(set) var count: UInt64 = 0
    private(set) var end = End.last

    /// An empty chain.
    init() {}

    /// Follows the chain from `first` on, for at most `limit` clusters, and never more than the volume has.
    ///
    /// Neighbouring clusters are joined at once, so that memory is proportional to the number of extents. With
    /// `claims`, a cluster that was claimed before ends the chain: by this chain, which is a circle, or by another,
    /// which is a cross-link.
    /// - Throws: only errors of reading the source.
    init(
        _ table: FATTable, _ layout: FATVolume.Layout, from first: UInt64, atMost limit: UInt64,
        claims: inout FATClusterSet?
    ) throws(ImageError) {
        let limit = min(limit, layout.clusterCount)
        guard layout.clusters.contains(first) else {
            end = .broken(
                .start, reason: "its first cluster is \(first), and there are 2 to \(layout.clusterCount + 1)",
                offset: nil)
            return
        }
        var cluster = first
        var previous: UInt64?
        while true {
            guard count < limit else {
                end = .longer
                return
            }
            if claims?.insert(cluster) == false {
                end = .broken(
                    .claimed(cluster),
                    reason: "cluster \(cluster) is in two places: in this chain again, or in another file",
                    offset: previous.map { table.offset(ofEntry: $0) })
                return
            }
            append(cluster)
            switch try table.entry(of: cluster) {
            case .next(let next):
                (previous, cluster) = (cluster, next)
                continue
            case .end: break
            case .free: end = broken(.free, table, after: cluster, "leads to nothing, as if it were free")
            case .bad: end = broken(.bad, table, after: cluster, "is marked as bad")
            case .invalid(let value):
                end = broken(.range, table, after: cluster, "leads to cluster \(value), which does not exist")
            }
            return
        }
    }

    private mutating func append(_ cluster: UInt64) {
        count += 1
        if let last = extents.last, last.first + last.count == cluster {
            extents[extents.count - 1].count += 1
        } else {
            extents.append(FATExtent(first: cluster, count: 1))
        }
    }

    private func broken(_ fault: Fault, _ table: FATTable, after cluster: UInt64, _ reason: String) -> End {
        .broken(fault, reason: "its cluster \(cluster) \(reason)", offset: table.offset(ofEntry: cluster))
    }
}
