extension FATVolume {
    /// The bytes of a directory that are read at once.
    private static let chunkSize: UInt64 = 1 << 16

    /// Calls `body` for the slots in these byte ranges of the source, in order, up to the end of the directory or until
    /// `body` returns `false`. The offset is that of the slot in the source.
    func readSlots(
        in ranges: [Range<UInt64>],
        _ body: (FATDirectoryParser.Slot, _ offset: UInt64) throws(ImageError) -> Bool
    ) throws(ImageError) {
        let size = FATDirectoryEntry.size
        var parser = FATDirectoryParser()
        for range in ranges {
            var start = range.lowerBound
            while start < range.upperBound {
                let bytes = try source.read(Int(min(Self.chunkSize, range.upperBound - start)), at: start)
                var offset = 0
                while offset + size <= bytes.count {
                    let slot = parser.parse(bytes[offset..<offset + size])
                    if case .end = slot { return }
                    guard try body(slot, start + UInt64(offset)) else { return }
                    offset += size
                }
                start += UInt64(bytes.count)
            }
        }
    }

    /// Calls `body` for the entries of a directory with slots in these byte ranges, until it returns `false`. Calls
    /// `onDamage` for an entry with an impossible name.
    func readEntries(
        of directory: Entry, in ranges: [Range<UInt64>], _ body: (Entry) throws(ImageError) -> Bool,
        onDamage: (ImageError) throws(ImageError) -> Void
    ) throws(ImageError) {
        typealias Attribute = FATDirectoryEntry.Attribute
        let path = directory.name.isEmpty ? "" : directory.path
        try readSlots(in: ranges) { (slot, offset) throws(ImageError) in
            guard case .entry(let found, let long) = slot else { return true }
            let short = found.shortName
            let isDirectory = found.attributes & Attribute.directory != 0
            let isReadOnly = found.attributes & Attribute.readOnly != 0
            let entry = Entry(
                name: long ?? short, shortName: short, directory: path, isDirectory: isDirectory,
                isHidden: found.attributes & Attribute.hidden != 0, isSystem: found.attributes & Attribute.system != 0,
                size: isDirectory ? 0 : found.size,
                attributes: FileAttributes(
                    permissions: isReadOnly && !isDirectory ? 0o555 : 0o755, modified: found.time.seconds),
                firstCluster: found.cluster(in: layout.kind))
            guard long != nil || FATDirectoryParser.isPossible(short) else {
                try onDamage(damaged(directory, "it has an entry whose name cannot be one: '\(short)'", at: offset))
                return true
            }
            return try body(entry)
        }
    }
}
