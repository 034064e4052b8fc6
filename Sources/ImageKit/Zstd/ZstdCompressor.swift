import CZstd

/// How frames are compressed. What the bytes of an image depend on, beside its content and zstd's version.
public struct ZstdParameters: Sendable, Hashable {
    /// The levels that can be asked for: zstd's fast ones below zero, ordinary ones to 19, large ones to 22.
    public static let levels = Int(max(-131_072, ZSTD_minCLevel()))...Int(ZSTD_maxCLevel())

    /// zstd's compression level.
    public var level: Int
    /// Binary logarithm of the window in bytes; `nil` is the level's own. At most 27, which every decoder accepts.
    public var windowLog: Int?

    /// See the properties of the same names.
    public init(level: Int = 3, windowLog: Int? = nil) {
        self.level = level
        self.windowLog = windowLog.map { min($0, 27) }
    }

    /// The version of libzstd at work, like "1.5.4".
    public static var libraryVersion: String { String(cString: ZSTD_versionString()) }
}

/// A zstd compression context: makes one whole frame at a time, with its content size and checksum.
struct ZstdCompressor: ~Copyable {
    let context: OpaquePointer

    init(_ parameters: ZstdParameters, workers: Int = 0) throws(ImageError) {
        guard let context = ZSTD_createCCtx() else {
            throw ImageError(.internal, "cannot compress", reason: "there is no memory for a zstd context")
        }
        do throws(ImageError) {
            try Self.set(ZSTD_c_compressionLevel, Int32(clamping: parameters.level), of: context)
            try Self.set(ZSTD_c_contentSizeFlag, 1, of: context)
            try Self.set(ZSTD_c_checksumFlag, 1, of: context)
            if let log = parameters.windowLog { try Self.set(ZSTD_c_windowLog, Int32(clamping: log), of: context) }
            if workers > 0 { try Self.set(ZSTD_c_nbWorkers, Int32(clamping: workers), of: context) }
        } catch {
            ZSTD_freeCCtx(context)
            throw error
        }
        self.context = context
    }

    deinit { ZSTD_freeCCtx(context) }

    private static func set(_ parameter: ZSTD_cParameter, _ value: Int32, of context: OpaquePointer) throws(ImageError) {
        try check(ZSTD_CCtx_setParameter(context, parameter, value), "cannot set up zstd")
    }

    /// Compresses `input` into one frame at the beginning of `output`, which must have ``bound(_:)`` bytes.
    /// - Returns: the frame's length.
    func compress(
        _ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer
    ) throws(ImageError) -> Int {
        try Self.check(
            ZSTD_compress2(context, output.baseAddress, output.count, input.baseAddress, input.count), "cannot compress")
    }

    /// The most bytes that a frame of so many plain bytes can take.
    static func bound(_ count: Int) -> Int { ZSTD_compressBound(count) }

    @discardableResult
    static func check(_ code: Int, _ message: String) throws(ImageError) -> Int {
        guard ZSTD_isError(code) == 0 else {
            throw ImageError(.internal, message, reason: String(cString: ZSTD_getErrorName(code)))
        }
        return code
    }
}
