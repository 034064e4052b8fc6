/// The block bitmaps, group after group.
extension Ext4GroupCheck {
    /// The clusters of one group that are claimed. Bits count from the group's first cluster.
    private struct ClaimedClusters {
        var all: Ext4Bitmap
        /// Those of the filesystem itself.
        var metadata: Ext4Bitmap
    }

    /// Compares the block bitmaps with the claims, and finds blocks that are claimed twice.
    /// - Returns: the sum of the free clusters that the groups state.
    func checkBlocks() throws(ImageError) -> UInt64 {
        let sorted = census.sortedClaims()
        if superblock.clusterBlocks == 1 {
            checkTwice(sorted)
        } else if sorted.contains(where: { $0.owner != 0 }) {
            census.report(.ext4Unsupported, "the block bitmaps are not compared with files where clusters are in use")
        }
        let claims = Self.disjoint(sorted)
        var free: UInt64 = 0
        var next = 0
        var leaked: UInt64 = 0
        for group in 0..<groups.count {
            try census.checkCancelled()
            free = free.addingClamping(groups[group].freeClusters)
            let claimed = claimedClusters(of: group, claims, from: &next)
            guard let marked = try markedClusters(of: group, claimed) else { continue }
            if superblock.clusterBlocks == 1 { compareBlocks(of: group, claimed.all, marked, claims, &leaked) }
        }
        if leaked > 0, census.isPartial, !census.isUnsupported {
            census.report(.ext4BlockLeaked, "\(leaked) blocks are in use, and belong to nothing that can be read")
        }
        return free
    }

    private func clusters(of group: Int) -> Int {
        Int(blocks(of: group).length.dividedRoundingUp(by: superblock.clusterBlocks))
    }

    /// - Parameter next: the first claim that may be in the group; advanced to the group's first claim.
    private func claimedClusters(
        of group: Int, _ claims: [Ext4Census.Claim], from next: inout Int
    ) -> ClaimedClusters {
        let ratio = superblock.clusterBlocks
        let range = blocks(of: group), count = clusters(of: group)
        var claimed = ClaimedClusters(all: Ext4Bitmap(count: count), metadata: Ext4Bitmap(count: count))
        while next < claims.count, claims[next].end <= range.lowerBound { next += 1 }
        var index = next
        while index < claims.count, claims[index].first < range.upperBound {
            let blocks = range.clamped(to: claims[index].first..<claims[index].end)
            if !blocks.isEmpty {
                let first = Int((blocks.lowerBound - range.lowerBound) / ratio)
                let end = Int((blocks.upperBound - range.lowerBound).dividedRoundingUp(by: ratio))
                claimed.all.set(first..<end)
                if claims[index].owner == 0 { claimed.metadata.set(first..<end) }
            }
            index += 1
        }
        return claimed
    }

    /// The clusters in use by the bitmap, which is compared with the descriptor.
    /// - Returns: `nil` if the bitmap is outside of the filesystem.
    private func markedClusters(of group: Int, _ claimed: ClaimedClusters) throws(ImageError) -> Ext4Bitmap? {
        let descriptor = groups[group]
        let count = clusters(of: group)
        var marked = claimed.metadata
        if !(hasGroupChecksums && descriptor.hasNoBlocks) {
            let found = try bitmap(
                "block", of: group, at: descriptor.blockBitmap,
                bits: Int(superblock.information.blocksPerGroup / superblock.clusterBlocks), used: count,
                checksum: descriptor.blockBitmapChecksum, .ext4BlockBitmapChecksum)
            guard let found else { return nil }
            marked = found
        }
        compare(
            .ext4FreeBlocks, "free blocks of group \(group)", descriptor.freeClusters, marked.free(count),
            offset(ofDescriptor: group))
        return marked
    }

    /// Compares a group's blocks in use with its bitmap.
    /// - Parameter leaked: the number of blocks that only the bitmap has is added to it.
    private func compareBlocks(
        of group: Int, _ claimed: Ext4Bitmap, _ marked: Ext4Bitmap, _ claims: [Ext4Census.Claim],
        _ leaked: inout UInt64
    ) {
        let start = blocks(of: group).lowerBound, count = clusters(of: group)
        claimed.forEachRange(notIn: marked, count) { range in
            let first = start + UInt64(range.lowerBound)
            let owner = Self.owner(of: first, claims)
            census.report(
                .ext4BlockFree,
                "\(range.count) blocks from \(first) on are in use by "
                    + "\(owner == 0 ? "the filesystem itself" : "inode \(owner)"), and free in the bitmap",
                inode: owner, offset: first * superblock.blockSize)
        }
        marked.forEachRange(notIn: claimed, count) { range in
            leaked += UInt64(range.count)
            guard !census.isPartial, !hasOrphans else { return }
            let first = start + UInt64(range.lowerBound)
            census.report(
                .ext4BlockLeaked,
                "\(range.count) blocks from \(first) on are in use in the bitmap, and belong to nothing",
                offset: first * superblock.blockSize)
        }
    }

    // MARK: Claims

    /// Reports blocks that two owners claim.
    private func checkTwice(_ claims: [Ext4Census.Claim]) {
        guard !superblock.has(.sharedBlocks) else { return }
        var last: Ext4Census.Claim?
        for claim in claims {
            if let last, claim.first < last.end {
                let (file, second) = claim.owner == 0 ? (last.owner, claim.owner) : (claim.owner, last.owner)
                let count = min(claim.end, last.end) - claim.first
                let words = "\(count) blocks from \(claim.first) on are twice in use: by "
                let offset = claim.first * superblock.blockSize
                if file == 0 {
                    census.report(.ext4GroupLocation, words + "the filesystem itself", offset: offset)
                } else {
                    census.report(
                        .ext4BlockTwice,
                        words + "inode \(file) and by \(second == 0 ? "the filesystem itself" : "inode \(second)")",
                        inode: file, second: second == 0 ? nil : second, offset: offset)
                }
            }
            if last == nil || claim.end > (last?.end ?? 0) { last = claim }
        }
    }

    /// Claims without the blocks that an earlier claim has: ascending, so that they follow the groups.
    private static func disjoint(_ claims: [Ext4Census.Claim]) -> [Ext4Census.Claim] {
        var found: [Ext4Census.Claim] = []
        found.reserveCapacity(claims.count)
        for var claim in claims {
            if let end = found.last?.end, claim.first < end {
                guard claim.end > end else { continue }
                claim.count -= UInt32(end - claim.first)
                claim.first = end
            }
            found.append(claim)
        }
        return found
    }

    /// The owner of a block among disjoint claims; 0 for the filesystem itself, and for a block without an owner.
    private static func owner(of block: UInt64, _ claims: [Ext4Census.Claim]) -> UInt32 {
        let index = claims.partitioningIndex { $0.end > block }
        return index < claims.count && claims[index].first <= block ? claims[index].owner : 0
    }
}
