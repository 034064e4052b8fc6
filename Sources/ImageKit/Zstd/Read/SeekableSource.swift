import CZstd

/// A compressed image whose frames are known. Reading any part decompresses only the frames that hold it.
///
/// Several threads can decompress different frames at once. Memory: 192 MiB for the frames that were read last, the
/// same for frames that are being decompressed, and the compressed bytes of the latter. No frame is larger than 128
/// MiB.
public final class SeekableSource: ByteSource {
    /// The largest frame that is read this way, in plain bytes. (Images with larger frames are decompressed as a
    /// whole.)
    static let maximumFrameSize: UInt64 = 128 << 20
    /// The default for the bytes of frames that are kept.
    static let defaultCapacity: UInt64 = 192 << 20
    /// Frames of at most this length in the file are compared with known frames of zeros, in bytes.
    private static let maximumZeroFrameLength: UInt64 = 4096
    /// The number of different frames of zeros that are remembered.
    private static let maximumZeroFrames = 64

    private let file: any ByteSource
    private let path: String
    let list: FrameList
    private let cache: FrameCache
    private let memory = PagePool()
    private let known: Monitor<Known>

    /// What reading has shown about frames.
    private struct Known {
        /// Compressed frames that hold only zeros: their sizes and, if the seek table has checksums, those of their
        /// contents. (Tools make identical frames for zeros.)
        var zeros: [[UInt8]: (size: UInt64, checksum: UInt32?)] = [:]
        /// A bit for each frame that was decompressed without an error.
        var verified: [UInt64]
        /// Frames whose own checksum is right, but not the one in the seek table.
        var contradicted: Set<Int> = []
    }

    /// - Parameters:
    ///   - list: frames that fill the file up to its seek table, none larger than ``maximumFrameSize``.
    ///   - capacity: bytes of frames that are kept.
    init(_ file: any ByteSource, path: String, list: FrameList, capacity: UInt64 = defaultCapacity) {
        self.file = file
        self.path = path
        self.list = list
        cache = FrameCache(capacity: capacity)
        known = Monitor(Known(verified: [UInt64](repeating: 0, count: list.count / 64 + 1)))
    }

    /// The length of the decompressed image in bytes.
    public var size: UInt64 { list.size }

    /// The number of frames, skippable ones included.
    public var frameCount: Int { list.count }

    /// The bytes of the file that a frame takes. `frame` is below ``frameCount``.
    public func fileRange(ofFrame frame: Int) -> Range<UInt64> { list.fileRange(ofFrame: frame) }

    /// The bytes of the image that a frame holds; empty for a skippable frame. `frame` is below ``frameCount``.
    public func range(ofFrame frame: Int) -> Range<UInt64> { list.imageRange(ofFrame: frame) }

    /// The frame that holds a byte of the image; `nil` past the end of the image.
    public func frame(holding offset: UInt64) -> Int? { offset < size ? list.frame(holding: offset) : nil }

    /// Bytes of frames that are kept now.
    var bytesKept: UInt64 { cache.bytesKept }

    /// The plain bytes of the largest frame.
    var largestFrameSize: UInt64 { list.largest }

    /// The number of frames that were decompressed without an error so far.
    var verifiedFrames: Int { known.change { $0.verified.reduce(0) { $0 + $1.nonzeroBitCount } } }

    /// Whether a frame was decompressed without an error. `frame` is below ``frameCount``.
    func isVerified(_ frame: Int) -> Bool {
        known.change { $0.verified[frame / 64] & 1 << UInt64(frame % 64) != 0 }
    }

    /// Whether the seek table has a wrong checksum for a frame that was decompressed without an error.
    func contradictsTable(_ frame: Int) -> Bool { known.change { $0.contradicted.contains(frame) } }

    private func setVerified(_ frame: Int) {
        known.change { $0.verified[frame / 64] |= 1 << UInt64(frame % 64) }
    }

    /// The longest frame that any compressor makes of `size` plain bytes: blocks that store them, and far more than
    /// their headers need.
    static func maximumCompressedSize(of size: UInt64) -> UInt64 { size + size / 64 + (1 << 20) }

