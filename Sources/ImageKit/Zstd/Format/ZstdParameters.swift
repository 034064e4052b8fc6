import CZstd

/// The settings for compression. The bytes of an image depend on them, on its content, and on the version of zstd.
public struct ZstdParameters: Sendable, Hashable {
    /// The levels that zstd has: fast ones below 0, ordinary ones from 1 to 19, and up to 22 with large windows. 0
    /// stands for zstd's own default.
    public static let levels = Int(max(-131_072, ZSTD_minCLevel()))...Int(ZSTD_maxCLevel())
    /// The level that is used by default.
    public static let defaultLevel = 3

    /// zstd's compression level.
    public let level: Int
    /// zstd's parameters that are set in addition to the level.
    let settings: [Setting]
    /// Whether zstd searches at long range in frames that hold gathered parts of similar files. (In other frames the
    /// search finds little and takes a fifth of the time of compression.)
    let findsLongMatches: Bool

    /// One of zstd's parameters.
    struct Setting: Sendable, Hashable {
        var name: String
        var parameter: UInt32
        var value: Int32
    }

    /// Makes the parameters of a level.
    ///
    /// Levels 1 to 4 differ from zstd's own: on closures they compress better and take less time. They combine three
    /// things:
    /// - The fastest match finder, with a table that fits the caches of a core.
    /// - Matches of at least 6 or 7 bytes. Shorter ones cost more to write than they save.
    /// - A search for matches at long range, in frames that hold gathered parts of similar files.
    ///
    /// `Benchmarks/` has the measurements. Other levels are zstd's, from 5 to 19 with a window of 16 MiB. No window is
    /// larger than 2^27 bytes, the default limit of zstd's decoder.
    ///
    /// - Parameter level: one of ``levels``.
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

    /// The search at long range for matches of at least 32 bytes. It remembers one in 2^`rateLog` offsets, on average,
    /// and tries up to 2^`bucketLog` of them for each match.
    private static func longMatches(rateLog: Int32, bucketLog: Int32) -> [Setting] {
        [
            Setting("ldm-min-match", ZSTD_c_ldmMinMatch, 32),
            Setting("ldm-hash-rate-log", ZSTD_c_ldmHashRateLog, rateLog),
            Setting("ldm-bucket-size-log", ZSTD_c_ldmBucketSizeLog, bucketLog),
        ]
    }

    /// The version of libzstd that this program uses, such as "1.5.4".
    public static var libraryVersion: String { String(cString: ZSTD_versionString()) }
}

extension ZstdParameters.Setting {
    init(_ name: String, _ parameter: ZSTD_cParameter, _ value: Int32) {
        self.init(name: name, parameter: parameter.rawValue, value: value)
    }
}
