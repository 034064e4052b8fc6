import Foundation
import Testing

@testable import ImageKit

/// Compressing a disk: frames, the seek table, the memory that writing needs, and the result as zstd sees it.
@Suite struct ZstdTests {
    /// A disk of text, random bytes and zeros with marks, as formatters make them.
    private func map() throws -> SegmentMap {
        var random = SplitMix(state: 7)
        var map = SegmentMap(size: 40 << 20)
        map.add((0..<512).map { _ in UInt8.random(in: 0...255, using: &random) }, at: 0)
        map.addMark(at: 4 << 20)
        var offset: UInt64 = 4 << 20
        for unit in 0..<400 {
            map.addMark(at: offset, unit: UInt64(unit) &* 0x9E37_79B9_7F4A_7C15)
            let length = Int.random(in: 1...60_000, using: &random)
            let text = Array("unit \(unit) holds some text that compresses well, and is long enough\n".utf8)
            map.add((0..<length).map { text[$0 % text.count] ^ UInt8($0 / 5000 & 7) }, at: offset)
            offset += UInt64(length).roundedUp(to: 4096)
        }
        map.addMark(at: offset)
        map.add((0..<100_000).map { _ in UInt8.random(in: 0...255, using: &random) }, at: 30 << 20)
        try map.seal()
        return map
    }

    private func compress(_ map: SegmentMap, threads: Int, frameSize: UInt64 = 1 << 20) throws
        -> (sink: MemorySink, result: ZstdImageWriter.Result)
    {
        let sink = MemorySink()
        let result = try ZstdImageWriter(
            map: map, parameters: ZstdParameters(), frameSize: frameSize, threads: threads, progress: nil
        ).write(to: sink)
        return (sink, result)
    }

    @Test func bytesDoNotDependOnThreads() throws {
        let map = try map()
        let expected = try compress(map, threads: 1)
        #expect(expected.result.size == UInt64(expected.sink.bytes.count))
        for threads in [2, 7] {
            #expect(try compress(map, threads: threads).sink.bytes == expected.sink.bytes)
        }
    }

    @Test(.enabled(if: Judge.has("zstd"), "needs zstd")) func zstdReadsItBack() throws {
        let map = try map()
        let (sink, result) = try compress(map, threads: 2)
        let directory = try ScratchDirectory()
        let file = directory.path + "/image.zst"
        try Data(sink.bytes).write(to: URL(fileURLWithPath: file))
        #expect(try Judge.run("zstd", ["-tq", file]).status == 0)
        #expect(try Judge.run("zstd", ["-dqf", file, "-o", directory.path + "/image"]).status == 0)
        #expect(try directory.read(directory.path + "/image", 41 << 20) == map.read(40 << 20, at: 0))

        let listing = try Judge.run("zstd", ["-lv", file]).said
        #expect(listing.contains("40.0 MiB"), "every frame says its size: \(listing)")
        #expect(listing.contains("# Skippable Frames: 2"))
        #expect(listing.contains("# Zstandard Frames: \(result.table.entries.count - 1)"))
        #expect(listing.contains("XXH64"))
    }

    @Test func theSeekTableLeadsToEveryFrame() throws {
        let map = try map()
        let (sink, result) = try compress(map, threads: 2)
        let table = try #require(try SeekTable.read(from: MemorySource(bytes: sink.bytes)))
        #expect(table == result.table)
        #expect(table.entries.reduce(0) { $0 + UInt64($1.size) } == map.size)
        var offset = 0
        for entry in table.entries {
            let magic: UInt32? = sink.bytes.load(at: offset)
            #expect(magic == (entry.size == 0 ? FrameOrigin.magic : ZstdFrameHeader.magic))
            offset += Int(entry.compressedSize)
        }
    }

