/// The FAT as a whole.
extension FATCheck {
    /// The bytes of the FAT that are compared at once.
    private static let chunkSize: UInt64 = 1 << 16

    /// Compares the copies, checks the first two entries, and collects the clusters in use.
    mutating func checkTable(onFinding report: (Finding) -> Void) throws(ImageError) {
        try compareCopies(onFinding: report)
        try checkFirstEntries(onFinding: report)
        let table = volume.table
        var bad = FATClusterSet()
        var badCount: UInt64 = 0
        let progress = progress
        free = try table.forEachUsedEntry { (cluster, value) throws(ImageError) in
            if cluster & 0xFFF == 0 { try progress?.checkCancelled() }
            if table.classify(value) == .bad {
                _ = bad.insert(cluster)
                badCount += 1
            } else {
                _ = used.insert(cluster)
            }
        }
        guard badCount > 0 else { return }
        var first: UInt64?
        bad.forEachExtent(notIn: FATClusterSet()) { first = first ?? $0.first }
        report(
            Finding(
                .fatBadClusters,
                badCount == 1 ? "1 cluster is marked as bad" : "\(badCount) clusters are marked as bad",
                offset: first.map { table.offset(ofEntry: $0) }))
    }

    private func compareCopies(onFinding report: (Finding) -> Void) throws(ImageError) {
        // Flags may say that only one copy is kept up to date.
        guard layout.fatCopies > 1, !layout.isMirroringOff else { return }
        // The bytes after the last cluster's entry have no meaning.
        let length = min(layout.fatSize, ((layout.clusterCount + 2) * layout.kind.bits).dividedRoundingUp(by: 8))
        for copy in 0..<layout.fatCopies where copy != layout.activeFAT {
            let copyOffset = layout.fatOffset + copy * layout.fatSize
            var count = 0
            var first: UInt64?
            var start: UInt64 = 0
            while start < length {
                try progress?.checkCancelled()
                let size = Int(min(Self.chunkSize, length - start))
                let active = try source.read(size, at: layout.activeFATOffset + start)
                let copied = try source.read(size, at: copyOffset + start)
                if active != copied {
                    for index in active.indices where active[index] != copied[index] {
                        count += 1
                        first = first ?? start + UInt64(index)
                    }
                }
                start += UInt64(size)
            }
            guard let first else { continue }
            let cluster = first * 8 / layout.kind.bits
            report(
                Finding(
                    .fatCopies,
                    "copy \(copy + 1) of the FAT differs from copy \(layout.activeFAT + 1) in \(count) bytes, the "
                        + "first in the entry of cluster \(cluster)", offset: copyOffset + first))
        }
    }

    /// Checks the first two entries. Entry 0 repeats the kind of disk. Entry 1 is an end of chain with two special bits
    /// in FAT16 and FAT32: one is clear while the filesystem is in use, the other after the disk had errors. (Source:
    /// specification 1.03, section "FAT Data Structure".)
    private func checkFirstEntries(onFinding report: (Finding) -> Void) throws(ImageError) {
        let table = volume.table
        let zeroth = try table.value(of: 0)
        let first = try table.value(of: 1)
        let allBits = (1 as UInt64) << UInt64(min(layout.kind.rawValue, 28)) - 1
        let expected = allBits & ~0xFF | UInt64(layout.media)
        if zeroth != expected {
            report(
                Finding(
                    .fatMedia, "the first entry of the FAT is \(hex(zeroth)), and should be \(hex(expected))",
                    offset: table.offset(ofEntry: 0)))
        }
        let offset = table.offset(ofEntry: 1)
        let (clean, sound): (UInt64, UInt64) =
            switch layout.kind {
            case .fat12: (0, 0)
            case .fat16: (1 << 15, 1 << 14)
            case .fat32: (1 << 27, 1 << 26)
            }
        if first & clean != clean { report(Finding(.fatDirty, "the FAT says that it is in use", offset: offset)) }
        if first & sound != sound {
            report(Finding(.fatDiskErrors, "the FAT says that the disk had errors", offset: offset))
        }
        if first | clean | sound < allBits & ~7 {
            report(
                Finding(
                    .fatMedia, "the second entry of the FAT is \(hex(first)), which is no end of a chain",
                    offset: offset))
        }
    }

    private func hex(_ value: UInt64) -> String { "0x" + String(value, radix: 16) }
}
