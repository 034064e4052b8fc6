/// Checks a disk's partition table: an MBR with its logical partitions, or a GPT with its copy.
///
/// Nothing of the partitions' content is looked at. Memory: one table's entries, at most a few MiB.
public struct PartitionCheck {
    let source: any ByteSource

    /// Boundaries at which partitions should begin.
    private static let alignment: UInt64 = 1 << 20

    /// Checks the table of a disk.
    ///
    /// - Parameter onFinding: hears what is found, with offsets from the disk's beginning.
    /// - Throws: only what reading the source throws.
    public static func run(_ source: any ByteSource, onFinding hear: (Finding) -> Void) throws(ImageError) {
        try PartitionCheck(source: source).run(hear)
    }

    private func run(_ hear: (Finding) -> Void) throws(ImageError) {
        let sector = try source.read(Int(min(MBRTable.sectorSize, source.size)), at: 0)
        var mbr: (diskID: UInt32, entries: [MBREntry])?
        var failure: ImageError?
        do throws(ImageError) {
            mbr = try MBRTable.entries(in: sector)
        } catch {
            failure = error
        }
        let protecting = mbr?.entries.first { $0.type == PartitionTable.protectiveType }
        let gpt = GPTCheck(source: source)
        // A copy at the end alone is what a disk has left of a GPT that an MBR took the place of.
        let hasFirst = try gpt.hasFirst()
        let isLeftover = mbr?.entries.isEmpty == false && protecting == nil && !hasFirst
        if !isLeftover, let sectorSize = try gpt.sectorSize() {
            checkProtection(protecting, mbr?.entries ?? [], hear)
            guard let partitions = try gpt.run(sectorSize, hear) else { return }
            checkPlaces(partitions, hear)
            checkIdentifiers(partitions, hear)
            return
        }
        guard let mbr else {
            hear(Finding(.partitionTable, failure?.reason ?? "there is none", offset: failure?.offset ?? 0))
            return
        }
        if protecting != nil {
            hear(Finding(.gptPrimary, "the MBR says that there is a GPT, and there is none", offset: 512))
            return
        }
        let table = try PartitionTable.readMBR(mbr, source) { (fault, place) in
            hear(Self.finding(of: fault, at: place))
        }
        checkPlaces(table.partitions, hear)
        checkLogical(table.partitions, hear)
        let active = table.partitions.filter(\.isActive).map { String($0.number) }
        if active.count > 1 {
            hear(
                Finding(
                    .partitionActive, "partitions \(active.joined(separator: ", ")) are all marked to boot from",
                    offset: MBRTable.entriesOffset))
        }
        if mbr.diskID == 0 {
            hear(Finding(.partitionIdentifier, "the disk's identifier is 0", offset: MBRTable.diskIDOffset))
        }
    }

    private static func finding(of fault: PartitionTable.ChainFault, at place: UInt64) -> Finding {
        let offset = place.multipliedClamping(by: MBRTable.sectorSize)
        switch fault {
        case .pastEnd:
            return Finding(
                .partitionChain, "the chain of logical partitions leads to sector \(place), past the disk's end",
                offset: offset)
        case .missing:
            return Finding(
                .partitionChain, "the chain of logical partitions leads to sector \(place), which is no table",
                offset: offset)
        case .circle:
            return Finding(
                .partitionChainCircle, "the chain of logical partitions comes back to sector \(place)", offset: offset)
        case .tooLong:
            return Finding(
                .partitionChain, "there are more than \(PartitionTable.logicalLimit) logical partitions", offset: offset
            )
        }
    }

