/// The FAT as a whole.
extension FATCheck {
    /// Bytes of the FAT that are compared at once.
    private static let step: UInt64 = 1 << 16

    /// Compares the copies, looks at the first two entries, and learns which clusters are taken.
    mutating func checkTable(_ hear: (Finding) -> Void) throws(ImageError) {
        try compareCopies(hear)
        try checkFirstEntries(hear)
        let table = volume.table
        var bad = FATClusterSet()
        var badCount: UInt64 = 0
        let progress = progress
        free = try table.readAll { (cluster, value) throws(ImageError) in
            if cluster & 0xFFF == 0 { try progress?.checkCancelled() }
            if table.classify(value) == .bad {
                _ = bad.insert(cluster)
                badCount += 1
            } else {
                _ = taken.insert(cluster)
            }
        }
        guard badCount > 0 else { return }
        var first: UInt64?
        bad.runs(notIn: FATClusterSet()) { first = first ?? $0.first }
        hear(
            Finding(
                .fatBadClusters,
                badCount == 1 ? "1 cluster is marked as bad" : "\(badCount) clusters are marked as bad",
                offset: first.map { table.offset(ofEntry: $0) }))
    }

    private func compareCopies(_ hear: (Finding) -> Void) throws(ImageError) {
        // Flags may say that only one copy is kept up to date.
        guard layout.fatCopies > 1, !layout.hasOneFAT else { return }
        // What lies after the last cluster's entry says nothing.
        let length = min(
            layout.fatSize, ((layout.clusterCount + 2) * UInt64(layout.kind.rawValue)).dividedRoundingUp(by: 8))
        for copy in 0..<layout.fatCopies where copy != layout.activeFAT {
            let begin = layout.fatOffset + copy * layout.fatSize
            var count = 0
            var first: UInt64?
            var start: UInt64 = 0
            while start < length {
                try progress?.checkCancelled()
                let size = Int(min(Self.step, length - start))
                let one = try source.read(size, at: layout.activeFATOffset + start)
                let other = try source.read(size, at: begin + start)
                if one != other {
                    for index in one.indices where one[index] != other[index] {
                        count += 1
                        first = first ?? start + UInt64(index)
                    }
                }
                start += UInt64(size)
            }
            guard let first else { continue }
            let cluster = first * 8 / UInt64(layout.kind.rawValue)
            hear(
                Finding(
                    .fatCopies,
                    "copy \(copy + 1) of the FAT differs from copy \(layout.activeFAT + 1) in \(count) bytes, the first "
                        + "in the entry of cluster \(cluster)", offset: begin + first))
        }
    }

    /// Entry 0 repeats the kind of disk, and entry 1 is an end of chain in which two bits of FAT16 and FAT32 are clear
    /// while the filesystem is in use, or after the disk had errors. (Specification 1.03, section "FAT Data Structure".)
    private func checkFirstEntries(_ hear: (Finding) -> Void) throws(ImageError) {
        let table = volume.table
        let zeroth = try table.value(of: 0)
        let first = try table.value(of: 1)
        let ones = (1 as UInt64) << UInt64(min(layout.kind.rawValue, 28)) - 1
        if zeroth != ones & ~0xFF | UInt64(layout.media) {
            hear(
                Finding(
                    .fatMedia,
                    "the first entry of the FAT is \(hex(zeroth)), and should be \(hex(ones & ~0xFF | UInt64(layout.media)))",
                    offset: table.offset(ofEntry: 0)))
        }
        let offset = table.offset(ofEntry: 1)
        let (clean, sound): (UInt64, UInt64) =
            switch layout.kind {
            case .fat12: (0, 0)
            case .fat16: (1 << 15, 1 << 14)
            case .fat32: (1 << 27, 1 << 26)
            }
        if first & clean != clean { hear(Finding(.fatDirty, "the FAT says that it is in use", offset: offset)) }
        if first & sound != sound {
            hear(Finding(.fatDiskErrors, "the FAT says that the disk had errors", offset: offset))
        }
        if first | clean | sound < ones & ~7 {
            hear(
                Finding(
                    .fatMedia, "the second entry of the FAT is \(hex(first)), which is no end of a chain",
                    offset: offset))
        }
    }

    private func hex(_ value: UInt64) -> String { "0x" + String(value, radix: 16) }
}
