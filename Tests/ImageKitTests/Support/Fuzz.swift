import Foundation

@testable import ImageKit

/// How much is tried with bytes that are spoilt at random.
enum Fuzz {
    /// How many times: few, unless `MKPIIMG_FUZZ_ITERATIONS` asks for more.
    static func iterations(_ few: Int) -> Int {
        ProcessInfo.processInfo.environment["MKPIIMG_FUZZ_ITERATIONS"].flatMap { Int($0) } ?? few
    }

    /// Where to begin: always there, unless `MKPIIMG_FUZZ_SEED` says otherwise.
    static func random(_ place: UInt64) -> SplitMix {
        let seed = ProcessInfo.processInfo.environment["MKPIIMG_FUZZ_SEED"].flatMap { UInt64($0) } ?? 0
        return SplitMix(state: place &+ seed &* 1_000_003)
    }
}
