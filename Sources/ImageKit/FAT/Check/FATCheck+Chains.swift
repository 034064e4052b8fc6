/// Chains of clusters: each cluster belongs to one file or directory.
extension FATCheck {
    /// Follows a chain, tells what is wrong with it, and gives its clusters to their owner.
    mutating func follow(
        _ first: UInt64, of owner: Int, _ path: String, _ hear: (Finding) -> Void
    ) throws(ImageError) -> FATChain {
        let chain = try FATChain(volume.table, layout, from: first, atMost: layout.clusterCount, claims: &claims)
        owners.give(owner, chain.runs)
        if chain.end == .longer {
            // It has every cluster that there is, and goes on.
            hear(Finding(.fatChainCircle, "its chain comes back to a cluster of it", path: path))
        }
        guard case .broken(let fault, let reason, let offset) = chain.end else { return chain }
        func tell(_ kind: Finding.Kind, _ what: String) { hear(Finding(kind, what, path: path, offset: offset)) }
        switch fault {
        case .start: tell(.fatChainStart, reason)
        case .free: tell(.fatChainFree, reason)
        case .bad: tell(.fatChainBad, reason)
        case .range: tell(.fatChainRange, reason)
        case .claimed(let cluster):
            if chain.runs.contains(where: { cluster >= $0.first && cluster - $0.first < $0.count }) {
                tell(.fatChainCircle, "its chain comes back to cluster \(cluster)")
            } else {
                // Who has it is known when all pieces are in order.
                crossings.append((cluster, owner, offset))
            }
        }
        return chain
    }

    /// A file's chain, against its size.
    mutating func checkFile(
        _ owner: Int, _ path: String, size: UInt64, cluster: UInt64, entryOffset: UInt64, _ hear: (Finding) -> Void
    ) throws(ImageError) {
        let needed = size.dividedRoundingUp(by: layout.clusterSize)
        let sizeOffset = entryOffset + UInt64(FATDirectoryEntry.Field.size)
        guard size > 0 || cluster != 0 else { return }
        let chain = try follow(cluster, of: owner, path, hear)
        // What is broken has been told, and has no length that counts.
        guard chain.end == .last, chain.count != needed else { return }
        let clusters = chain.count == 1 ? "1 cluster" : "\(chain.count) clusters"
        hear(
            Finding(
                chain.count > needed ? .fatChainLong : .fatChainShort,
                "it has \(size) bytes, which need \(needed), and has \(clusters)", path: path, offset: sizeOffset))
    }

    /// Tells of clusters that two have, and which two they are.
    mutating func tellCrossings(_ hear: (Finding) -> Void) {
        guard !crossings.isEmpty else { return }
        owners.sort()
        for (cluster, owner, offset) in crossings {
            let other = owners.owner(of: cluster).map { "'\(owners.path(of: $0))'" } ?? "something else"
            hear(
                Finding(
                    .fatCrossLink, "cluster \(cluster) belongs to it and to \(other)", path: owners.path(of: owner),
                    offset: offset))
        }
    }
}
