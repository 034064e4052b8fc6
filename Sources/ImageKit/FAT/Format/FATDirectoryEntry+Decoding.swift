extension FATDirectoryEntry {
    /// Reads a slot; `nil` if it has fewer than 32 bytes.
    init?(decoding slot: ArraySlice<UInt8>) {
        guard slot.count >= Self.size, let lowerCase: UInt8 = slot.load(at: Field.lowerCase),
            let attributes: UInt8 = slot.load(at: Field.attributes),
            let high: UInt16 = slot.load(at: Field.clusterHigh), let low: UInt16 = slot.load(at: Field.clusterLow),
            let size: UInt32 = slot.load(at: Field.size), let date: UInt16 = slot.load(at: Field.writtenDate),
            let time: UInt16 = slot.load(at: Field.writtenTime)
        else { return nil }
        self.init(
            name: Array(slot.prefix(11)), lowerCase: lowerCase, attributes: attributes,
            cluster: UInt64(high) << 16 | UInt64(low), size: UInt64(size), time: FATTime(date: date, time: time))
    }

    /// The first cluster. The upper half of the number is used by FAT32 alone; OS/2 stored other data there.
    func cluster(in kind: FATKind) -> UInt64 { kind == .fat32 ? cluster : cluster & 0xFFFF }

    /// The short name with its dot, in lower case according to ``lowerCase``.
    var shortName: String {
        var bytes = name
        // 05 stands for e5, which would mark the slot as deleted.
        if bytes.first == 0x05 { bytes[0] = 0xE5 }
        func part(_ bytes: ArraySlice<UInt8>, isLower: Bool) -> String {
            let text = CodePage437.text(bytes)
            return isLower ? CodePage437.lowered(text) : text
        }
        let base = part(bytes.prefix(8), isLower: lowerCase & Case.lowerBase != 0)
        let rest = part(bytes.dropFirst(8), isLower: lowerCase & Case.lowerExtension != 0)
        return rest.isEmpty ? base : base + "." + rest
    }
}
