import Foundation

@testable import ImageKit

/// Settings of the tests that damage bytes at random.
enum Fuzz {
    /// The number of iterations: the default, unless `MKPIIMG_FUZZ_ITERATIONS` sets another.
    static func iterations(_ defaultCount: Int) -> Int {
        ProcessInfo.processInfo.environment["MKPIIMG_FUZZ_ITERATIONS"].flatMap { Int($0) } ?? defaultCount
    }

    /// A generator of random numbers: the same for a start, unless `MKPIIMG_FUZZ_SEED` is set.
    static func random(_ start: UInt64) -> SplitMix {
        let seed = ProcessInfo.processInfo.environment["MKPIIMG_FUZZ_SEED"].flatMap { UInt64($0) } ?? 0
        return SplitMix(state: start &+ seed &* 1_000_003)
    }
}
