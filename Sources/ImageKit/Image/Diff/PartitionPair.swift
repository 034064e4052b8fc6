/// An image whose filesystems are open for a comparison.
struct ComparedImage {
    /// A partition and its content.
    struct Part {
        var partition: Partition
        /// Whether it is the firmware partition or the root; `nil` for others.
        var role: ImageAddress.Selector?
        var content: ContentKind
        var volume: ImageVolume?
        var bytes: SourceSlice
    }

    private(set) var parts: [Part]

    init(_ disk: DiskImage) throws(ImageError) {
        parts = try disk.table.partitions.filter { !$0.isExtended }.map { (partition) throws(ImageError) in
            let content = try disk.content(of: partition)
            return Part(
                partition: partition, content: content, volume: try disk.volume(of: partition, content: content),
                bytes: disk.bytes(of: partition))
        }
        for role in [ImageAddress.Selector.firmware, .root] {
            let found = try disk.find(role) { part in parts.first { $0.partition == part }?.content ?? .unknown }
            if let index = parts.firstIndex(where: { $0.partition == found }) { parts[index].role = role }
        }
    }

    var root: Part? { parts.first { $0.role == .root } }
    var firmware: Part? { parts.first { $0.role == .firmware } }
}

extension DiskImage {
    /// Bytes of the file; `nil` unless it is compressed.
    fileprivate var compressedSize: UInt64? {
        guard let container else { return nil }
        if case .raw = container.form { return nil }
        return container.fileSize
    }
}

/// Two partitions with the same role or number in two images, or one that only one of them has.
struct PartitionPair {
    typealias FieldChange = ImageDifference.FieldChange
    typealias Value = ImageDifference.Value

    var old: ComparedImage.Part?, new: ComparedImage.Part?

    /// Its name in an ``ImageAddress``: `firmware`, `root`, or a number.
    var name: String {
        switch (old ?? new)?.role {
        case .firmware: "firmware"
        case .root: "root"
        default: "\((old ?? new)?.partition.number ?? 0)"
        }
    }

    private var part: String { (old ?? new)?.role == nil ? "partition \(name)" : name }

    /// Joins partitions of the same role, and others of the same number.
    static func pairs(_ old: ComparedImage, _ new: ComparedImage) -> [PartitionPair] {
        var pairs: [PartitionPair] = []
        var rest = new.parts
        for part in old.parts {
            let match = rest.firstIndex { candidate in
                if let role = part.role { return candidate.role == role }
                return candidate.role == nil && candidate.partition.number == part.partition.number
            }
            pairs.append(PartitionPair(old: part, new: match.map { rest.remove(at: $0) }))
        }
        return pairs + rest.map { PartitionPair(new: $0) }
    }

    // MARK: Tables

    /// The differences of two disks outside of their partitions.
    static func tableChanges(_ old: DiskImage, _ new: DiskImage) throws(ImageError) -> [FieldChange] {
        var fields = FieldComparison(part: "disk")
        fields.add("size", .bytes(old.source.size), .bytes(new.source.size))
        fields.add("table", .text(old.table.scheme.rawValue), .text(new.table.scheme.rawValue))
        fields.add("identifier", old.table.identifier, new.table.identifier)
        fields.add("sector size", .bytes(old.table.sectorSize), .bytes(new.table.sectorSize))
        for (name, oldRange, newRange) in [
            ("boot code", bootCode(of: old), bootCode(of: new)),
            ("bytes before the first partition", gap(of: old), gap(of: new)),
        ] {
            let end = min(oldRange.upperBound, newRange.upperBound)
            let start = max(oldRange.lowerBound, newRange.lowerBound)
            guard start < end else { continue }
            let offset = try ContentComparison.firstDifference(
                SourceSlice(old.source, start..<end), SourceSlice(new.source, start..<end))
            if let offset { fields.add(name, nil, .text("others from byte \(start + offset) on")) }
        }
        return fields.changes
    }

    /// The code before an MBR, which a PC runs first.
    private static func bootCode(of disk: DiskImage) -> Range<UInt64> {
        disk.table.scheme == .none ? 0..<0 : 0..<MBRTable.byteRange.lowerBound
    }

    /// The bytes between the table and the first partition, where some boot loaders are. At most 64 MiB are compared.
    private static func gap(of disk: DiskImage) -> Range<UInt64> {
        let start = disk.table.scheme == .gpt ? disk.table.sectorSize * 34 : MBRTable.byteRange.upperBound
        let first = disk.table.partitions.map(\.bytes.lowerBound).min() ?? 0
        let end = min(first, 64 << 20)
        return disk.table.scheme == .none || end <= start ? start..<start : start..<end
    }

