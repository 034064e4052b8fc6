import Foundation
import Synchronization
import Testing

@testable import ImageKit

/// Reading parts of a compressed image: which frames are decompressed and kept, and which errors are found.
@Suite struct SeekableSourceTests {
    private func source(_ file: any ByteSource, capacity: UInt64 = SeekableSource.defaultCapacity) throws
        -> SeekableSource
    {
        let table = try #require(try SeekTable.read(from: MemorySource(bytes: file.read(Int(file.size), at: 0))))
        return SeekableSource(file, path: "x.img.zst", list: FrameList(table), capacity: capacity)
    }

    @Test func readsOnlyTheFramesThatAreNeeded() throws {
        let file = CountedSource(try CompressedSamples.seekable())
        let source = try source(file)
        file.total.store(0, ordering: .relaxed)
        _ = try source.read(10, at: 500_000)
        let frame = try #require(source.frame(holding: 500_000))
        #expect(file.total.load(ordering: .relaxed) == UInt64(source.fileRange(ofFrame: frame).count))
        _ = try source.read(100, at: source.range(ofFrame: frame).lowerBound)
        #expect(
            file.total.load(ordering: .relaxed) == UInt64(source.fileRange(ofFrame: frame).count), "the frame is kept")
    }

    @Test func zerosAreNeitherKeptNorDecompressedAgain() throws {
        let source = try source(CountedSource(try CompressedSamples.seekable()))
        _ = try source.read(1_000_000, at: 1_700_000)
        #expect(source.bytesKept < 1000)
    }

    @Test func keepsAtMostItsCapacity() throws {
        let bytes = try CompressedSamples.seekable()
        for capacity: UInt64 in [1, 200 << 10, 1 << 20] {
            let source = try source(MemorySource(bytes: bytes), capacity: capacity)
            #expect(try differences(source, CompressedSamples.plain, parts: 20) == [])
            // A larger frame is kept alone.
            #expect(source.bytesKept <= max(capacity, 256 << 10))
        }
    }

    @Test func threadsWaitForEachOthersFrames() throws {
        let file = CountedSource(try CompressedSamples.seekable(), delay: 2000)
        let source = try source(file)
        file.reads.change { $0 = [:] }
        let wrong = Atomic<Int>(0), turn = Atomic<Int>(0)
        let plain = CompressedSamples.plain
        try onThreads(8) {
            let first = turn.wrappingAdd(1, ordering: .relaxed).oldValue * 10_000
            for start in stride(from: first, to: 900_000, by: 90_000) {
                let read = try? source.read(50_000, at: UInt64(start))
                if read != Array(plain[start..<start + 50_000]) { wrong.wrappingAdd(1, ordering: .relaxed) }
            }
        }
        #expect(wrong.load(ordering: .relaxed) == 0)
        #expect(file.reads.change { $0.values.allSatisfy { $0 == 1 } }, "no frame is read twice")
    }

    @Test func wrongTablesAreFound() throws {
        let plain = CompressedSamples.plain
        let first = try CompressedSamples.frame(Array(plain[..<100_000]))
        let second = try CompressedSamples.frame(Array(plain[100_000..<150_000]))
        func source(_ entries: [(Int, Int)]) -> SeekableSource {
            var list = FrameList()
            for (compressed, size) in entries { list.append(compressed: UInt64(compressed), plain: UInt64(size)) }
            return SeekableSource(MemorySource(bytes: first + second), path: "x", list: list)
        }
        let good = source([(first.count, 100_000), (second.count, 50_000)])
        #expect(try differences(good, Array(plain[..<150_000]), parts: 20) == [])
        for frame in 0..<2 { try good.check(frame: frame) }
        for (entries, frame, reason) in [
            ([(first.count, 99_999), (second.count, 50_000)], 0, "should hold 99999"),
            ([(first.count, 100_001), (second.count, 50_000)], 0, "should hold 100001"),
            ([(first.count + second.count, 100_000)], 0, "the frame has \(first.count) bytes"),
            ([(first.count - 1, 100_000), (second.count + 1, 50_000)], 0, "x"),
            ([(first.count - 1, 100_000), (second.count + 1, 50_000)], 1, "there is no zstd frame"),
            ([(first.count, 0), (second.count, 50_000)], 0, "which the seek table leaves out"),
            ([(1 << 30, 100_000)], 0, "too many"),
        ] as [([(Int, Int)], Int, String)] {
            let error = message(try source(entries).check(frame: frame))
            #expect(error.contains(reason), "\(error)")
        }
    }

    @Test func checksumsAreCompared() throws {
        var bytes = try CompressedSamples.frame(Array(CompressedSamples.plain[..<100_000]))
        var list = FrameList()
        list.append(compressed: UInt64(bytes.count), plain: 100_000)
        bytes[bytes.count - 1] ^= 1
        let source = SeekableSource(MemorySource(bytes: bytes), path: "x", list: list)
        #expect(message(try source.read(1, at: 0)).contains("checksum"))
    }
}
