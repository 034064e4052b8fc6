/// Chains of clusters: each cluster belongs to one file or directory.
extension FATCheck {
    /// Follows a chain, reports its damage, and assigns its clusters to their owner.
    mutating func follow(
        _ first: UInt64, of owner: Int, _ path: String, onFinding report: (Finding) -> Void
    ) throws(ImageError) -> FATChain {
        let chain = try FATChain(volume.table, layout, from: first, atMost: layout.clusterCount, claims: &claims)
        owners.assign(chain.extents, to: owner)
        if chain.end == .longer {
            // It contains every cluster of the volume, and continues.
            report(Finding(.fatChainCircle, "its chain comes back to a cluster of it", path: path))
        }
        guard case .broken(let fault, let reason, let offset) = chain.end else { return chain }
        func reportFault(_ kind: Finding.Kind, _ what: String) {
            report(Finding(kind, what, path: path, offset: offset))
        }
        switch fault {
        case .start: reportFault(.fatChainStart, reason)
        case .free: reportFault(.fatChainFree, reason)
        case .bad: reportFault(.fatChainBad, reason)
        case .range: reportFault(.fatChainRange, reason)
        case .claimed(let cluster):
            if chain.extents.contains(where: { cluster >= $0.first && cluster - $0.first < $0.count }) {
                reportFault(.fatChainCircle, "its chain comes back to cluster \(cluster)")
            } else {
                // The other owner can be found when all extents are sorted.
                crossLinks.append((cluster, owner, offset))
            }
        }
        return chain
    }

    /// Compares a file's chain with its size.
    mutating func checkFile(
        _ owner: Int, _ path: String, size: UInt64, cluster: UInt64, entryOffset: UInt64,
        onFinding report: (Finding) -> Void
    ) throws(ImageError) {
        let needed = size.dividedRoundingUp(by: layout.clusterSize)
        let sizeOffset = entryOffset + UInt64(FATDirectoryEntry.Field.size)
        guard size > 0 || cluster != 0 else { return }
        let chain = try follow(cluster, of: owner, path, onFinding: report)
        // A damaged chain has been reported, and its length has no meaning.
        guard chain.end == .last, chain.count != needed else { return }
        let clusters = chain.count == 1 ? "1 cluster" : "\(chain.count) clusters"
        report(
            Finding(
                chain.count > needed ? .fatChainLong : .fatChainShort,
                "it has \(size) bytes, which need \(needed), and has \(clusters)", path: path, offset: sizeOffset))
    }

    /// Reports clusters that belong to two files or directories, with the paths of both.
    mutating func reportCrossLinks(onFinding report: (Finding) -> Void) {
        guard !crossLinks.isEmpty else { return }
        owners.sort()
        for (cluster, owner, offset) in crossLinks {
            let first = owners.owner(of: cluster).map { "'\(owners.path(of: $0))'" } ?? "something else"
            report(
                Finding(
                    .fatCrossLink, "cluster \(cluster) belongs to it and to \(first)", path: owners.path(of: owner),
                    offset: offset))
        }
    }
}
