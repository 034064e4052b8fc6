import Testing

@testable import ImageKit

/// The pool of the bytes of many small items.
@Suite struct BytePoolTests {
    /// Every item is found again, no matter what else was added, and to which pool.
    @Test(arguments: 0..<5) func findsEveryItem(seed: UInt64) {
        var random = SplitMix(state: seed)
        var pool = BytePool()
        var known: [(position: UInt64, bytes: [UInt8])] = []
        for _ in 0..<Int.random(in: 1...6, using: &random) {
            var added = BytePool()
            var items: [(position: UInt64, bytes: [UInt8])] = []
            for _ in 0..<Int.random(in: 0...9, using: &random) {
                // Some are longer than a chunk, and some end where a chunk is full.
                let count = [0, 1, 311, 4096, (1 << 20) - 1, 1 << 20, 3 << 20].randomElement(using: &random) ?? 0
                let bytes = [UInt8](repeating: UInt8.random(in: 0...255, using: &random), count: count)
                items.append((added.add(bytes), bytes))
            }
            let shift = pool.append(added)
            known += items.map { ($0.position + shift, $0.bytes) }
            let last = [UInt8](repeating: 7, count: 100)
            known.append((pool.add(last), last))
        }
        for (position, bytes) in known { #expect(Array(pool[position, count: UInt64(bytes.count)]) == bytes) }
    }

    /// The chunks of an added pool are not copied.
    @Test func sharesChunks() throws {
        var pool = BytePool(), added = BytePool()
        _ = pool.add([1, 2, 3])
        let position = added.add([UInt8](repeating: 9, count: 100_000))
        let shared = position + pool.append(added)
        let (chunk, bytes) = BytePool.range(at: shared, count: 100_000)
        let address = pool.chunks[chunk].withUnsafeBufferPointer { $0.baseAddress }
        let original = try #require(added.chunks.first).withUnsafeBufferPointer { $0.baseAddress }
        #expect(address == original && bytes == 0..<100_000)
    }
}