    // MARK: Partitions

    /// The differences of the table's entries and the filesystems' facts. Where neither partition has a filesystem that
    /// can be read, their bytes are compared.
    func changes(_ progress: Progress?) throws(ImageError) -> [FieldChange] {
        var fields = FieldComparison(part: part)
        guard let old, let new else {
            let size = (old ?? new).map { Value.bytes($0.partition.size) }
            fields.add("partition", old.flatMap { _ in size }, new.flatMap { _ in size })
            return fields.changes
        }
        fields.add("number", .count(UInt64(old.partition.number)), .count(UInt64(new.partition.number)))
        fields.add("start", .bytes(old.partition.bytes.lowerBound), .bytes(new.partition.bytes.lowerBound))
        fields.add("partition size", .bytes(old.partition.size), .bytes(new.partition.size))
        fields.add("type", Self.type(old.partition), Self.type(new.partition))
        if case .gpt = old.partition.type { fields.add("PARTUUID", old.partition.id, new.partition.id) }
        fields.add("name", old.partition.name, new.partition.name)
        fields.add("active", old.partition.isActive ? "yes" : "no", new.partition.isActive ? "yes" : "no")
        for (oldFact, newFact) in zip(try Self.facts(of: old), try Self.facts(of: new)) {
            fields.add(oldFact.name, oldFact.value, newFact.value)
        }
        if old.volume == nil, new.volume == nil, old.bytes.size == new.bytes.size, old.content == new.content,
            let offset = try ContentComparison.firstDifference(old.bytes, new.bytes, progress)
        {
            fields.add("content", nil, .text("other bytes from its byte \(offset) on"))
        }
        return fields.changes
    }

    private static func type(_ partition: Partition) -> String {
        partition.typeText + (partition.typeName.map { " (\($0))" } ?? "")
    }

    /// The facts in a filesystem's superblock or boot sector, always in the same order.
    private static func facts(of part: ComparedImage.Part) throws(ImageError) -> [(name: String, value: Value?)] {
        let head = try part.volume?.head()
        var free: UInt64?, reserved: UInt64?, state: String?
        switch part.volume {
        case nil: break
        case .fat(let volume): free = try volume.freeClusters() * volume.layout.clusterSize
        case .ext4(let volume):
            let information = volume.information
            free = information.freeBlocks.multipliedClamping(by: information.blockSize)
            reserved = information.reservedBlocks.multipliedClamping(by: information.blockSize)
            state = information.hasErrors ? "with errors" : information.isClean ? "clean" : "not unmounted"
        }
        return [
            ("filesystem", .text(head?.kind ?? part.content.rawValue)), ("label", head.map { .text($0.label ?? "") }),
            ("UUID", head.map { .text($0.uuid ?? "") }), ("size", head.map { .bytes($0.size) }),
            ("free", free.map(Value.bytes)), ("reserved", reserved.map(Value.bytes)),
            ("block size", head.map { .bytes($0.blockSize) }), ("inodes", head?.inodes.map(Value.count)),
            ("free inodes", head?.freeInodes.map(Value.count)),
            ("features", head?.features.map { .text($0.joined(separator: " ")) }), ("state", state.map(Value.text)),
        ]
    }

    // MARK: Sums

    /// The sizes of the images and their files, and the bytes in use in their filesystems.
    static func totals(
        _ old: DiskImage, _ new: DiskImage, _ pairs: [PartitionPair]
    ) throws(ImageError) -> [ImageDifference.Total] {
        var totals = [
            ImageDifference.Total(name: "image", old: old.source.size, new: new.source.size),
            ImageDifference.Total(name: "compressed", old: old.compressedSize, new: new.compressedSize),
        ].filter { $0.old != nil || $0.new != nil }
        for pair in pairs where pair.old?.volume != nil || pair.new?.volume != nil {
            totals.append(
                ImageDifference.Total(
                    name: "\(pair.part) used", old: try pair.old.flatMap(used), new: try pair.new.flatMap(used)))
        }
        return totals
    }

    private static func used(_ part: ComparedImage.Part) throws(ImageError) -> UInt64? {
        switch part.volume {
        case nil: return nil
        case .fat(let volume):
            let clusters = volume.layout.clusterCount, free = try volume.freeClusters()
            return (clusters - min(free, clusters)) * volume.layout.clusterSize
        case .ext4(let volume):
            let information = volume.information
            return (information.blocks - min(information.freeBlocks, information.blocks))
                .multipliedClamping(by: information.blockSize)
        }
    }
}
