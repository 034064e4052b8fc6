import Testing

@testable import ImageKit

/// Bytes of many small things.
@Suite struct BytePoolTests {
    /// Whatever was added before and after, and to whichever pool, is found again.
    @Test(arguments: 0..<5) func findsAllAgain(seed: UInt64) {
        var random = SplitMix(state: seed)
        var pool = BytePool()
        var known: [(place: UInt64, bytes: [UInt8])] = []
        for _ in 0..<Int.random(in: 1...6, using: &random) {
            var other = BytePool()
            var its: [(place: UInt64, bytes: [UInt8])] = []
            for _ in 0..<Int.random(in: 0...9, using: &random) {
                // Some are longer than a chunk, some end where one is long enough.
                let count = [0, 1, 311, 4096, (1 << 20) - 1, 1 << 20, 3 << 20].randomElement(using: &random) ?? 0
                let bytes = [UInt8](repeating: UInt8.random(in: 0...255, using: &random), count: count)
                its.append((other.add(bytes), bytes))
            }
            let shift = pool.append(other)
            known += its.map { ($0.place + shift, $0.bytes) }
            let last = [UInt8](repeating: 7, count: 100)
            known.append((pool.add(last), last))
        }
        for (place, bytes) in known { #expect(Array(pool[place, count: UInt64(bytes.count)]) == bytes) }
    }

    /// What another pool has is not copied.
    @Test func sharesChunks() throws {
        var pool = BytePool(), other = BytePool()
        _ = pool.add([1, 2, 3])
        let place = other.add([UInt8](repeating: 9, count: 100_000))
        let shared = place + pool.append(other)
        let (chunk, bytes) = BytePool.range(at: shared, count: 100_000)
        let one = pool.chunks[chunk].withUnsafeBufferPointer { $0.baseAddress }
        let two = try #require(other.chunks.first).withUnsafeBufferPointer { $0.baseAddress }
        #expect(one == two && bytes == 0..<100_000)
    }
}
