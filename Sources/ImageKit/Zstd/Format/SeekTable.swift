/// The table at the end of a compressed image that says where its frames begin.
///
/// ```
///   u32 0x184D2A5E | u32 length of what follows     a skippable frame, which every decoder steps over
///   per frame:  u32 compressed size | u32 plain size (0 of a skippable frame)   [| u32 checksum]
///   u32 number of frames | u8 descriptor (bit 7: checksums) | u32 0x8F92EAB1
/// ```
///
/// Source: zstd, "Zstandard Seekable Format", version 0.1.0.
public struct SeekTable: Sendable, Hashable {
    /// One frame.
    public struct Entry: Sendable, Hashable {
        /// Bytes of the frame in the file, its header and checksum included.
        public var compressedSize: UInt32
        /// Bytes it decompresses to; 0 of a skippable frame.
        public var size: UInt32
        /// The lower half of its content's XXH64, where the table has checksums.
        public var checksum: UInt32?
        /// See the properties of the same names.
        public init(compressedSize: UInt32, size: UInt32, checksum: UInt32? = nil) {
            self.compressedSize = compressedSize
            self.size = size
            self.checksum = checksum
        }
    }

    /// All frames before the table, in the order of the file.
    public var entries: [Entry]

    /// A table of these frames.
    public init(entries: [Entry] = []) {
        self.entries = entries
    }

    private static let skippableMagic: UInt32 = 0x184D_2A5E
    private static let seekableMagic: UInt32 = 0x8F92_EAB1
    private static let checksumFlag: UInt8 = 0x80
    private static let reservedBits: UInt8 = 0x7C
    static let footerSize = 9
    /// The most plain bytes a frame that zstd's own reader takes.
    static let maximumFrameSize: UInt32 = 0x4000_0000

    /// The table as it stands at the end of a file. The frames have checksums of their own, so it carries none.
    public func encoded() -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(8 + entries.count * 8 + Self.footerSize)
        bytes.append(littleEndian: Self.skippableMagic)
        bytes.append(littleEndian: UInt32(entries.count * 8 + Self.footerSize))
        for entry in entries {
            bytes.append(littleEndian: entry.compressedSize)
            bytes.append(littleEndian: entry.size)
        }
        bytes.append(littleEndian: UInt32(entries.count))
        bytes.append(0)
        bytes.append(littleEndian: Self.seekableMagic)
        return bytes
    }

    /// Reads the table at the end of a file; `nil` where there is none. One that contradicts itself or the file is an
    /// error.
    /// - Parameter path: how errors call the file.
    public static func read(from file: any ByteSource, path: String? = nil) throws(ImageError) -> SeekTable? {
        guard file.size >= UInt64(footerSize + 8) else { return nil }
        let footer = try file.read(footerSize, at: file.size - UInt64(footerSize))
        guard let count: UInt32 = footer.load(at: 0), footer.load(at: 5) == seekableMagic else { return nil }
        func refuse(_ reason: String) -> ImageError {
            ImageError(
                .corrupt, path == nil ? "the image's seek table is damaged" : "the seek table is damaged in",
                path: path,
                reason: reason,
                remedy: "fetch or build the image again ('zstd -d' may still decompress it: it needs no table)")
        }
        guard footer[4] & reservedBits == 0 else { throw refuse("it has unknown flags") }
        guard count <= FrameList.maximum else { throw refuse("it claims \(count) frames") }
        let entrySize = footer[4] & checksumFlag == 0 ? 8 : 12
        let length = UInt64(count) * UInt64(entrySize) + UInt64(footerSize) + 8
        guard length <= file.size else { throw refuse("it is longer than the file") }
        let bytes = try file.read(Int(length), at: file.size - length)
        guard bytes.load(at: 0) == skippableMagic, bytes.load(at: 4) == UInt32(length - 8) else {
            throw refuse("its beginning is not where its end says")
        }
        var table = SeekTable()
        var total: UInt64 = 0
        for index in 0..<Int(count) {
            let place = 8 + index * entrySize
            guard let compressed: UInt32 = bytes.load(at: place), let plain: UInt32 = bytes.load(at: place + 4),
                plain <= maximumFrameSize
            else { throw refuse("frame \(index) is larger than 1 GiB") }
            total += UInt64(compressed)
            let checksum: UInt32? = entrySize == 12 ? bytes.load(at: place + 8) : nil
            table.entries.append(Entry(compressedSize: compressed, size: plain, checksum: checksum))
        }
        guard total == file.size - length else { throw refuse("its frames do not fill the file") }
        return table
    }
}
