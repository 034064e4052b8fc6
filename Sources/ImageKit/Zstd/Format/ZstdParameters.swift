import CZstd

/// How frames are compressed: what an image's bytes depend on beside its content and zstd's version.
public struct ZstdParameters: Sendable, Hashable {
    /// The levels that can be asked for: zstd's fast ones below zero, ordinary ones to 19, large ones to 22.
    public static let levels = Int(max(-131_072, ZSTD_minCLevel()))...Int(ZSTD_maxCLevel())
    /// The level that is used unless another is asked for.
    public static let defaultLevel = 3

    /// zstd's compression level.
    public let level: Int
    /// What is set beside the level, in zstd's own terms.
    let settings: [Setting]
    /// Whether zstd looks for long matches in the whole frame: of many frames, in those where similar files were gathered.
    /// (Elsewhere it finds little, and takes a fifth of the time.)
    let findsLongMatches: Bool

    /// One of zstd's parameters.
    struct Setting: Sendable, Hashable {
        var name: String
        var parameter: UInt32
        var value: Int32
    }

    /// Parameters for a level.
    ///
    /// Levels 1 to 4 are not zstd's own but smaller and cheaper on closures: the fastest match finder, with a table that fits
    /// a core's own caches, matches of 6 or 7 bytes and more (shorter ones cost more to write than they save), and a search for
    /// long ones over the whole frame where similar files were gathered. `Benchmarks/` says what was measured. Other levels
    /// are zstd's, from 5 on with a window of 16 MiB. No window is over 2^27 bytes, so every decoder takes the image.
    public init(level: Int = defaultLevel) {
        self.level = level
        findsLongMatches = (1...4).contains(level)
        settings =
            switch level {
            case 1: Self.fast(hashLog: 13, minMatch: 7) + Self.longMatches(rateLog: 9, bucketLog: 1)
            case 2: Self.fast(hashLog: 15, minMatch: 6) + Self.longMatches(rateLog: 8, bucketLog: 2)
            case 3: Self.fast(hashLog: 16, minMatch: 6) + Self.longMatches(rateLog: 8, bucketLog: 2)
            case 4: Self.fast(hashLog: 17, minMatch: 6) + Self.longMatches(rateLog: 8, bucketLog: 2)
            case 5...19: [Setting("window-log", ZSTD_c_windowLog, 24)]
            default: []
            }
    }

    private static func fast(hashLog: Int32, minMatch: Int32) -> [Setting] {
        [
            Setting("strategy", ZSTD_c_strategy, Int32(ZSTD_fast.rawValue)),
            Setting("window-log", ZSTD_c_windowLog, 25),
            Setting("hash-log", ZSTD_c_hashLog, hashLog),
            Setting("min-match", ZSTD_c_minMatch, minMatch),
            Setting("target-length", ZSTD_c_targetLength, 0),
        ]
    }

    /// Long matches have 32 bytes and more. For them one of 2^`rateLog` places is remembered, and 2^`bucketLog` of those are
    /// looked at for each.
    private static func longMatches(rateLog: Int32, bucketLog: Int32) -> [Setting] {
        [
            Setting("ldm-min-match", ZSTD_c_ldmMinMatch, 32),
            Setting("ldm-hash-rate-log", ZSTD_c_ldmHashRateLog, rateLog),
            Setting("ldm-bucket-size-log", ZSTD_c_ldmBucketSizeLog, bucketLog),
        ]
    }

    /// The version of libzstd at work, like "1.5.4".
    public static var libraryVersion: String { String(cString: ZSTD_versionString()) }
}

extension ZstdParameters.Setting {
    init(_ name: String, _ parameter: ZSTD_cParameter, _ value: Int32) {
        self.init(name: name, parameter: parameter.rawValue, value: value)
    }
}
