/// The clusters of a file or directory, as far as the FAT leads from one to the next.
struct FATChain {
    /// Clusters that follow each other: the first, and how many.
    struct Run: Equatable {
        var first: UInt64
        var count: UInt64
    }

    /// How it came to an end.
    enum End: Equatable {
        /// With a cluster that the FAT calls the last.
        case last
        /// It goes on, but as many clusters as were asked for have been followed.
        case longer
        /// It is broken: in this way, said in words, and by the entry of the FAT that lies here.
        case broken(Fault, reason: String, offset: UInt64?)
    }

    /// How it is broken.
    enum Fault: Equatable {
        /// Where it should begin, there is no cluster.
        case start
        /// It comes to this cluster, which was claimed before.
        case claimed(UInt64)
        /// It comes to a free cluster.
        case free
        /// It comes to a bad cluster.
        case bad
        /// It comes to a number that no cluster has.
        case range
    }

    private(set) var runs: [Run] = []
    /// Clusters in all runs.
    private(set) var count: UInt64 = 0
    private(set) var end = End.last

    /// No cluster at all.
    init() {}

    /// Follows the chain from `first` on, for at most `limit` clusters, and never more than there are.
    ///
    /// Neighbours are joined as they come, so that memory goes by the number of pieces. With `claims`, a cluster that
    /// was claimed before (by this chain: a circle; or by another: a cross-link) breaks the chain.
    /// - Throws: only what reading the source throws.
    init(
        _ table: FATTable, _ layout: FATLayout, from first: UInt64, atMost limit: UInt64,
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
        if let last = runs.last, last.first + last.count == cluster {
            runs[runs.count - 1].count += 1
        } else {
            runs.append(Run(first: cluster, count: 1))
        }
    }

    private func broken(_ fault: Fault, _ table: FATTable, after cluster: UInt64, _ reason: String) -> End {
        .broken(fault, reason: "its cluster \(cluster) \(reason)", offset: table.offset(ofEntry: cluster))
    }
}

/// Clusters that belong to somebody. Only parts of the volume where some do take memory, 4 KiB for 32,768 clusters.
struct FATClusterSet {
    private var pages: [UInt64: [UInt64]] = [:]
    private static let clustersPerPage: UInt64 = 1 << 15

    /// Puts a cluster in; `false` where it is in already.
    mutating func insert(_ cluster: UInt64) -> Bool {
        let place = cluster % Self.clustersPerPage
        let word = Int(place / 64)
        let bit: UInt64 = 1 << (place % 64)
        // Changed in place: a copy of the page for each cluster would be slow.
        return pages[
            cluster / Self.clustersPerPage, default: [UInt64](repeating: 0, count: Int(Self.clustersPerPage / 64))
        ].withUnsafeMutableBufferPointer { page in
            if page[word] & bit != 0 { return false }
            page[word] |= bit
            return true
        }
    }

    /// Takes the runs of clusters that are in this set and not in the other, lowest first.
    func runs(notIn other: FATClusterSet, _ take: (FATChain.Run) -> Void) {
        var run = FATChain.Run(first: 0, count: 0)
        for (index, page) in pages.sorted(by: { $0.key < $1.key }) {
            let others = other.pages[index]
            for (place, word) in page.enumerated() {
                var left = others.map { word & ~$0[place] } ?? word
                while left != 0 {
                    let cluster = index * Self.clustersPerPage + UInt64(place * 64 + left.trailingZeroBitCount)
                    left &= left - 1
                    if run.first + run.count == cluster {
                        run.count += 1
                        continue
                    }
                    if run.count > 0 { take(run) }
                    run = FATChain.Run(first: cluster, count: 1)
                }
            }
        }
        if run.count > 0 { take(run) }
    }
}
