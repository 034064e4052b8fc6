extension FATVolume {
    /// A name that a walk has come to, and where what it leads to lies.
    public struct Visit: Sendable {
        /// How many directories it is in; 0 for the root directory, which has no name.
        public let depth: Int
        /// The file or directory.
        public let entry: Entry
        /// Where its clusters lie, in bytes of the source, as far as the FAT leads.
        public let data: [Range<UInt64>]
    }

    /// Visits every name, a directory before what is in it, in the order in which they stand there. What is damaged is left
    /// out: clusters that another file has, directories that are in themselves, names that cannot be.
    ///
    /// - Throws: ``ImageError/Code/doesNotFit`` where there are more than ``entryLimit`` entries; what reading throws.
    public func walk(_ visit: (Visit) throws(ImageError) -> Void) throws(ImageError) {
        var claims: FATClusterSet? = FATClusterSet()
        var levels: [[Entry]] = []
        var count = 0

        func come(to entry: Entry) throws(ImageError) {
            let depth = levels.count
            guard entry.isDirectory else {
                // A chain may be longer than the file needs: those clusters are taken all the same.
                var chain = FATChain()
                if layout.clusters.contains(entry.firstCluster) {
                    chain = try FATChain(
                        table, layout, from: entry.firstCluster, atMost: layout.clusterCount, claims: &claims)
                }
                return try visit(Visit(depth: depth, entry: entry, data: places(of: chain)))
            }
            let slots = try places(of: entry, claims: &claims) { (_) throws(ImageError) in }
            try visit(Visit(depth: depth, entry: entry, data: fixedRoot(entry) == nil ? slots : []))
            var found: [Entry] = []
            if depth < Self.depthLimit {
                try readEntries(of: entry, in: slots) { (entry) throws(ImageError) in
                    count += 1
                    guard count <= Self.entryLimit else { throw Self.tooMany() }
                    found.append(entry)
                    return true
                } onDamage: { (_) throws(ImageError) in
                    // An entry without a name has nothing to be shown by.
                }
            }
            levels.append(found.reversed())
        }

        try come(to: root)
        while let level = levels.indices.last {
            if let entry = levels[level].popLast() {
                try come(to: entry)
            } else {
                levels.removeLast()
            }
        }
    }

    /// What the FAT calls free, in bytes of the source, ascending.
    ///
    /// - Parameter limit: as many clusters are looked at from the first one on, which bounds the time; those after them are
    ///   not told.
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
