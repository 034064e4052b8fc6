import Foundation

@testable import ImageKit

/// The number of rounds, and the random numbers, of tests that damage bytes at random.
enum Fuzz {
    /// The number of rounds: few, unless `MKPIIMG_FUZZ_ITERATIONS` sets it.
    static func iterations(_ few: Int) -> Int {
        ProcessInfo.processInfo.environment["MKPIIMG_FUZZ_ITERATIONS"].flatMap { Int($0) } ?? few
    }

    /// A generator that is the same in every run, unless `MKPIIMG_FUZZ_SEED` sets another seed.
    /// - Parameter test: a number of its own for each test, so that tests use different sequences.
    static func random(_ test: UInt64) -> SplitMix {
        let seed = ProcessInfo.processInfo.environment["MKPIIMG_FUZZ_SEED"].flatMap { UInt64($0) } ?? 0
        return SplitMix(state: test &+ seed &* 1_000_003)
    }
}
