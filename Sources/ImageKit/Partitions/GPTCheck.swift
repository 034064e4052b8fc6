/// Checks both headers of a GUID partition table, and their entries.
struct GPTCheck {
    let source: any ByteSource

    /// One of the two, as far as it could be read.
    private enum Copy {
        case absent
        case damaged(String, offset: UInt64)
        case sound(GPTHeader, [Partition])
    }

    /// The length of a sector by which there is a GPT, damaged or not: `nil` where there is none.
    func sectorSize() throws(ImageError) -> UInt64? {
        if let size = try sectorSize(isFirst: true) { return size }
        return try sectorSize(isFirst: false)
    }

    /// Whether there is a header where the first one should be.
    func hasFirst() throws(ImageError) -> Bool { try sectorSize(isFirst: true) != nil }

    private func sectorSize(isFirst: Bool) throws(ImageError) -> UInt64? {
        for size in [512, 4096] as [UInt64] where source.size >= 2 * size {
            let offset = isFirst ? size : (source.size / size - 1) * size
            if try source.read(GPTHeader.signature.count, at: offset) == GPTHeader.signature { return size }
        }
        return nil
    }

    /// - Returns: the partitions, where one of the two tables has them.
    func run(_ sectorSize: UInt64, _ hear: (Finding) -> Void) throws(ImageError) -> [Partition]? {
        let last = source.size / sectorSize - 1
        let first = try read(1, sectorSize)
        guard case .sound(let header, let partitions) = first else {
            let copy = try read(last, sectorSize)
            let rest = if case .sound = copy { "; the copy at the disk's end is sound" } else { "" }
            switch first {
            case .damaged(let reason, let offset): hear(Finding(.gptPrimary, reason + rest, offset: offset))
            default: hear(Finding(.gptPrimary, "there is no header in sector 1" + rest, offset: sectorSize))
            }
            switch copy {
            case .sound(let header, let partitions):
                checkRanges(header, partitions, hear)
                return partitions
            case .damaged(let reason, let offset): hear(Finding(.gptBackup, reason, offset: offset))
            case .absent: hear(Finding(.gptBackup, "there is no header in the last sector", offset: last * sectorSize))
            }
            return nil
        }
        checkRanges(header, partitions, hear)
        try checkCopy(of: header, partitions, last, hear)
        return partitions
    }

    private func checkCopy(
        of header: GPTHeader, _ partitions: [Partition], _ last: UInt64, _ hear: (Finding) -> Void
    ) throws(ImageError) {
        guard header.other <= last else {
            hear(
                Finding(
                    .gptBackupMissing, "the copy should be in sector \(header.other), and the last one is \(last)",
                    offset: header.sectorSize))
            return
        }
        let offset = header.other.multipliedClamping(by: header.sectorSize)
        switch try read(header.other, header.sectorSize) {
        case .absent: hear(Finding(.gptBackup, "there is no header in sector \(header.other)", offset: offset))
        case .damaged(let reason, let offset): hear(Finding(.gptBackup, reason, offset: offset))
        case .sound(let copy, let others):
            if copy.disk != header.disk || others != partitions || copy.firstUsable != header.firstUsable
                || copy.lastUsable != header.lastUsable
            {
                hear(Finding(.gptBackup, "the copy of the table is not the same as the first", offset: offset))
            } else if header.other != last {
                hear(
                    Finding(
                        .gptBackupPlace, "the copy is in sector \(header.other), and the last one is \(last)",
                        offset: offset))
            }
        }
    }

    private func checkRanges(_ header: GPTHeader, _ partitions: [Partition], _ hear: (Finding) -> Void) {
        for partition in partitions {
            let first = partition.bytes.lowerBound / header.sectorSize
            let last = partition.bytes.upperBound / header.sectorSize - 1
            if first >= header.firstUsable, last <= header.lastUsable { continue }
            hear(
                Finding(
                    .gptRange,
                    "partition \(partition.number) has sectors \(first) to \(last), and partitions may have "
                        + "\(header.firstUsable) to \(header.lastUsable)", offset: partition.bytes.lowerBound))
        }
    }

    /// Reads a header and its entries. What cannot be read is an error; what is wrong is none.
    private func read(_ sector: UInt64, _ sectorSize: UInt64) throws(ImageError) -> Copy {
        let offset = sector.multipliedClamping(by: sectorSize)
        guard offset <= source.size, source.size - offset >= sectorSize else { return .absent }
        // Once before, so that an error of the source is not taken for damage of the table.
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
        if entries <= source.size, length <= source.size - entries, length <= GPTHeader.tableLimit {
            _ = try source.read(Int(length), at: entries)
        }
        do throws(ImageError) {
            return .sound(header, try header.partitions(source))
        } catch {
            return .damaged(error.reason ?? error.message, offset: error.offset ?? offset)
        }
    }
}
