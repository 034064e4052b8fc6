/// Checks both headers of a GUID partition table, and their entries.
struct GPTCheck {
    let source: any ByteSource

    /// One of the two headers, with its partitions.
    private enum Copy {
        case absent
        case damaged(String, offset: UInt64)
        case sound(GPTHeader, [Partition])
    }

    /// The sector size with which a GPT is found, damaged or not; `nil` without a GPT.
    func sectorSize() throws(ImageError) -> UInt64? {
        if let size = try sectorSize(isFirst: true) { return size }
        return try sectorSize(isFirst: false)
    }

    /// Whether there is a header in sector 1, where the first one should be.
    func hasFirst() throws(ImageError) -> Bool { try sectorSize(isFirst: true) != nil }

    private func sectorSize(isFirst: Bool) throws(ImageError) -> UInt64? {
        for size in GPTHeader.sectorSizes where source.size >= 2 * size {
            let offset = isFirst ? size : (source.size / size - 1) * size
            if try source.read(GPTHeader.signature.count, at: offset) == GPTHeader.signature { return size }
        }
        return nil
    }

    /// Checks both headers and their entries.
    /// - Returns: the partitions of the first sound copy; `nil` if both are damaged.
    func run(_ sectorSize: UInt64, onFinding report: (Finding) -> Void) throws(ImageError) -> [Partition]? {
        let last = source.size / sectorSize - 1
        let first = try read(1, sectorSize)
        guard case .sound(let header, let partitions) = first else {
            let copy = try read(last, sectorSize)
            let rest = if case .sound = copy { "; the copy at the disk's end is sound" } else { "" }
            switch first {
            case .damaged(let reason, let offset): report(Finding(.gptPrimary, reason + rest, offset: offset))
            default: report(Finding(.gptPrimary, "there is no header in sector 1" + rest, offset: sectorSize))
            }
            switch copy {
            case .sound(let header, let partitions):
                checkRanges(header, partitions, onFinding: report)
                return partitions
            case .damaged(let reason, let offset): report(Finding(.gptBackup, reason, offset: offset))
            case .absent:
                report(Finding(.gptBackup, "there is no header in the last sector", offset: last * sectorSize))
            }
            return nil
        }
        checkRanges(header, partitions, onFinding: report)
        try checkCopy(of: header, partitions, last, onFinding: report)
        return partitions
    }

    private func checkCopy(
        of header: GPTHeader, _ partitions: [Partition], _ last: UInt64, onFinding report: (Finding) -> Void
    ) throws(ImageError) {
        guard header.alternate <= last else {
            report(
                Finding(
                    .gptBackupMissing, "the copy should be in sector \(header.alternate), and the last one is \(last)",
                    offset: header.sectorSize))
            return
        }
        let offset = header.alternate.multipliedClamping(by: header.sectorSize)
        switch try read(header.alternate, header.sectorSize) {
        case .absent: report(Finding(.gptBackup, "there is no header in sector \(header.alternate)", offset: offset))
        case .damaged(let reason, let offset): report(Finding(.gptBackup, reason, offset: offset))
        case .sound(let copy, let copiedPartitions):
            if copy.disk != header.disk || copiedPartitions != partitions || copy.firstUsable != header.firstUsable
                || copy.lastUsable != header.lastUsable
            {
                report(Finding(.gptBackup, "the copy of the table is not the same as the first", offset: offset))
            } else if header.alternate != last {
                report(
                    Finding(
                        .gptBackupPlace, "the copy is in sector \(header.alternate), and the last one is \(last)",
                        offset: offset))
            }
        }
    }

    private func checkRanges(_ header: GPTHeader, _ partitions: [Partition], onFinding report: (Finding) -> Void) {
        for partition in partitions {
            let first = partition.bytes.lowerBound / header.sectorSize
            let last = partition.bytes.upperBound / header.sectorSize - 1
            if first >= header.firstUsable, last <= header.lastUsable { continue }
            report(
                Finding(
                    .gptRange,
                    "partition \(partition.number) has sectors \(first) to \(last), and partitions may have "
                        + "\(header.firstUsable) to \(header.lastUsable)", offset: partition.bytes.lowerBound))
        }
    }

    /// Reads a header and its entries. Damage is part of the result, not an error.
    /// - Throws: only errors of reading the source.
    private func read(_ sector: UInt64, _ sectorSize: UInt64) throws(ImageError) -> Copy {
        let offset = sector.multipliedClamping(by: sectorSize)
        guard offset <= source.size, source.size - offset >= sectorSize else { return .absent }
        // Read once before, so that an error of the source is not mistaken for damage of the table.
        _ = try source.read(Int(sectorSize), at: offset)
        let header: GPTHeader
        do throws(ImageError) {
            guard let found = try GPTHeader(source, at: sector, sectorSize: sectorSize) else { return .absent }
            header = found
        } catch {
            return .damaged(error.reason ?? error.message, offset: error.offset ?? offset)
        }
        let entries = header.entriesSector.multipliedClamping(by: sectorSize)
        let length = header.entrySize.multipliedClamping(by: header.count)
        if entries <= source.size, length <= source.size - entries, length <= GPTHeader.maximumTableSize {
            _ = try source.read(Int(length), at: entries)
        }
        do throws(ImageError) {
            return .sound(header, try header.partitions(source))
        } catch {
            return .damaged(error.reason ?? error.message, offset: error.offset ?? offset)
        }
    }
}
