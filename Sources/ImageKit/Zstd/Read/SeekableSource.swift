import CZstd

/// A compressed image whose frames are known, so that any part can be read without the rest: only the frames that hold it
/// are decompressed.
///
/// Several threads decompress different frames at once. Memory: 192 MiB of frames that were read last, as much again that is
/// being decompressed, and the compressed bytes of the latter. No frame is larger than 128 MiB.
public final class SeekableSource: ByteSource {
    /// The largest frame, in plain bytes, that is read this way. (Images with larger ones are decompressed as a whole.)
    static let largestFrame: UInt64 = 128 << 20
    /// Frames that were read last are kept up to so many bytes.
    static let defaultBound: UInt64 = 192 << 20
    /// Frames of at most so many compressed bytes are compared with known frames of zeros.
    private static let shortFrame: UInt64 = 4096

    private let file: any ByteSource
    private let path: String
    let list: FrameList
    private let cache: FrameCache
    private let memory = PagePool()
    private let known: Monitor<Known>

    /// What is known of frames.
    private struct Known {
        /// Compressed frames that are known to be zeros, with the number of these. (Tools make them all alike.)
        var zeros: [[UInt8]: UInt64] = [:]
        /// Frames that have been decompressed soundly: a bit for each.
        var verified: [UInt64]
        /// Frames for which the table has another checksum, though they are sound by their own.
        var contradicted: Set<Int> = []
    }

    /// - Parameter list: frames that fill the file (up to its seek table), none larger than ``largestFrame``.
    init(_ file: any ByteSource, path: String, list: FrameList, bound: UInt64 = defaultBound) {
        self.file = file
        self.path = path
        self.list = list
        cache = FrameCache(bound: bound)
        known = Monitor(Known(verified: [UInt64](repeating: 0, count: list.count / 64 + 1)))
    }

    /// The length of the decompressed image in bytes.
    public var size: UInt64 { list.size }

    /// The number of frames, skippable ones included.
    public var frameCount: Int { list.count }

    /// Where a frame lies in the file, in bytes; its number is below ``frameCount``.
    public func place(ofFrame frame: Int) -> Range<UInt64> { list.places[frame]..<list.places[frame + 1] }

    /// What part of the image a frame holds: nothing where it is skippable.
    public func range(ofFrame frame: Int) -> Range<UInt64> { list.starts[frame]..<list.starts[frame + 1] }

    /// The frame that holds a byte of the image; `nil` past its end.
    public func frame(holding offset: UInt64) -> Int? { offset < size ? list.frame(holding: offset) : nil }

    var bytesKept: UInt64 { cache.bytesKept }

    /// The plain bytes of the largest frame.
    var largestFrameSize: UInt64 { list.largest }

    /// How many frames have been decompressed soundly so far.
    public var verifiedFrames: Int { known.change { $0.verified.reduce(0) { $0 + $1.nonzeroBitCount } } }

    /// Whether a frame has been decompressed, and was sound. Its number is below ``frameCount``.
    public func isVerified(_ frame: Int) -> Bool {
        known.change { $0.verified[frame / 64] & 1 << UInt64(frame % 64) != 0 }
    }

    /// Whether the table has another checksum for a frame that has been decompressed soundly.
    func contradictsTable(_ frame: Int) -> Bool { known.change { $0.contradicted.contains(frame) } }

    private func setVerified(_ frame: Int) {
        known.change { $0.verified[frame / 64] |= 1 << UInt64(frame % 64) }
    }

    /// The most bytes that a frame of so many plain bytes has by any compressor: blocks stored as they are, and much more
    /// than what headers take.
    static func longestFrame(of size: UInt64) -> UInt64 { size + size / 64 + (1 << 20) }

