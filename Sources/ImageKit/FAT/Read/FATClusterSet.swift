/// A set of clusters, as a bitmap in pages. Only pages with a cluster take memory, 4 KiB for 32,768 clusters.
struct FATClusterSet {
    private var pages: [UInt64: [UInt64]] = [:]
    private static let clustersPerPage: UInt64 = 1 << 15

    /// Inserts a cluster; `false` if the set contains it already.
    mutating func insert(_ cluster: UInt64) -> Bool {
        let index = cluster % Self.clustersPerPage
        let word = Int(index / 64)
        let bit: UInt64 = 1 << (index % 64)
        // Changed in place: copying the page for each cluster would be slow.
        return pages[
            cluster / Self.clustersPerPage, default: [UInt64](repeating: 0, count: Int(Self.clustersPerPage / 64))
        ].withUnsafeMutableBufferPointer { page in
            if page[word] & bit != 0 { return false }
            page[word] |= bit
            return true
        }
    }

    /// Calls `body` for each extent of clusters that are in this set and not in the other, in ascending order.
    func forEachExtent(notIn excluded: FATClusterSet, _ body: (FATExtent) -> Void) {
        var extent = FATExtent(first: 0, count: 0)
        for (index, page) in pages.sorted(by: { $0.key < $1.key }) {
            let excludedPage = excluded.pages[index]
            for (wordIndex, word) in page.enumerated() {
                var remaining = excludedPage.map { word & ~$0[wordIndex] } ?? word
                while remaining != 0 {
                    let bit = UInt64(wordIndex * 64 + remaining.trailingZeroBitCount)
                    let cluster = index * Self.clustersPerPage + bit
                    remaining &= remaining - 1
                    if extent.first + extent.count == cluster {
                        extent.count += 1
                        continue
                    }
                    if extent.count > 0 { body(extent) }
                    extent = FATExtent(first: cluster, count: 1)
                }
            }
        }
        if extent.count > 0 { body(extent) }
    }
}
