extension FATVolume {
    /// A file or directory during a walk, and the location of its data.
    public struct Visit: Sendable {
        /// The number of directories above it; 0 for the root directory, which has no name.
        public let depth: Int
        /// The file or directory.
        public let entry: Entry
        /// The byte ranges of the source with its clusters, up to the first damage of its chain.
        public let data: [Range<UInt64>]
    }

    /// Visits every name in the order on the disk, each directory before its entries. Damaged parts are left out:
    /// clusters of another file, directories that contain themselves, impossible names.
    ///
    /// - Throws: ``ImageError/Code/doesNotFit`` if there are more than ``maximumEntries`` entries; errors of reading
    ///   the source.
    public func walk(_ visit: (Visit) throws(ImageError) -> Void) throws(ImageError) {
        var claims: FATClusterSet? = FATClusterSet()
        var levels: [[Entry]] = []
        var count = 0

        func enter(_ entry: Entry) throws(ImageError) {
            let depth = levels.count
            guard entry.isDirectory else {
                // Clusters beyond the file's size belong to it as well.
                var chain = FATChain()
                if layout.clusters.contains(entry.firstCluster) {
                    chain = try FATChain(
                        table, layout, from: entry.firstCluster, atMost: layout.clusterCount, claims: &claims)
                }
                return try visit(Visit(depth: depth, entry: entry, data: byteRanges(of: chain)))
            }
            let slots = try slotRanges(of: entry, claims: &claims) { (_) throws(ImageError) in }
            try visit(Visit(depth: depth, entry: entry, data: fixedRoot(entry) == nil ? slots : []))
            var found: [Entry] = []
            if depth < Self.maximumDepth {
                try readEntries(of: entry, in: slots) { (entry) throws(ImageError) in
                    count += 1
                    guard count <= Self.maximumEntries else { throw Self.tooMany() }
                    found.append(entry)
                    return true
                } onDamage: { (_) throws(ImageError) in
                    // An entry without a valid name cannot be shown.
                }
            }
            levels.append(found.reversed())
        }

        try enter(root)
        while let level = levels.indices.last {
            if let entry = levels[level].popLast() {
                try enter(entry)
            } else {
                levels.removeLast()
            }
        }
    }

    /// The byte ranges of the source with free clusters, ascending.
    ///
    /// - Parameter limit: the number of clusters to examine, from the first one on, which bounds the time.
    public func freeRanges(atMost limit: UInt64 = 1 << 22) throws(ImageError) -> [Range<UInt64>] {
        var found: [Range<UInt64>] = []
        let clusters = layout.clusters
        for cluster in clusters.lowerBound..<min(clusters.upperBound, clusters.lowerBound.addingClamping(limit)) {
            guard try table.entry(of: cluster) == .free else { continue }
            let start = layout.offset(ofCluster: cluster)
            if let last = found.last, last.upperBound == start {
                found[found.count - 1] = last.lowerBound..<start + layout.clusterSize
            } else {
                found.append(start..<start + layout.clusterSize)
            }
        }
        return found
    }
}