    @Test func damagedSeekTablesAreRefused() throws {
        let good = SeekTable(entries: [.init(compressedSize: 10, size: 100), .init(compressedSize: 5, size: 7)])
        let file = [UInt8](repeating: 1, count: 15) + good.encoded()
        #expect(try SeekTable.read(from: MemorySource(bytes: file)) == good)
        #expect(try SeekTable.read(from: MemorySource(bytes: [])) == nil)
        #expect(try SeekTable.read(from: MemorySource(bytes: [UInt8](repeating: 0, count: 100))) == nil)
        var damaged: [[UInt8]] = []
        let footer = file.count - SeekTable.footerSize, table = 15
        let entry = table + SeekTable.headerSize
        var bytes = file
        bytes.store(UInt32(3), at: footer + SeekTable.FooterField.count)
        damaged.append(bytes)  // one frame more than the table has
        bytes.store(UInt32.max, at: footer + SeekTable.FooterField.count)
        damaged.append(bytes)  // more frames than are allowed
        bytes.store(UInt32(0x800_0000), at: footer + SeekTable.FooterField.count)
        damaged.append(bytes)  // a table longer than the file
        bytes = file
        bytes[footer + SeekTable.FooterField.descriptor] = 0x40
        damaged.append(bytes)  // unknown flags
        bytes[footer + SeekTable.FooterField.descriptor] = 0x80
        damaged.append(bytes)  // checksums that are missing
        bytes = file
        bytes.store(UInt32(11), at: entry + SeekTable.EntryField.compressedSize)
        damaged.append(bytes)  // frames that do not fill the file
        bytes = file
        bytes.store(UInt32(0x4000_0001), at: entry + SeekTable.EntryField.size)
        damaged.append(bytes)  // a frame over 1 GiB
        for (index, bytes) in damaged.enumerated() {
            #expect(throws: ImageError.self, "case \(index)") { try SeekTable.read(from: MemorySource(bytes: bytes)) }
        }
    }

    @Test func framesCoverTheDiskAndKeepKindsApart() throws {
        let map = try map()
        for size: UInt64 in [64 << 10, 1 << 20, 12 << 20] {
            let frames = FrameCutter(target: size).frames(of: map)
            #expect(frames.first?.range.lowerBound == 0)
            #expect(frames.last?.range.upperBound == map.size)
            for (frame, next) in zip(frames, frames.dropFirst()) {
                #expect(frame.range.upperBound == next.range.lowerBound)
            }
            for frame in frames {
                #expect(frame.length > 0 && frame.length <= 2 * Int(size))
                #expect(frame.isZero == map.isZero(frame.range))
                for mark in map.marks where mark.unit == nil {
                    #expect(mark.offset <= frame.range.lowerBound || mark.offset >= frame.range.upperBound)
                }
            }
        }
    }

    /// The frames of a disk can be listed, even if most of it is empty.
    @Test func muchEmptySpaceHasFewFrames() throws {
        var map = SegmentMap(size: 4 << 40)
        map.add([1], at: 1 << 40)
        try map.seal()
        let frames = FrameCutter(target: 64 << 10).frames(of: map)
        #expect(frames.count < FrameList.maximumCount / 2 && frames.count > 1000)
        #expect(frames.last?.range.upperBound == map.size)
        #expect(frames.allSatisfy { $0.length <= 8 << 20 })
    }

    /// While the sink waits, the workers do not exceed the number of frames that may wait.
    @Test func aSlowOutputHoldsTheWorkersBack() throws {
        /// Counts reads.
        final class Source: ByteSource {
            let size: UInt64 = 64 << 20
            let reads = Monitor(0)
            func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(ImageError) {
                reads.change { $0 += 1 }
                buffer.initializeMemory(as: UInt8.self, repeating: UInt8(truncatingIfNeeded: offset >> 20))
            }
        }
        /// Waits in its first write until no more reads happen.
        final class Sink: ByteSink {
            let source: Source
            var atRest: Int?
            init(_ source: Source) { self.source = source }
            func write(_ bytes: UnsafeRawBufferPointer) throws(ImageError) {
                guard atRest == nil else { return }
                var last = -1, calm = 0
                while calm < 20 {
                    usleep(10_000)
                    let reads = source.reads.change { $0 }
                    calm = reads == last ? calm + 1 : 0
                    last = reads
                }
                atRest = last
            }
        }
        let source = Source(), sink = Sink(source), threads = 3
        var map = SegmentMap(size: source.size)
        map.add(source, start: 0, length: source.size, at: 0)
        try map.seal()
        _ = try ZstdImageWriter(
            map: map, parameters: ZstdParameters(), frameSize: 1 << 20, threads: threads, progress: nil
        ).write(to: sink)
        // Two for each worker, and the frame that is being written.
        let atRest = try #require(sink.atRest)
        #expect(atRest > threads && atRest <= 2 * threads + 1, "\(atRest)")
    }