    /// Where partitions lie: on the disk, not on each other, not on the table.
    private func checkPlaces(_ partitions: [Partition], _ hear: (Finding) -> Void) {
        for partition in partitions {
            let start = partition.bytes.lowerBound
            if partition.bytes.upperBound > source.size {
                hear(
                    Finding(
                        .partitionPastEnd,
                        "partition \(partition.number) ends at byte \(partition.bytes.upperBound), and the disk has "
                            + "\(source.size)", offset: start))
            }
            if start == 0 {
                hear(Finding(.partitionOnTable, "partition \(partition.number) begins with the table", offset: 0))
            }
        }
        let sorted = partitions.filter { !$0.isExtended }.sorted { $0.bytes.lowerBound < $1.bytes.lowerBound }
        if let first = sorted.first, first.bytes.lowerBound % Self.alignment != 0 {
            hear(
                Finding(
                    .partitionAlignment,
                    "partition \(first.number) begins at byte \(first.bytes.lowerBound), which is no "
                        + "multiple of 1 MiB", offset: first.bytes.lowerBound))
        }
        checkOverlaps(sorted, hear)
        // An extended partition shares its place with the logical ones alone. (There are four others at most.)
        for one in partitions where one.isExtended {
            for other in partitions where other.number <= 4 && other.bytes.overlaps(one.bytes) {
                // Two extended ones are told once.
                if other.number == one.number || (other.isExtended && other.number < one.number) { continue }
                tellOverlap(one, other, hear)
            }
        }
    }

    /// - Parameter sorted: partitions by where they begin.
    private func checkOverlaps(_ sorted: [Partition], _ hear: (Finding) -> Void) {
        guard var last = sorted.first else { return }
        for partition in sorted.dropFirst() {
            if partition.bytes.lowerBound < last.bytes.upperBound { tellOverlap(last, partition, hear) }
            if partition.bytes.upperBound > last.bytes.upperBound { last = partition }
        }
    }

    private func tellOverlap(_ one: Partition, _ other: Partition, _ hear: (Finding) -> Void) {
        let numbers = [one.number, other.number].sorted()
        hear(
            Finding(
                .partitionOverlap, "partitions \(numbers[0]) and \(numbers[1]) overlap",
                offset: max(one.bytes.lowerBound, other.bytes.lowerBound)))
    }

    /// Logical partitions lie in an extended one.
    private func checkLogical(_ partitions: [Partition], _ hear: (Finding) -> Void) {
        let extended = partitions.filter(\.isExtended)
        for partition in partitions where partition.number > 4 {
            let isInside = extended.contains {
                $0.bytes.lowerBound < partition.bytes.lowerBound && partition.bytes.upperBound <= $0.bytes.upperBound
            }
            if isInside { continue }
            hear(
                Finding(
                    .partitionOutside, "logical partition \(partition.number) is not inside the extended one",
                    offset: partition.bytes.lowerBound))
        }
    }

    private func checkIdentifiers(_ partitions: [Partition], _ hear: (Finding) -> Void) {
        var known: [String: Int] = [:]
        for partition in partitions {
            guard let id = partition.id else { continue }
            if let other = known.updateValue(partition.number, forKey: id) {
                hear(
                    Finding(
                        .gptSameIdentifier, "partitions \(other) and \(partition.number) have the identifier \(id)",
                        offset: partition.bytes.lowerBound))
            }
        }
    }

    /// The MBR's one entry covers the whole disk, so that nobody who does not know GPT takes it for free.
    private func checkProtection(
        _ protecting: MBREntry?, _ entries: [MBREntry], _ hear: (Finding) -> Void
    ) {
        func tell(_ kind: Finding.Kind, _ what: String) {
            hear(Finding(kind, what, offset: MBRTable.entriesOffset))
        }
        guard let protecting else {
            tell(.gptUnprotected, "the MBR before the GPT does not protect it")
            return
        }
        if protecting.start != 1 {
            tell(.gptUnprotected, "the MBR's protecting entry begins at sector \(protecting.start), and should at 1")
        } else if entries.count > 1 {
            tell(
                .gptProtection,
                "the MBR has \(entries.count - 1) partitions besides the entry that protects the GPT")
        }
    }
}