    /// Decompresses the frames that hold the bytes from `offset` on.
    ///
    /// - Throws: ``ImageError/Code/corrupt`` where a frame is damaged or not what the table says, or past the end.
    public func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(ImageError) {
        try checkRange(buffer.count, at: offset, path: path)
        var done = 0
        while done < buffer.count {
            let place = offset + UInt64(done)
            let frame = list.frame(holding: place)
            let start = Int(place - list.starts[frame])
            let count = min(Int(list.starts[frame + 1] - place), buffer.count - done)
            let part = UnsafeMutableRawBufferPointer(rebasing: buffer[done..<done + count])
            switch try content(of: frame) {
            case .zeros: part.initializeMemory(as: UInt8.self, repeating: 0)
            case .bytes(let bytes):
                part.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes.memory[start..<start + count]))
            }
            done += count
        }
    }

    /// Makes sure of a frame: that it is one, whole, with the right checksum and size. Its number is below
    /// ``frameCount``.
    ///
    /// - Throws: ``ImageError/Code/corrupt`` where it is not.
    public func check(frame: Int) throws(ImageError) {
        if !range(ofFrame: frame).isEmpty {
            _ = try content(of: frame)
            return
        }
        try checkEmpty(frame)
    }

    /// Decompresses a frame, and keeps nothing of it.
    func verify(_ frame: Int) throws(ImageError) {
        if range(ofFrame: frame).isEmpty { try checkEmpty(frame) } else { _ = try load(frame) }
    }

    private func checkEmpty(_ frame: Int) throws(ImageError) {
        let place = place(ofFrame: frame)
        let length = place.length
        let head = try file.read(Int(min(UInt64(ZstdFrameHeader.maximum), length)), at: place.lowerBound)
        switch ZstdFrameHeader(head) {
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
        let place = place(ofFrame: frame)
        let range = range(ofFrame: frame)
        let size = range.length
        let length = place.length
        guard length <= Self.longestFrame(of: size) else {
            throw refusal(frame, "\(length) bytes are too many for \(size) bytes of content")
        }
        // What a frame says itself is looked at before memory is taken for what the table says.
        let head = try file.read(Int(min(length, Self.shortFrame)), at: place.lowerBound)
        guard case .frame(_, let said, let hasChecksum)? = ZstdFrameHeader(head) else {
            throw refusal(frame, "there is no zstd frame")
        }
        if let said, said != size { throw refusal(frame, "it holds \(said) bytes, and should hold \(size)") }
        let isShort = length <= Self.shortFrame
        if isShort, known.change({ $0.zeros[head] }) == size {
            setVerified(frame)
            return .zeros
        }

        let compressed = try FrameBytes(count: Int(length), from: self.memory) { (memory) throws(ImageError) in
            memory.copyBytes(from: head)
            try file.read(
                into: UnsafeMutableRawBufferPointer(rebasing: memory[head.count...]),
                at: place.lowerBound + UInt64(head.count))
        }
        let plain = try FrameBytes(count: Int(size), from: self.memory) { (memory) throws(ImageError) in
            try ZstdDecompressor(path: path).decompress(
                frame: UnsafeRawBufferPointer(compressed.memory), into: memory, at: place.lowerBound)
        }
        try compareChecksum(of: frame, UnsafeRawBufferPointer(plain.memory), hasOwn: hasChecksum)
        setVerified(frame)
        guard UnsafeRawBufferPointer(plain.memory).isZero else { return .bytes(plain) }
        if isShort {
            known.change { if $0.zeros.count < 64 { $0.zeros[head] = size } }
        }
        return .zeros
    }

    /// Compares a frame's content with the checksum that the table has. Where the frame has one of its own (which zstd has
    /// compared), it is the table that is wrong.
    private func compareChecksum(
        of frame: Int, _ plain: UnsafeRawBufferPointer, hasOwn: Bool
    ) throws(ImageError) {
        guard list.checksums.indices.contains(frame) else { return }
        let expected = list.checksums[frame]
        let sum = UInt32(truncatingIfNeeded: XXH64.hash(plain))
        guard sum != expected else { return }
        guard hasOwn else {
            throw refusal(frame, "its content has the checksum \(sum), and the seek table says \(expected)")
        }
        known.change { _ = $0.contradicted.insert(frame) }
    }

    private func refusal(_ frame: Int, _ reason: String) -> ImageError {
        ImageError(
            .corrupt, "frame \(frame) cannot be read in", path: path, offset: list.places[frame], reason: reason,
            remedy: ZstdDecompressor.remedy)
    }
}
