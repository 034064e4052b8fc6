/// Checks a disk's partition table: an MBR with its logical partitions, or a GPT with its copy.
///
/// The content of the partitions is not read. Memory: the entries of one table, at most a few MiB.
struct PartitionCheck {
    let source: any ByteSource

    /// Partitions should begin at multiples of this.
    private static let alignment: UInt64 = 1 << 20

    /// Checks the table of a disk.
    ///
    /// - Parameter onFinding: called for each finding. Offsets are from the start of the disk.
    /// - Throws: only errors of reading the source.
    static func run(_ source: any ByteSource, onFinding: (Finding) -> Void) throws(ImageError) {
        try PartitionCheck(source: source).run(onFinding: onFinding)
    }

    private func run(onFinding report: (Finding) -> Void) throws(ImageError) {
        let sector = try source.read(Int(min(MBRTable.sectorSize, source.size)), at: 0)
        let mbr = Result { () throws(ImageError) in try MBRTable.entries(in: sector) }
        let entries = (try? mbr.get())?.entries ?? []
        let protective = entries.first { $0.type == MBREntry.protectiveType }
        let gpt = GPTCheck(source: source)
        // A copy at the end alone remains on a disk if an MBR has replaced a GPT.
        let isLeftover = try !gpt.hasFirst() && !entries.isEmpty && protective == nil
        if !isLeftover, let sectorSize = try gpt.sectorSize() {
            checkProtection(protective, entries, onFinding: report)
            guard let partitions = try gpt.run(sectorSize, onFinding: report) else { return }
            checkRanges(partitions, onFinding: report)
            checkIdentifiers(partitions, onFinding: report)
            return
        }
        switch mbr {
        case .failure(let error):
            report(Finding(.partitionTable, error.reason ?? "there is none", offset: error.offset ?? 0))
        case .success where protective != nil:
            report(Finding(.gptPrimary, "the MBR says that there is a GPT, and there is none", offset: 512))
        case .success(let mbr): try checkMBR(mbr, onFinding: report)
        }
    }

    private func checkMBR(
        _ mbr: (diskID: UInt32, entries: [MBREntry]), onFinding report: (Finding) -> Void
    ) throws(ImageError) {
        let table = try PartitionTable.readMBR(mbr, source) { (fault, sector) in
            report(Self.finding(of: fault, at: sector))
        }
        checkRanges(table.partitions, onFinding: report)
        checkLogical(table.partitions, onFinding: report)
        let active = table.partitions.filter(\.isActive).map { String($0.number) }
        if active.count > 1 {
            report(
                Finding(
                    .partitionActive, "partitions \(active.joined(separator: ", ")) are all marked to boot from",
                    offset: UInt64(MBRTable.Field.entries)))
        }
        if mbr.diskID == 0 {
            report(
                Finding(.partitionIdentifier, "the disk's identifier is 0", offset: UInt64(MBRTable.Field.diskID)))
        }
    }

    private static func finding(of fault: PartitionTable.ChainFault, at sector: UInt64) -> Finding {
        let offset = sector.multipliedClamping(by: MBRTable.sectorSize)
        switch fault {
        case .pastEnd:
            return Finding(
                .partitionChain, "the chain of logical partitions leads to sector \(sector), past the disk's end",
                offset: offset)
        case .missing:
            return Finding(
                .partitionChain, "the chain of logical partitions leads to sector \(sector), which is no table",
                offset: offset)
        case .circle:
            return Finding(
                .partitionChainCircle, "the chain of logical partitions comes back to sector \(sector)", offset: offset)
        case .tooLong:
            return Finding(
                .partitionChain, "there are more than \(PartitionTable.maximumLogicalPartitions) logical partitions",
                offset: offset)
        }
    }

