import CExt2FS

/// The checksums of an ext4 filesystem's structures (feature `metadata_csum`): CRC32c, started with the filesystem's
/// seed. For structures that belong to an inode, the start also covers its number and generation.
///
/// ```
///   superblock     3FC          all bytes before it, without the seed
///   descriptor     1E, 16 bits  group, descriptor
///   bitmaps        in the descriptor: 18 and 38, 1A and 3A
///   inode          7C and 82    number, generation, record
///   extent block   after the space for the last entry        seed of the inode, block up to here
///   linear block   tail of 12 bytes: 0 u32, 12 u16, 0, DE    seed of the inode, block up to the tail
///   index block    after the space for the last entry: 0 u32 seed of the inode, entries in use, tail
///   attributes     10           block number as u64, block
/// ```
///
/// Source: the kernel's documentation of ext4, "Checksums".
struct Ext4Checksums: Sendable {
    /// A checksum that differs from the computed one.
    struct Mismatch: Error, Hashable {
        var seen: UInt32
        var expected: UInt32

        /// `nil` if they are equal.
        init?(_ seen: UInt32, _ expected: UInt32) {
            if seen == expected { return nil }
            (self.seen, self.expected) = (seen, expected)
        }

        /// The end of a sentence that names the structure.
        var words: String { "has the checksum \(Self.hex(seen)), and should have \(Self.hex(expected))" }

        static func hex(_ value: some FixedWidthInteger) -> String { String(value, radix: 16) }
    }

    /// Whether the filesystem has checksums, and they are verified.
    let isOn: Bool
    private let seed: UInt32

    private typealias Superblock = Ext4Superblock.Field

    init(_ superblock: [UInt8], isOn: Bool = true) {
        self.isOn = isOn && Ext4Feature.metadataChecksums.isSet(in: superblock)
        seed =
            Ext4Feature.checksumSeed.isSet(in: superblock)
            ? superblock.load(at: Superblock.checksumSeed) ?? 0 : Self.crc(.max, Self.uuid(superblock))
    }

    private static func uuid(_ superblock: [UInt8]) -> ArraySlice<UInt8> {
        superblock.dropFirst(Superblock.uuid).prefix(Ext4Superblock.uuidLength)
    }

    /// CRC32c without the inversion at the end.
    static func crc(_ start: UInt32, _ bytes: ArraySlice<UInt8>) -> UInt32 {
        bytes.withUnsafeBytes {
            $0.baseAddress.map { ext2fs_crc32c_le(start, $0.assumingMemoryBound(to: UInt8.self), bytes.count) } ?? start
        }
    }

    /// CRC-16 with the polynomial 8005, lowest bits first, started with ones.
    private static func crc16(_ bytes: [UInt8]) -> UInt16 {
        bytes.reduce(.max) { sum, byte in
            (0..<8).reduce(sum ^ UInt16(byte)) { sum, _ in sum & 1 != 0 ? sum >> 1 ^ 0xA001 : sum >> 1 }
        }
    }

    private static func crc(_ start: UInt32, _ value: some FixedWidthInteger) -> UInt32 {
        var bytes: [UInt8] = []
        bytes.append(littleEndian: value)
        return crc(start, bytes[...])
    }

    /// The start of the checksums of structures that belong to an inode.
    func seed(inode: UInt32, generation: UInt32) -> UInt32 { Self.crc(Self.crc(seed, inode), generation) }

    // MARK: Filesystem and groups

    static func superblock(_ bytes: [UInt8]) -> UInt32 { crc(.max, bytes.prefix(Superblock.checksum)) }

    /// The checksum of a group's descriptor: by this feature, or by the older `uninit_bg`; `nil` without either.
    func descriptor(_ bytes: [UInt8], group: UInt32, _ superblock: [UInt8]) -> UInt16? {
        guard bytes.count >= Ext4GroupDescriptor.shortSize else { return nil }
        let field = Ext4GroupDescriptor.Field.checksum
        if Ext4Feature.metadataChecksums.isSet(in: superblock) {
            var cleared = bytes
            cleared.store(UInt16(0), at: field)
            return UInt16(truncatingIfNeeded: Self.crc(Self.crc(seed, group), cleared[...]))
        }
        guard Ext4Feature.groupChecksums.isSet(in: superblock) else { return nil }
        var text = Array(Self.uuid(superblock))
        text.append(littleEndian: group)
        text += bytes.prefix(field) + bytes.dropFirst(field + 2)
        return Self.crc16(text)
    }

