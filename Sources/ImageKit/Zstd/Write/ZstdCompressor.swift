import CZstd

/// A zstd compression context. It makes one complete frame at a time, with content size and checksum.
struct ZstdCompressor: ~Copyable {
    let context: OpaquePointer
    private let findsLongMatches: Bool

    /// - Parameter workers: the number of zstd's own threads for a single frame; 0 for none. It is ignored if zstd was
    ///   built without threads.
    init(_ parameters: ZstdParameters, workers: Int = 0) throws(ImageError) {
        guard let context = ZSTD_createCCtx() else {
            throw ImageError(
                .inputOutput, "cannot compress", reason: "there is no memory for zstd", remedy: Self.memoryRemedy)
        }
        do throws(ImageError) {
            try Self.set(ZSTD_c_compressionLevel, Int32(clamping: parameters.level), of: context)
            try Self.set(ZSTD_c_contentSizeFlag, 1, of: context)
            try Self.set(ZSTD_c_checksumFlag, 1, of: context)
            for setting in parameters.settings {
                try Self.set(ZSTD_cParameter(rawValue: setting.parameter), setting.value, of: context)
            }
            if parameters.findsLongMatches {
                try Self.set(ZSTD_c_enableLongDistanceMatching, 1, of: context)
            }
            if workers > 0, Self.hasWorkers { try Self.set(ZSTD_c_nbWorkers, Int32(clamping: workers), of: context) }
        } catch {
            ZSTD_freeCCtx(context)
            throw error
        }
        self.context = context
        findsLongMatches = parameters.findsLongMatches
    }

    deinit { ZSTD_freeCCtx(context) }

    /// Whether zstd was built with threads of its own. (Debian's static library was not. So the static program
    /// compresses a single frame with one thread, and the bytes differ from those of the other program.)
    private static var hasWorkers: Bool {
        let bounds = ZSTD_cParam_getBounds(ZSTD_c_nbWorkers)
        return ZSTD_isError(bounds.error) == 0 && bounds.upperBound > 0
    }

    private static func set(
        _ parameter: ZSTD_cParameter, _ value: Int32, of context: OpaquePointer
    ) throws(ImageError) {
        try check(ZSTD_CCtx_setParameter(context, parameter, value), "cannot set up zstd")
    }

    /// Compresses `input` into one frame at the beginning of `output`, which must have
    /// at least ``maximumCompressedSize(of:)`` bytes.
    ///
    /// - Parameter isGathered: whether `input` holds gathered parts of similar files.
    /// - Returns: the length of the frame in bytes.
    func compress(
        _ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer, isGathered: Bool = false
    ) throws(ImageError) -> Int {
        if findsLongMatches {
            // 0 leaves the choice to zstd, which does not search at long range with the parameters of these levels.
            try Self.set(ZSTD_c_enableLongDistanceMatching, isGathered ? 1 : 0, of: context)
        }
        return try Self.check(
            ZSTD_compress2(context, output.baseAddress, output.count, input.baseAddress, input.count), "cannot compress"
        )
    }

    /// The maximum length in bytes of a frame for `count` plain bytes.
    static func maximumCompressedSize(of count: Int) -> Int { ZSTD_compressBound(count) }

    /// The advice if there is too little memory for compression.
    static let memoryRemedy: Advice =
        "use fewer \(.threads) or a smaller \(.frameSize), or raise the limit that 'ulimit -v' or a container sets"

    /// Throws if a result of zstd is an error; otherwise returns the result.
    @discardableResult
    static func check(_ code: Int, _ message: String) throws(ImageError) -> Int {
        guard ZSTD_isError(code) == 0 else {
            if ZSTD_getErrorCode(code) == ZSTD_error_memory_allocation {
                throw ImageError(
                    .inputOutput, message, reason: "there is no memory for zstd", remedy: memoryRemedy)
            }
            throw ImageError(.internal, message, reason: String(cString: ZSTD_getErrorName(code)))
        }
        return code
    }
}
