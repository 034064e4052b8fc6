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
    /// Where long matches are looked for.
    let longMatches: LongMatches

    /// Where zstd looks for long matches in the whole frame. It takes a fifth of the time, and finds most of them where
    /// similar files were gathered.
    enum LongMatches: Sendable, Hashable {
        case everywhere, whereGathered, asLevel
    }

    /// One of zstd's parameters.
    struct Setting: Sendable, Hashable {
        var name: String
        var parameter: UInt32
        var value: Int32
    }

    /// Parameters for a level.
    ///
    /// Levels 1 to 4 are not zstd's own but smaller and cheaper on closures: the fastest match finder with a table that fits
    /// a core's cache, and a search for long matches over the whole frame, which shared libraries and catalogues have many
    /// of (at levels 1 to 3 only where similar files were gathered). `Benchmarks/` says what was measured. Other levels are
    /// zstd's, from 5 on with a window of 16 MiB. No window is over 2^27 bytes, so every decoder takes the image.
    public init(level: Int = defaultLevel) {
        self.level = level
        (settings, longMatches) =
            switch level {
            case 1: (Self.fast(hashLog: 14, minMatch: 7) + Self.fewLongMatches, .whereGathered)
            case 2: (Self.fast(hashLog: 14, minMatch: 5), .whereGathered)
            case 3: (Self.fast(hashLog: 15, minMatch: 5), .whereGathered)
            case 4: (Self.fast(hashLog: 15, minMatch: 5), .everywhere)
            case 5...19: ([Setting("window-log", ZSTD_c_windowLog, 24)], .asLevel)
            default: ([], .asLevel)
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

    /// Half as many places are remembered for long matches as zstd would, and half as many looked at for each.
    private static let fewLongMatches = [
        Setting("ldm-hash-rate-log", ZSTD_c_ldmHashRateLog, 8),
        Setting("ldm-bucket-size-log", ZSTD_c_ldmBucketSizeLog, 2),
    ]

    /// The version of libzstd at work, like "1.5.4".
    public static var libraryVersion: String { String(cString: ZSTD_versionString()) }
}

extension ZstdParameters.Setting {
    init(_ name: String, _ parameter: ZSTD_cParameter, _ value: Int32) {
        self.init(name: name, parameter: parameter.rawValue, value: value)
    }
}
