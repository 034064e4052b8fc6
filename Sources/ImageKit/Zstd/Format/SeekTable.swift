/// The table at the end of a compressed image with the sizes of its frames.
///
/// ```
///   u32 0x184D2A5E | u32 length of what follows     a skippable frame, which every decoder ignores
///   per frame:  u32 compressed size | u32 plain size (0 for a skippable frame)   [| u32 checksum]
///   u32 number of frames | u8 descriptor (bit 7: checksums) | u32 0x8F92EAB1
/// ```
///
/// Source: zstd, "Zstandard Seekable Format", version 0.1.0.
struct SeekTable: Sendable, Hashable {
    /// A frame of the file.
    struct Entry: Sendable, Hashable {
        /// Bytes of the frame in the file, with its header and checksum.
        var compressedSize: UInt32
        /// Bytes of the frame's content; 0 for a skippable frame.
        var size: UInt32
        /// The lower half of the content's XXH64; `nil` if the table has no checksums.
        var checksum: UInt32?
        /// Makes an entry; see the properties of the same names.
        init(compressedSize: UInt32, size: UInt32, checksum: UInt32? = nil) {
            self.compressedSize = compressedSize
            self.size = size
            self.checksum = checksum
        }
    }

    /// All frames before the table, in the order of the file.
    var entries: [Entry]

    /// Makes a table of these frames.
    init(entries: [Entry] = []) {
        self.entries = entries
    }

    static let skippableMagic: UInt32 = 0x184D_2A5E
    static let seekableMagic: UInt32 = 0x8F92_EAB1
    private static let checksumFlag: UInt8 = 0x80
    private static let reservedBits: UInt8 = 0x7C
    /// The largest frame content that zstd's own reader of seekable files accepts, in bytes: 1 GiB.
    static let maximumFrameSize: UInt32 = 0x4000_0000

    /// Bytes of the header, and of the footer.
    static let headerSize = 8, footerSize = 9

    /// Offsets in the header.
    enum HeaderField {
        static let magic = 0
        static let length = 4
    }

    /// Offsets in an entry.
    enum EntryField {
        static let compressedSize = 0
        static let size = 4
        static let checksum = 8
    }

    /// Offsets in the footer.
    enum FooterField {
        static let count = 0
        static let descriptor = 4
        static let magic = 5
    }

    /// Bytes of an entry.
    static func entrySize(hasChecksums: Bool) -> Int { hasChecksums ? 12 : 8 }

    /// The table as the end of a file. The frames have checksums of their own, so the table gets none.
    func encoded() -> [UInt8] {
        let entrySize = Self.entrySize(hasChecksums: false)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Self.headerSize + entries.count * entrySize + Self.footerSize)
        bytes.append(littleEndian: Self.skippableMagic)
        bytes.append(littleEndian: UInt32(entries.count * entrySize + Self.footerSize))
        for entry in entries {
            bytes.append(littleEndian: entry.compressedSize)
            bytes.append(littleEndian: entry.size)
        }
        bytes.append(littleEndian: UInt32(entries.count))
        bytes.append(0)
        bytes.append(littleEndian: Self.seekableMagic)
        return bytes
    }

    /// Reads the table at the end of a file.
    ///
    /// - Parameter path: the file's path, for errors.
    /// - Returns: `nil` if the file does not end with a table.
    /// - Throws: ``ImageError/Code/corrupt`` if the table contradicts itself or the file, or exceeds a limit.
    static func read(from file: any ByteSource, path: String? = nil) throws(ImageError) -> SeekTable? {
        guard file.size >= UInt64(footerSize + headerSize) else { return nil }
        let footer = try file.read(footerSize, at: file.size - UInt64(footerSize))
        guard let count: UInt32 = footer.load(at: FooterField.count),
            let descriptor: UInt8 = footer.load(at: FooterField.descriptor),
            footer.load(at: FooterField.magic) == seekableMagic
        else { return nil }
        func refuse(_ reason: String) -> ImageError {
            ImageError(
                .corrupt, path == nil ? "the image's seek table is damaged" : "the seek table is damaged in",
                path: path,
                reason: reason,
                remedy: "fetch or build the image again ('zstd -d' may still decompress it: it needs no table)")
        }
        guard descriptor & reservedBits == 0 else { throw refuse("it has unknown flags") }
        guard count <= FrameList.maximumCount else { throw refuse("it claims \(count) frames") }
        let hasChecksums = descriptor & checksumFlag != 0
        let entrySize = entrySize(hasChecksums: hasChecksums)
        let length = UInt64(count) * UInt64(entrySize) + UInt64(footerSize + headerSize)
        guard length <= file.size else { throw refuse("it is longer than the file") }
        let bytes = try file.read(Int(length), at: file.size - length)
        guard bytes.load(at: HeaderField.magic) == skippableMagic,
            bytes.load(at: HeaderField.length) == UInt32(length - UInt64(headerSize))
        else { throw refuse("its beginning is not where its end says") }
        var table = SeekTable()
        var total: UInt64 = 0
        for index in 0..<Int(count) {
            let start = headerSize + index * entrySize
            guard let compressed: UInt32 = bytes.load(at: start + EntryField.compressedSize),
                let plain: UInt32 = bytes.load(at: start + EntryField.size), plain <= maximumFrameSize
            else { throw refuse("frame \(index) is larger than 1 GiB") }
            total += UInt64(compressed)
            let checksum: UInt32? = hasChecksums ? bytes.load(at: start + EntryField.checksum) : nil
            table.entries.append(Entry(compressedSize: compressed, size: plain, checksum: checksum))
        }
        guard total == file.size - length else { throw refuse("its frames do not fill the file") }
        return table
    }
}
