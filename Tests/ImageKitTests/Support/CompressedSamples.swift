import Foundation
import Synchronization
import SystemPackage

@testable import ImageKit

/// A disk to compress, and its compressed forms.
enum CompressedSamples {
    /// Text, random bytes and zeros, the same in every run. Its size is a multiple of no block or frame.
    static let plain: [UInt8] = {
        var random = SplitMix(state: 11)
        var bytes = [UInt8](repeating: 0, count: 3_000_017)
        for offset in stride(from: 0, to: 1_000_000, by: 8) { bytes.store(random.next() >> 40, at: offset) }
        for offset in stride(from: 1_500_000, to: 1_600_000, by: 8) { bytes.store(random.next(), at: offset) }
        bytes.store(UInt64(7), at: 2_999_999)
        return bytes
    }()

    /// Compressed with a seek table, in frames of about `frameSize` bytes.
    static func seekable(_ plain: [UInt8] = plain, frameSize: UInt64 = 128 << 10) throws -> [UInt8] {
        var map = SegmentMap(size: UInt64(plain.count))
        map.add(MemorySource(bytes: plain), start: 0, length: 1_000_000, at: 0)
        map.add(MemorySource(bytes: plain), start: 1_500_000, length: 100_000, at: 1_500_000)
        map.add(
            MemorySource(bytes: plain), start: 2_990_000, length: UInt64(plain.count) - 2_990_000, at: 2_990_000)
        try map.seal()
        let sink = MemorySink()
        _ = try ZstdImageWriter(
            map: map, parameters: ZstdParameters(), frameSize: frameSize, threads: 2, progress: nil
        ).write(to: sink)
        return sink.bytes
    }

    /// These bytes as one frame.
    static func frame(_ plain: [UInt8]) throws -> [UInt8] {
        let capacity = ZstdCompressor.maximumCompressedSize(of: plain.count)
        return try [UInt8](unsafeUninitializedCapacity: capacity) { output, count in
            count = try plain.withUnsafeBytes { input in
                try ZstdCompressor(ZstdParameters()).compress(input, into: UnsafeMutableRawBufferPointer(output))
            }
        }
    }

    /// Frames of `size` plain bytes each, one after the other.
    static func frames(_ plain: [UInt8] = plain, of size: Int = 700_000) throws -> [UInt8] {
        var bytes: [UInt8] = []
        for start in stride(from: 0, to: plain.count, by: size) {
            bytes += try frame(Array(plain[start..<min(start + size, plain.count)]))
        }
        return bytes
    }

    /// A skippable frame with `count` bytes of content.
    static func skippable(_ count: Int = 5) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(littleEndian: UInt32(0x184D_2A53))
        bytes.append(littleEndian: UInt32(count))
        return bytes + [UInt8](repeating: 0x28, count: count)
    }
}

/// Counts the reads of bytes in memory, and can make them slow.
final class CountedSource: ByteSource {
    let bytes: [UInt8]
    /// Microseconds that a read takes.
    let delay: UInt32
    /// The number of reads by offset. (No `Mutex`: the thread sanitizer does not see that one of Swift's is held.)
    let reads = Monitor<[UInt64: Int]>([:])
    /// The number of bytes that were read.
    let total = Atomic<UInt64>(0)

    init(_ bytes: [UInt8], delay: UInt32 = 0) {
        self.bytes = bytes
        self.delay = delay
    }

    var size: UInt64 { UInt64(bytes.count) }

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(ImageError) {
        if delay > 0 { usleep(delay) }
        total.wrappingAdd(UInt64(buffer.count), ordering: .relaxed)
        reads.change { $0[offset, default: 0] += 1 }
        try MemorySource(bytes: bytes).read(into: buffer, at: offset)
    }
}

/// Compares a source with its expected content: the whole, and parts at random offsets.
func differences(_ source: some ByteSource, _ plain: [UInt8], parts: Int = 60) throws -> [String] {
    var found: [String] = []
    guard source.size == UInt64(plain.count) else { return ["\(source.size) bytes, not \(plain.count)"] }
    var random = SplitMix(state: 5)
    for _ in 0..<parts {
        let maximum = [3, 5000, 400_000].randomElement(using: &random) ?? 1
        let start = Int.random(in: 0...plain.count, using: &random)
        let count = min(Int.random(in: 0...maximum, using: &random), plain.count - start)
        if try source.read(count, at: UInt64(start)) != Array(plain[start..<start + count]) {
            found.append("\(count) bytes at \(start)")
        }
    }
    if try source.read(plain.count, at: 0) != plain { found.append("the whole") }
    return found
}