    @Test func framesWithGatheredPartsAreKnown() throws {
        var map = SegmentMap(size: 4 << 20)
        for (index, isGathered) in [(0, false), (1, true), (3, false)] as [(UInt64, Bool)] {
            map.add([UInt8](repeating: 1, count: 1 << 20), at: index << 20)
            map.addMark(at: index << 20, unit: 1, isGathered: isGathered)
        }
        // Metadata between parts of a unit does not end the unit.
        map.add([1], at: 2 << 20)
        map.addMark(at: 2 << 20)
        try map.seal()
        func kinds(_ size: UInt64) -> [Bool] {
            FrameCutter(target: size).frames(of: map).filter { !$0.isZero }.map(\.isGathered)
        }
        #expect(kinds(1 << 20) == [false, true, true, false])
        #expect(kinds(4 << 20) == [true, true], "one gathered part makes the whole frame gathered")
    }

    /// The same 1 MiB twice, of so many words that a small table holds the last offsets of only a few.
    @Test(arguments: [(1, false), (2, false), (3, false), (6, true)])
    func longMatchesAreFoundInGatheredFrames(level: Int, isEverywhere: Bool) throws {
        var random = SplitMix(state: 3)
        let words = (0..<60_000).map { _ in (0..<8).map { _ in UInt8.random(in: 0...255, using: &random) } }
        let bytes = (0..<1 << 17).flatMap { _ in words.randomElement(using: &random) ?? [] }
        let sizes = try [false, true].map { isGathered in
            var map = SegmentMap(size: 2 << 20)
            map.addMark(at: 0, unit: 1, isGathered: isGathered)
            map.add(bytes + bytes, at: 0)
            try map.seal()
            let result = try ZstdImageWriter(
                map: map, parameters: ZstdParameters(level: level), frameSize: 4 << 20, threads: 1, progress: nil
            ).write(to: MemorySink())
            return Int(try #require(result.table.entries.first).compressedSize)
        }
        #expect(isEverywhere ? sizes[0] == sizes[1] : sizes[1] < sizes[0] * 7 / 8, "\(sizes)")
    }

    @Test func aFailingSinkEndsTheWork() throws {
        let map = try map()
        let failure = #expect(throws: ImageError.self) {
            try ZstdImageWriter(
                map: map, parameters: ZstdParameters(), frameSize: 1 << 20, threads: 3, progress: nil
            ).write(to: MemorySink(limit: 10_000))
        }
        #expect(failure?.code == .doesNotFit)
    }

    @Test func theFrameOfAStreamHasItsSize() throws {
        let map = try map()
        let sink = MemorySink()
        let size = try ZstdStreamWriter(map: map, parameters: ZstdParameters(), threads: 2, progress: nil).write(
            to: sink)
        #expect(size == UInt64(sink.bytes.count))
        // The content size takes 4 or 8 bytes.
        let descriptor = sink.bytes[ZstdFrameHeader.Field.descriptor]
        #expect(descriptor >> ZstdFrameHeader.Descriptor.contentSizeShift >= 2)
        #expect(descriptor & ZstdFrameHeader.Descriptor.hasChecksum != 0)
        let secondSink = MemorySink()
        _ = try ZstdStreamWriter(map: map, parameters: ZstdParameters(), threads: 1, progress: nil).write(
            to: secondSink)
        #expect(secondSink.bytes == sink.bytes)
    }
}

/// A source of bytes in memory.
struct MemorySource: ByteSource {
    let bytes: [UInt8]
    var size: UInt64 { UInt64(bytes.count) }
    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(ImageError) {
        guard offset <= size, UInt64(buffer.count) <= size - offset else { throw ImageError(.corrupt, "past the end") }
        buffer.copyBytes(from: bytes[Int(offset)..<Int(offset) + buffer.count])
    }
}
