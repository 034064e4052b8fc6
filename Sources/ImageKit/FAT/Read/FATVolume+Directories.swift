extension FATVolume {
    /// Bytes of a directory that are read at once.
    private static let step: UInt64 = 1 << 16

    /// Takes the slots at these places, in order, until nothing follows any more or `take` gives `false`. The offset is
    /// the slot's in the source.
    func readSlots(
        of places: [Range<UInt64>],
        _ take: (FATDirectoryParser.Slot, _ offset: UInt64) throws(ImageError) -> Bool
    ) throws(ImageError) {
        let size = FATDirectoryEntry.size
        var parser = FATDirectoryParser()
        for place in places {
            var start = place.lowerBound
            while start < place.upperBound {
                let bytes = try source.read(Int(min(Self.step, place.upperBound - start)), at: start)
                var offset = 0
                while offset + size <= bytes.count {
                    let slot = parser.take(bytes[offset..<offset + size])
                    if case .end = slot { return }
                    guard try take(slot, start + UInt64(offset)) else { return }
                    offset += size
                }
                start += UInt64(bytes.count)
            }
        }
    }

    /// Takes what is in a directory whose slots are at these places, until `take` gives `false`.
    func readEntries(
        of directory: Entry, in places: [Range<UInt64>], _ take: (Entry) throws(ImageError) -> Bool,
        onDamage: (ImageError) throws(ImageError) -> Void
    ) throws(ImageError) {
        typealias Attribute = FATDirectoryEntry.Attribute
        let path = directory.name.isEmpty ? "" : directory.path
        try readSlots(of: places) { (slot, offset) throws(ImageError) in
            guard case .entry(let found, let long) = slot else { return true }
            let short = found.shortName
            let isDirectory = found.attributes & Attribute.directory != 0
            let isReadOnly = found.attributes & Attribute.readOnly != 0
            // The upper half of the number is FAT32's alone; OS/2 kept something else there.
            let cluster = layout.kind == .fat32 ? found.cluster : found.cluster & 0xFFFF
            let entry = Entry(
                name: long ?? short, shortName: short, directory: path, isDirectory: isDirectory,
                isHidden: found.attributes & Attribute.hidden != 0, isSystem: found.attributes & Attribute.system != 0,
                size: isDirectory ? 0 : found.size,
                attributes: FileAttributes(
                    permissions: isReadOnly && !isDirectory ? 0o555 : 0o755, modified: found.time.seconds),
                firstCluster: cluster)
            guard long != nil || FATDirectoryParser.isPossible(short) else {
                try onDamage(damaged(directory, "it has an entry whose name cannot be one: '\(short)'", at: offset))
                return true
            }
            return try take(entry)
        }
    }
}
