import CZstd

/// A zstd decompression context. It compares the checksum of each frame that has one.
struct ZstdDecompressor: ~Copyable {
    private let context: OpaquePointer
    /// The path of the compressed file, for errors.
    private let path: String

    /// The largest window that a stream may need, as the exponent of a power of two: 128 MiB. Other decoders have the
    /// same limit.
    static let maximumWindowLog: Int32 = 27

    init(path: String) throws(ImageError) {
        guard let context = ZSTD_createDCtx() else {
            throw ImageError(.internal, "cannot decompress", path: path, reason: "there is no memory for a context")
        }
        ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, Self.maximumWindowLog)
        self.context = context
        self.path = path
    }

    deinit { ZSTD_freeDCtx(context) }

    /// Decompresses one complete frame, which must fill `output` exactly. This needs no memory for a window.
    ///
    /// - Parameter offset: the frame's offset in the file, for errors.
    func decompress(
        frame: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer, at offset: UInt64
    ) throws(ImageError) {
        // zstd would also accept several frames, or a frame in a format from before the standard.
        guard frame.load(at: ZstdFrameHeader.Field.magic) == ZstdFrameHeader.magic else {
            throw refusal("there is no zstd frame", at: offset)
        }
        let length = try check(ZSTD_findFrameCompressedSize(frame.baseAddress, frame.count), at: offset)
        guard length == frame.count else {
            throw refusal("the frame has \(length) bytes, not \(frame.count)", at: offset)
        }
        let count = try check(
            ZSTD_decompressDCtx(context, output.baseAddress, output.count, frame.baseAddress, frame.count), at: offset)
        guard count == output.count else {
            throw refusal("the frame holds \(count) bytes, not \(output.count)", at: offset)
        }
    }

    /// Decompresses the next part of a stream of frames.
    ///
    /// - Parameter offset: the offset of `input` in the file, for errors.
    /// - Returns: the numbers of bytes consumed and produced, and whether a frame ended after them.
    func stream(
        _ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer, at offset: UInt64
    ) throws(ImageError) -> (consumed: Int, produced: Int, isFrameEnd: Bool) {
        var source = ZSTD_inBuffer(src: input.baseAddress, size: input.count, pos: 0)
        var target = ZSTD_outBuffer(dst: output.baseAddress, size: output.count, pos: 0)
        let left = try check(ZSTD_decompressStream(context, &target, &source), at: offset)
        return (source.pos, target.pos, left == 0)
    }

    private func refusal(_ reason: String, at offset: UInt64) -> ImageError {
        ImageError(.corrupt, "cannot decompress", path: path, offset: offset, reason: reason, remedy: Self.remedy)
    }

    /// The advice for a damaged file.
    static let remedy: Advice = "the file is damaged: fetch or build it again"

    private func check(_ code: Int, at offset: UInt64) throws(ImageError) -> Int {
        guard ZSTD_isError(code) != 0 else { return code }
        switch ZSTD_getErrorCode(code) {
        case ZSTD_error_frameParameter_windowTooLarge:
            throw ImageError(
                .invalidInput, "cannot decompress", path: path, offset: offset,
                reason: "it needs a window of more than 128 MiB",
                remedy: "compress it again with a window of at most that ('--long=27')")
        case ZSTD_error_memory_allocation:
            throw ImageError(.internal, "cannot decompress", path: path, offset: offset, reason: "out of memory")
        case ZSTD_error_dictionary_wrong:
            throw ImageError(
                .invalidInput, "cannot decompress", path: path, offset: offset,
                reason: "it was compressed with a dictionary", remedy: "compress it again without one")
        case ZSTD_error_dstSize_tooSmall: throw refusal("the frame holds more bytes than it should", at: offset)
        default: throw refusal(String(cString: ZSTD_getErrorName(code)), at: offset)
        }
    }
}