    /// - Parameter bytes: those that stand for a group's blocks or inodes.
    func bitmap(_ bytes: ArraySlice<UInt8>) -> UInt32 { Self.crc(seed, bytes) }

    // MARK: Inodes and their structures

    func inode(_ record: [UInt8], _ number: UInt32) -> Mismatch? {
        typealias Field = Ext4Inode.Field
        guard isOn, record.count >= Ext4Inode.minimumSize else { return nil }
        var cleared = record
        // The extra part has the high half if it is long enough for it.
        let isLong = record.count > Field.checksumHigh + 1 && (record.load(UInt16.self, at: Field.extraSize) ?? 0) >= 4
        var seen = UInt32(record.load(UInt16.self, at: Field.checksum) ?? 0)
        cleared.store(UInt16(0), at: Field.checksum)
        if isLong {
            seen |= UInt32(record.load(UInt16.self, at: Field.checksumHigh) ?? 0) << 16
            cleared.store(UInt16(0), at: Field.checksumHigh)
        }
        let sum = Self.crc(seed(inode: number, generation: record.load(at: Field.generation) ?? 0), cleared[...])
        return Mismatch(seen, isLong ? sum : sum & 0xFFFF)
    }

    /// - Parameter seed: from ``seed(inode:generation:)``.
    func extentBlock(_ block: [UInt8], seed: UInt32) -> Mismatch? {
        guard isOn, let maximum: UInt16 = block.load(at: Ext4ExtentNode.Header.maximum) else { return nil }
        let tail = Ext4ExtentNode.Header.length + Ext4ExtentNode.Entry.length * Int(maximum)
        guard let seen: UInt32 = block.load(at: tail) else { return nil }
        return Mismatch(seen, Self.crc(seed, block.prefix(tail)))
    }

    /// A directory's block, linear or of its index. The checksum of a block without a tail is taken for 0.
    func directoryBlock(_ block: [UInt8], seed: UInt32) -> Mismatch? {
        guard isOn, block.count >= 1024 else { return nil }
        typealias Entry = Ext4IndexBlock.Entry
        // First, as the root of an index may still have a tail of the linear block that it was.
        if let start = Ext4IndexBlock.entriesOffset(in: block),
            let limit: UInt16 = block.load(at: start + Entry.limit),
            let count: UInt16 = block.load(at: start + Entry.count), count <= limit,
            let seen: UInt32 = block.load(at: start + Entry.length * Int(limit) + Ext4IndexBlock.tailChecksum)
        {
            let tail = start + Entry.length * Int(limit)
            let used = Self.crc(seed, block.prefix(start + Entry.length * Int(count)))
            // The tail: its first word, and zero instead of the checksum.
            let sum = Self.crc(used, block[tail..<tail + Ext4IndexBlock.tailChecksum])
            return Mismatch(seen, Self.crc(sum, UInt32(0)))
        }
        typealias Tail = Ext4DirectoryEntry.Tail
        let tail = block.count - Tail.length
        if block.load(UInt32.self, at: tail) == 0, block.load(UInt32.self, at: tail + 4) == Tail.signature {
            return Mismatch(block.load(at: tail + Tail.checksum) ?? 0, Self.crc(seed, block.prefix(tail)))
        }
        return Mismatch(0, Self.crc(seed, block.prefix(tail)))
    }

    func attributeBlock(_ block: [UInt8], at number: UInt64) -> Mismatch? {
        typealias Header = Ext4Attributes.Header
        guard isOn, block.count >= Header.length else { return nil }
        var cleared = block
        cleared.store(UInt32(0), at: Header.checksum)
        return Mismatch(block.load(at: Header.checksum) ?? 0, Self.crc(Self.crc(seed, number), cleared[...]))
    }
}