    /// Checks the ranges of partitions: they are on the disk, after the table, aligned, and do not overlap.
    private func checkRanges(_ partitions: [Partition], onFinding report: (Finding) -> Void) {
        for partition in partitions {
            let start = partition.bytes.lowerBound
            if partition.bytes.upperBound > source.size {
                report(
                    Finding(
                        .partitionPastEnd,
                        "partition \(partition.number) ends at byte \(partition.bytes.upperBound), and the disk has "
                            + "\(source.size)", offset: start))
            }
            if start == 0 {
                report(Finding(.partitionOnTable, "partition \(partition.number) begins with the table", offset: 0))
            }
        }
        let sorted = partitions.filter { !$0.isExtended }.sorted { $0.bytes.lowerBound < $1.bytes.lowerBound }
        if let first = sorted.first, first.bytes.lowerBound % Self.alignment != 0 {
            report(
                Finding(
                    .partitionAlignment,
                    "partition \(first.number) begins at byte \(first.bytes.lowerBound), which is no "
                        + "multiple of 1 MiB", offset: first.bytes.lowerBound))
        }
        checkOverlaps(sorted, onFinding: report)
        // An extended partition shares its bytes with logical ones only. (There are at most four other partitions.)
        for extended in partitions where extended.isExtended {
            for partition in partitions where partition.number <= 4 && partition.bytes.overlaps(extended.bytes) {
                // The overlap of two extended partitions is reported once.
                if partition.number == extended.number { continue }
                if partition.isExtended, partition.number < extended.number { continue }
                reportOverlap(extended, partition, onFinding: report)
            }
        }
    }

    /// - Parameter sorted: partitions by their first byte.
    private func checkOverlaps(_ sorted: [Partition], onFinding report: (Finding) -> Void) {
        guard var last = sorted.first else { return }
        for partition in sorted.dropFirst() {
            if partition.bytes.lowerBound < last.bytes.upperBound {
                reportOverlap(last, partition, onFinding: report)
            }
            if partition.bytes.upperBound > last.bytes.upperBound { last = partition }
        }
    }

    private func reportOverlap(_ left: Partition, _ right: Partition, onFinding report: (Finding) -> Void) {
        let first = min(left.number, right.number), second = max(left.number, right.number)
        report(
            Finding(
                .partitionOverlap, "partitions \(first) and \(second) overlap",
                offset: max(left.bytes.lowerBound, right.bytes.lowerBound)))
    }

    /// Checks that logical partitions are inside an extended one.
    private func checkLogical(_ partitions: [Partition], onFinding report: (Finding) -> Void) {
        let extended = partitions.filter(\.isExtended)
        for partition in partitions where partition.number > 4 {
            let isInside = extended.contains {
                $0.bytes.lowerBound < partition.bytes.lowerBound && partition.bytes.upperBound <= $0.bytes.upperBound
            }
            if isInside { continue }
            report(
                Finding(
                    .partitionOutside, "logical partition \(partition.number) is not inside the extended one",
                    offset: partition.bytes.lowerBound))
        }
    }

    private func checkIdentifiers(_ partitions: [Partition], onFinding report: (Finding) -> Void) {
        var known: [String: Int] = [:]
        for partition in partitions {
            guard let id = partition.id else { continue }
            if let first = known.updateValue(partition.number, forKey: id) {
                report(
                    Finding(
                        .gptSameIdentifier, "partitions \(first) and \(partition.number) have the identifier \(id)",
                        offset: partition.bytes.lowerBound))
            }
        }
    }

    /// Checks the MBR before a GPT. Its only entry covers the whole disk, so that programs that do not know GPT find no
    /// free space.
    private func checkProtection(
        _ protective: MBREntry?, _ entries: [MBREntry], onFinding report: (Finding) -> Void
    ) {
        func reportEntries(_ kind: Finding.Kind, _ what: String) {
            report(Finding(kind, what, offset: UInt64(MBRTable.Field.entries)))
        }
        guard let protective else {
            reportEntries(.gptUnprotected, "the MBR before the GPT does not protect it")
            return
        }
        if protective.start != 1 {
            reportEntries(
                .gptUnprotected,
                "the MBR's protecting entry begins at sector \(protective.start), and should at 1")
        } else if entries.count > 1 {
            reportEntries(
                .gptProtection,
                "the MBR has \(entries.count - 1) partitions besides the entry that protects the GPT")
        }
    }
}