    /// Fills a buffer from `offset` on. Decompresses the frames that hold these bytes.
    ///
    /// - Throws: ``ImageError/Code/corrupt`` if a frame is damaged or differs from the seek table, or past the end.
    public func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(ImageError) {
        try checkRange(buffer.count, at: offset, path: path)
        var done = 0
        while done < buffer.count {
            let position = offset + UInt64(done)
            let frame = list.frame(holding: position)
            let start = Int(position - list.imageOffsets[frame])
            let count = min(Int(list.imageOffsets[frame + 1] - position), buffer.count - done)
            let target = UnsafeMutableRawBufferPointer(rebasing: buffer[done..<done + count])
            switch try content(of: frame) {
            case .zeros: target.initializeMemory(as: UInt8.self, repeating: 0)
            case .bytes(let bytes):
                target.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes.memory[start..<start + count]))
            }
            done += count
        }
    }

    /// Checks that a frame is complete, with the right checksum and size. `frame` is below ``frameCount``.
    ///
    /// - Throws: ``ImageError/Code/corrupt`` if it is not.
    public func check(frame: Int) throws(ImageError) {
        if !range(ofFrame: frame).isEmpty {
            _ = try content(of: frame)
            return
        }
        try checkEmpty(frame)
    }

    /// Checks a frame like ``check(frame:)``, without the cache.
    func verify(_ frame: Int) throws(ImageError) {
        if range(ofFrame: frame).isEmpty { try checkEmpty(frame) } else { _ = try load(frame) }
    }

    private func checkEmpty(_ frame: Int) throws(ImageError) {
        let fileRange = fileRange(ofFrame: frame)
        let length = fileRange.length
        let header = try file.read(Int(min(UInt64(ZstdFrameHeader.maximumLength), length)), at: fileRange.lowerBound)
        switch ZstdFrameHeader(header) {
        case .skippable(length): setVerified(frame)
        case .frame(_, let size, _) where size ?? 0 == 0: _ = try load(frame)
        default: throw refusal(frame, "it holds something, which the seek table leaves out")
        }
    }

    // MARK: Frames

    private func content(of frame: Int) throws(ImageError) -> FrameCache.Content {
        let range = range(ofFrame: frame)
        return try cache.content(of: frame, size: range.length) { () throws(ImageError) in
            try load(frame)
        }
    }

    private func load(_ frame: Int) throws(ImageError) -> FrameCache.Content {
        let fileRange = fileRange(ofFrame: frame)
        let size = range(ofFrame: frame).length
        let length = fileRange.length
        guard length <= Self.maximumCompressedSize(of: size) else {
            throw refusal(frame, "\(length) bytes are too many for \(size) bytes of content")
        }
        // The size in the frame's header must match before memory of the size in the seek table is allocated.
        let start = try file.read(Int(min(length, Self.maximumZeroFrameLength)), at: fileRange.lowerBound)
        guard case .frame(_, let recordedSize, let hasChecksum)? = ZstdFrameHeader(start) else {
            throw refusal(frame, "there is no zstd frame")
        }
        if let recordedSize, recordedSize != size {
            throw refusal(frame, "it holds \(recordedSize) bytes, and should hold \(size)")
        }
        let isShort = length <= Self.maximumZeroFrameLength
        if isShort, let zeros = known.change({ $0.zeros[start] }), zeros.size == size {
            try compare(zeros.checksum, of: frame, hasOwn: hasChecksum)
            setVerified(frame)
            return .zeros
        }

        let compressed = try FrameBytes(count: Int(length), from: self.memory) { (memory) throws(ImageError) in
            memory.copyBytes(from: start)
            try file.read(
                into: UnsafeMutableRawBufferPointer(rebasing: memory[start.count...]),
                at: fileRange.lowerBound + UInt64(start.count))
        }
        let plain = try FrameBytes(count: Int(size), from: self.memory) { (memory) throws(ImageError) in
            try ZstdDecompressor(path: path).decompress(
                frame: UnsafeRawBufferPointer(compressed.memory), into: memory, at: fileRange.lowerBound)
        }
        let checksum =
            list.checksums.isEmpty
            ? nil : UInt32(truncatingIfNeeded: XXH64.hash(UnsafeRawBufferPointer(plain.memory)))
        try compare(checksum, of: frame, hasOwn: hasChecksum)
        setVerified(frame)
        guard UnsafeRawBufferPointer(plain.memory).isZero else { return .bytes(plain) }
        if isShort {
            known.change { if $0.zeros.count < Self.maximumZeroFrames { $0.zeros[start] = (size, checksum) } }
        }
        return .zeros
    }

    /// Compares the checksum of a frame's content with the one in the seek table. If the frame has a checksum of its
    /// own, zstd has compared that already, so the seek table is wrong.
    private func compare(_ checksum: UInt32?, of frame: Int, hasOwn: Bool) throws(ImageError) {
        guard let checksum, list.checksums.indices.contains(frame) else { return }
        let expected = list.checksums[frame]
        guard checksum != expected else { return }
        guard hasOwn else {
            throw refusal(frame, "its content has the checksum \(checksum), and the seek table says \(expected)")
        }
        known.change { _ = $0.contradicted.insert(frame) }
    }

    private func refusal(_ frame: Int, _ reason: String) -> ImageError {
        ImageError(
            .corrupt, "frame \(frame) cannot be read in", path: path, offset: list.fileOffsets[frame], reason: reason,
            remedy: ZstdDecompressor.remedy)
    }
}
