public import SystemPackage

/// An existing image: a raw file, a block device, or a file that zstd compressed. Its first bytes decide which, not its
/// name.
///
/// ```
///                    ┌ not zstd ────────────────────────────────────────────▶ raw
///   first bytes ─────┤                              ┌ a seek table ─────────▶ seekable: frames as needed
///                    └ zstd ─── frames ≤ 128 MiB ───┤
///                                    │ larger       └ heads with sizes ─────▶ frames: the same
///                                    └ or no sizes ─▶ a temporary file ─────▶ stream: decompressed once
/// ```
public struct ImageSource: ByteSource {
    /// The form in which the file holds the image.
    public enum Form: Sendable {
        /// Not compressed.
        case raw
        /// Frames with a seek table.
        case seekable(SeekableSource)
        /// Frames without a seek table, whose headers say their sizes.
        case frames(SeekableSource)
        /// Frames that can only be decompressed in order. They were decompressed into a temporary file.
        case stream

        /// The form's name in JSON.
        var name: String {
            switch self {
            case .raw: "raw"
            case .seekable: "seekable"
            case .frames: "frames"
            case .stream: "stream"
            }
        }

        /// The frames, where each can be decompressed by itself.
        var frames: SeekableSource? {
            switch self {
            case .seekable(let frames), .frames(let frames): frames
            case .raw, .stream: nil
            }
        }
    }

    /// The resources that opening an image may use.
    public struct Limits: Sendable, Hashable {
        /// The largest image that is decompressed as a whole, in bytes.
        public var streamedBytes: UInt64 = 256 << 30
        /// The directory for its temporary file; `nil` means the one that `TMPDIR` names, or `/var/tmp`.
        public var directory: FilePath?
        /// The defaults.
        public init() {}
    }

    /// The form in which the file holds the image.
    public let form: Form
    /// The length of the file or device in bytes.
    public let fileSize: UInt64
    private let plain: any ByteSource
    private let file: FileSource?

    /// The smallest image, in bytes: one sector.
    static let minimumSize: UInt64 = 512

    /// Opens a file or a block device.
    ///
    /// A file that can only be decompressed as a whole is decompressed now, which takes time. `progress` shows it, and
    /// can stop it.
    ///
    /// - Throws: ``ImageError/Code/invalidInput`` where the file is no image, ``ImageError/Code/corrupt`` where it is
    ///   damaged, ``ImageError/Code/doesNotFit`` where there is no space to decompress it.
    public static func open(
        _ path: FilePath, limits: Limits = Limits(), progress: Progress? = nil
    ) throws(ImageError) -> ImageSource {
        let file = try FileSource(path)
        return try ImageSource(file, path: path, file: file, limits: limits, progress: progress)
    }

    /// Opens an image over any source.
    init(
        _ source: any ByteSource, path: FilePath, file: FileSource? = nil, limits: Limits = Limits(),
        progress: Progress? = nil
    ) throws(ImageError) {
        self.file = file
        fileSize = source.size
        guard source.size > 0 else { throw Self.refusal(path, "it is empty") }
        let head = try source.read(Int(min(Self.minimumSize, source.size)), at: 0)
        guard ZstdFrameHeader.isZstd(head) else {
            guard source.size >= Self.minimumSize else {
                throw Self.refusal(path, "it has only \(source.size) bytes")
            }
            try Self.refuseOtherCompression(head, path)
            (form, plain) = (.raw, source)
            return
        }
        let table = try SeekTable.read(from: source, path: path.string).map { FrameList($0) }
        let largest = SeekableSource.maximumFrameSize
        if let table, table.largest <= largest {
            let seekable = SeekableSource(source, path: path.string, list: table)
            (form, plain) = (.seekable(seekable), seekable)
        } else if table == nil,
            let list = try FrameList.find(
                in: source, path: path.string, maximumSize: largest, progress: progress)
        {
            let frames = SeekableSource(source, path: path.string, list: list)
            (form, plain) = (.frames(frames), frames)
        } else {
            let spooled = try ZstdSpooler(
                file: source, path: path, directory: limits.directory ?? SpoolFile.defaultDirectory,
                maximumSize: limits.streamedBytes, progress: progress
            ).run()
            if let table, table.size != spooled.size {
                throw ImageError(
                    .corrupt, "the seek table is damaged in", path: path.string,
                    reason: "it says \(table.size) bytes, and the frames hold \(spooled.size)",
                    remedy: ZstdDecompressor.remedy)
            }
            (form, plain) = (.stream, spooled)
        }
        guard plain.size >= Self.minimumSize else {
            throw Self.refusal(path, "what it holds has only \(plain.size) bytes")
        }
    }

    /// An image whose form is known already.
    init(_ form: Form, _ plain: any ByteSource, file: FileSource?, fileSize: UInt64) {
        (self.form, self.plain, self.file, self.fileSize) = (form, plain, file, fileSize)
    }

    /// The length of the (decompressed) image in bytes.
    public var size: UInt64 { plain.size }

    /// The number of bytes that were read from the file so far.
    public var bytesRead: UInt64 { file?.bytesRead ?? 0 }

    /// See ``ByteSource/read(into:at:)``.
    public func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(ImageError) {
        try plain.read(into: buffer, at: offset)
    }

    /// Whether a sector ends with 55 aa, the signature of boot sectors and of partition tables.
    static func hasBootSignature(_ sector: [UInt8]) -> Bool {
        sector.load(at: FATBootSector.Field.signature) == FATBootSector.signature
    }

    /// The error for a file that is no image.
    static func refusal(_ path: FilePath, _ reason: String) -> ImageError {
        ImageError(
            .invalidInput, "there is no image in", path: path.string, reason: reason,
            remedy: "check that it was written or fetched completely")
    }

    /// Images for cards are often compressed with other programs, and would look like a raw image without a partition
    /// table.
    static func refuseOtherCompression(_ head: [UInt8], _ path: FilePath) throws(ImageError) {
        // A boot sector may begin with any bytes.
        if hasBootSignature(head) { return }
        let kinds: [(name: String, magic: [UInt8], remedy: String)] = [
            ("xz", [0xFD, 0x37, 0x7A, 0x58, 0x5A, 0x00], "unxz"), ("gzip", [0x1F, 0x8B, 0x08], "gunzip"),
            ("bzip2", [0x42, 0x5A, 0x68], "bunzip2"), ("zip", [0x50, 0x4B, 0x03, 0x04], "unzip"),
        ]
        for kind in kinds where head.starts(with: kind.magic) {
            throw ImageError(
                .invalidInput, "cannot open", path: path.string, reason: "it is compressed with \(kind.name)",
                remedy: "decompress it with '\(kind.remedy)' first")
        }
    }
}
