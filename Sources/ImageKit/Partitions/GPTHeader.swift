/// One of the two headers of a GUID partition table (GPT).
///
/// ```
///   sector 0        1        2 …               first usable … last usable   … last − 1     last
///   ├ protective ┤├ header ┤├ entries ─────┤├ partitions ───────────────┤├ entries ─────┤├ header ┤
///        MBR                                                                    the copy
///
///   header   0 "EFI PART" | 8 revision | 12 header's size | 16 its CRC-32 (counted as zero) | 20 zero
///            24 this sector | 32 the other header's | 40 first usable | 48 last usable | 56 disk's GUID
///            72 sector of the entries | 80 number of entries | 84 an entry's size | 88 CRC-32 of the entries
///   entry    0 type's GUID (zero: unused) | 16 own GUID | 32 first sector | 40 last sector | 48 flags
///            56 name, UTF-16
/// ```
///
/// Source: UEFI specification, section 5.3, "GUID Partition Table (GPT) Disk Layout".
struct GPTHeader: Hashable, Sendable {
    /// The offsets of the fields in the header's sector.
    enum Field {
        static let signature = 0
        static let size = 12
        static let checksum = 16
        static let sector = 24
        static let alternate = 32
        static let firstUsable = 40
        static let lastUsable = 48
        static let disk = 56
        static let entries = 72
        static let count = 80
        static let entrySize = 84
        static let entriesChecksum = 88
        static let end = 92
    }

    /// The offsets of the fields in an entry.
    enum EntryField {
        static let type = 0
        static let id = 16
        static let first = 32
        static let last = 40
        static let flags = 48
        static let name = 56
        static let end = 128

        /// The flag of a partition to boot from, for a BIOS.
        static let legacyBoot: UInt64 = 1 << 2
    }

    static let signature = Array("EFI PART".utf8)
    /// The sizes of sectors that disks have.
    static let sectorSizes: [UInt64] = [512, 4096]
    /// The bytes of entries that are read at most; common tables have 16 KiB.
    static let maximumTableSize: UInt64 = 4 << 20
    /// The number of partitions that are read at most.
    static let maximumPartitions = 256

    /// Bytes in a sector, the unit of every address.
    let sectorSize: UInt64
    /// The header's own sector, and the sector of the other header, both according to the header.
    let sector: UInt64, alternate: UInt64
    /// The first and the last sector that partitions may have.
    let firstUsable: UInt64, lastUsable: UInt64
    /// The identifier of the disk.
    let disk: GUID
    /// The sector at which the entries begin.
    let entriesSector: UInt64
    /// The number of entries, and the bytes of each.
    let count: UInt64, entrySize: UInt64
    private let entriesChecksum: UInt32

    /// Reads the header in a sector; `nil` if the sector has no header.
    /// - Throws: ``ImageError/Code/corrupt`` if the header is damaged; errors of reading the source.
    init?(_ source: any ByteSource, at sector: UInt64, sectorSize: UInt64) throws(ImageError) {
        let (offset, overflow) = sector.multipliedReportingOverflow(by: sectorSize)
        guard !overflow, offset <= source.size, source.size - offset >= sectorSize else { return nil }
        let bytes = try source.read(Int(sectorSize), at: offset)
        guard bytes.starts(with: Self.signature) else { return nil }
        func refuse(_ reason: String) -> ImageError {
            ImageError(
                .corrupt, "the header of the GUID partition table is damaged", offset: offset, reason: reason,
                remedy: "look at it with 'sfdisk --verify'")
        }
        func u32(_ field: Int) -> UInt32 { bytes.load(at: field) ?? 0 }
        func u64(_ field: Int) -> UInt64 { bytes.load(at: field) ?? 0 }
        let size = Int(u32(Field.size))
        guard size >= Field.end, size <= bytes.count else { throw refuse("it claims \(size) bytes") }
        var summed = Array(bytes[..<size])
        summed.store(UInt32(0), at: Field.checksum)
        guard CRC32.of(summed) == u32(Field.checksum) else { throw refuse("its checksum is wrong") }
        guard u64(Field.sector) == sector else { throw refuse("it says that it is sector \(u64(Field.sector))") }
        self.sectorSize = sectorSize
        self.sector = sector
        alternate = u64(Field.alternate)
        firstUsable = u64(Field.firstUsable)
        lastUsable = u64(Field.lastUsable)
        disk = GUID(gpt: bytes[Field.disk..<Field.disk + GUID.size]) ?? .zero
        entriesSector = u64(Field.entries)
        count = UInt64(u32(Field.count))
        entrySize = UInt64(u32(Field.entrySize))
        entriesChecksum = u32(Field.entriesChecksum)
        guard entrySize >= UInt64(EntryField.end), entrySize % 8 == 0, entrySize * count <= Self.maximumTableSize
        else {
            throw refuse("it claims \(count) entries of \(entrySize) bytes")
        }
    }

    /// The partitions of the header's entries.
    /// - Throws: ``ImageError/Code/corrupt`` if the entries are damaged; errors of reading the source.
    func partitions(_ source: any ByteSource) throws(ImageError) -> [Partition] {
        func refuse(_ reason: String, _ offset: UInt64? = nil) -> ImageError {
            ImageError(
                .corrupt, "the GUID partition table is damaged", offset: offset, reason: reason,
                remedy: "look at it with 'sfdisk --verify'")
        }
        let (offset, overflow) = entriesSector.multipliedReportingOverflow(by: sectorSize)
        let length = entrySize * count
        guard !overflow, offset <= source.size, length <= source.size - offset else {
            throw refuse("its entries are at sector \(entriesSector), past the end of the disk")
        }
        let bytes = try source.read(Int(length), at: offset)
        guard CRC32.of(bytes) == entriesChecksum else { throw refuse("the checksum of its entries is wrong", offset) }
        var found: [Partition] = []
        for index in 0..<Int(count) {
            let entry = bytes[index * Int(entrySize)..<(index + 1) * Int(entrySize)]
            guard let type = GUID(gpt: entry.prefix(GUID.size)), type != .zero else { continue }
            // The limit of Linux. A table could name the same sectors many thousand times.
            guard found.count < Self.maximumPartitions else { break }
            guard let first: UInt64 = entry.load(at: EntryField.first),
                let last: UInt64 = entry.load(at: EntryField.last),
                let flags: UInt64 = entry.load(at: EntryField.flags), first > 0, first <= last,
                last < UInt64(Int64.max) / sectorSize
            else { throw refuse("entry \(index + 1) has sectors that cannot be", offset + UInt64(index) * entrySize) }
            var name: [UInt16] = []
            for unitOffset in stride(from: EntryField.name, to: EntryField.end, by: 2) {
                guard let unit: UInt16 = entry.load(at: unitOffset), unit != 0 else { break }
                name.append(unit)
            }
            found.append(
                Partition(
                    number: index + 1, bytes: first * sectorSize..<(last + 1) * sectorSize, type: .gpt(type),
                    id: GUID(gpt: entry.dropFirst(EntryField.id).prefix(GUID.size))?.description,
                    name: String(decoding: name, as: UTF16.self), isActive: flags & EntryField.legacyBoot != 0))
        }
        return found
    }
}
