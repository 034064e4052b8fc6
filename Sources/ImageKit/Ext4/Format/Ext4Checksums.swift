import CExt2FS

/// The checksums of an ext4 filesystem's structures (feature `metadata_csum`): CRC32c, begun with the filesystem's seed
/// and, for what belongs to an inode, its number and generation.
///
/// ```
///   superblock     3FC          all before it, without the seed
///   descriptor     1E, 16 bits  group, descriptor
///   bitmaps        in the descriptor: 18 and 38, 1A and 3A
///   inode          7C and 82    number, generation, record
///   extent block   after the last place for an extent        seed of the inode, block up to here
///   linear block   tail of 12 bytes: 0 u32, 12 u16, 0, DE    seed of the inode, block up to the tail
///   index block    after the last place for a line: 0 u32    seed of the inode, lines that are in use, tail
///   attributes     10           block number as u64, block
/// ```
///
/// Source: the kernel's documentation of ext4, "Checksums".
struct Ext4Checksums: Sendable {
    /// A checksum that is not what it should be.
    struct Mismatch: Error, Hashable {
        var seen: UInt32
        var expected: UInt32

        init?(_ seen: UInt32, _ expected: UInt32) {
            if seen == expected { return nil }
            (self.seen, self.expected) = (seen, expected)
        }

        /// As the end of a sentence.
        var words: String { "has the checksum \(Self.hex(seen)), and should have \(Self.hex(expected))" }

        static func hex(_ value: some FixedWidthInteger) -> String { String(value, radix: 16) }
    }

    /// Whether the filesystem has them, and they are to be looked at.
    let isOn: Bool
    private let seed: UInt32

    init(_ superblock: [UInt8], isOn: Bool = true) {
        self.isOn = isOn && Ext4Feature.metadataChecksums.isSet(in: superblock)
        seed =
            Ext4Feature.checksumSeed.isSet(in: superblock)
            ? superblock.load(at: 0x270) ?? 0 : Self.crc(.max, superblock.dropFirst(0x68).prefix(16))
    }

    /// CRC32c without the inversion at the end.
    static func crc(_ start: UInt32, _ bytes: ArraySlice<UInt8>) -> UInt32 {
        bytes.withUnsafeBytes {
            $0.baseAddress.map { ext2fs_crc32c_le(start, $0.assumingMemoryBound(to: UInt8.self), bytes.count) } ?? start
        }
    }

    /// CRC-16 with the polynomial 8005, lowest bits first, begun with ones.
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

    /// Where a check begins for what belongs to an inode.
    func seed(inode: UInt32, generation: UInt32) -> UInt32 { Self.crc(Self.crc(seed, inode), generation) }

    // MARK: Filesystem and groups

    static func superblock(_ bytes: [UInt8]) -> UInt32 { crc(.max, bytes.prefix(0x3FC)) }

    /// What a group's descriptor should have: by this feature, or by the older `uninit_bg`. `nil` where there is neither.
    func descriptor(_ bytes: [UInt8], group: UInt32, _ superblock: [UInt8]) -> UInt16? {
        guard bytes.count >= 32 else { return nil }
        if Ext4Feature.metadataChecksums.isSet(in: superblock) {
            var cleared = bytes
            cleared.store(UInt16(0), at: 0x1E)
            return UInt16(truncatingIfNeeded: Self.crc(Self.crc(seed, group), cleared[...]))
        }
        guard Ext4Feature.groupChecksums.isSet(in: superblock) else { return nil }
        var text = Array(superblock.dropFirst(0x68).prefix(16))
        text.append(littleEndian: group)
        text += bytes.prefix(0x1E) + bytes.dropFirst(0x20)
        return Self.crc16(text)
    }

    /// - Parameter bytes: as many as stand for a group.
    func bitmap(_ bytes: ArraySlice<UInt8>) -> UInt32 { Self.crc(seed, bytes) }

    // MARK: Inodes and what belongs to them

    func inode(_ record: [UInt8], _ number: UInt32) -> Mismatch? {
        guard isOn, record.count >= 128 else { return nil }
        var cleared = record
        let isLong = record.count > 131 && (record.load(UInt16.self, at: 0x80) ?? 0) >= 4
        var seen = UInt32(record.load(UInt16.self, at: 0x7C) ?? 0)
        cleared.store(UInt16(0), at: 0x7C)
        if isLong {
            seen |= UInt32(record.load(UInt16.self, at: 0x82) ?? 0) << 16
            cleared.store(UInt16(0), at: 0x82)
        }
        let sum = Self.crc(seed(inode: number, generation: record.load(at: 0x64) ?? 0), cleared[...])
        return Mismatch(seen, isLong ? sum : sum & 0xFFFF)
    }

    /// - Parameter seed: what ``seed(inode:generation:)`` gave.
    func extentBlock(_ block: [UInt8], seed: UInt32) -> Mismatch? {
        guard isOn, let maximum: UInt16 = block.load(at: 4) else { return nil }
        let tail = 12 + 12 * Int(maximum)
        guard let seen: UInt32 = block.load(at: tail) else { return nil }
        return Mismatch(seen, Self.crc(seed, block.prefix(tail)))
    }

    /// A directory's block, linear or of its index. What has no place for a checksum has a wrong one.
    func directoryBlock(_ block: [UInt8], seed: UInt32) -> Mismatch? {
        guard isOn, block.count >= 1024 else { return nil }
        // First, as the root of an index may still have a tail of the linear block that it was.
        if let start = Self.indexStart(block), let limit: UInt16 = block.load(at: start),
            let count: UInt16 = block.load(at: start + 2), count <= limit,
            let seen: UInt32 = block.load(at: start + 8 * Int(limit) + 4)
        {
            let place = start + 8 * Int(limit)
            let sum = Self.crc(Self.crc(seed, block.prefix(start + 8 * Int(count))), block[place..<place + 4])
            return Mismatch(seen, Self.crc(sum, UInt32(0)))
        }
        let tail = block.count - 12
        if block.load(UInt32.self, at: tail) == 0, block.load(UInt32.self, at: tail + 4) == 0xDE00_000C {
            return Mismatch(block.load(at: tail + 8) ?? 0, Self.crc(seed, block.prefix(tail)))
        }
        return Mismatch(0, Self.crc(seed, block.prefix(tail)))
    }

    /// Where the lines of an index begin, if the block looks like its root or another block of it.
    static func indexStart(_ block: [UInt8]) -> Int? {
        let length: UInt16 = block.load(at: 4) ?? 0
        if Int(length) == block.count & 0xFFFF || block.count == 65_536 && length == 65_535 { return 8 }
        if length == 12, Int(block.load(UInt16.self, at: 16) ?? 0) == (block.count - 12) & 0xFFFF { return 32 }
        return nil
    }

    func attributeBlock(_ block: [UInt8], at number: UInt64) -> Mismatch? {
        guard isOn, block.count >= 32 else { return nil }
        var cleared = block
        cleared.store(UInt32(0), at: 0x10)
        return Mismatch(block.load(at: 0x10) ?? 0, Self.crc(Self.crc(seed, number), cleared[...]))
    }
}
