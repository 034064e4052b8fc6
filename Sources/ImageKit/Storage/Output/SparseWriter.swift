import Glibc
import SystemPackage

/// Writes a planned disk to a file uncompressed, with holes for zero blocks.
struct SparseWriter {
    let map: SegmentMap
    let threads: Int
    let progress: Progress?

    /// Bytes that a thread reads and writes at once.
    private static let chunk: UInt64 = 4 << 20
    /// The unit of holes, in bytes: the block size of common filesystems.
    private static let block = 4096

    /// Fills an open file. Sets its length first, so that threads can write their chunks in any order.
    func write(to descriptor: Int32, path: FilePath) throws(ImageError) {
        guard ftruncate(descriptor, off_t(map.size)) == 0 else {
            throw .system(.current, "cannot write", path: path)
        }
        let (map, progress) = (map, progress)
        let chunks = Int(clamping: map.size.dividedRoundingUp(by: Self.chunk))
        try onThreads(threads, sharing: chunks, by: 1) { (next) throws(ImageError) in
            let buffer = PageBuffer(count: Int(Self.chunk))
            var prefetcher = Prefetcher(map)
            while let index = next()?.lowerBound {
                let start = UInt64(index) * Self.chunk
                let range = start..<min(start + Self.chunk, map.size)
                try progress?.checkCancelled()
                if !map.isZero(range) {
                    prefetcher.run(range.upperBound..<min(range.upperBound + Self.chunk, map.size))
                    let bytes = buffer.prefix(Int(range.length))
                    try map.read(into: bytes, at: start)
                    try Self.writeNonzero(UnsafeRawBufferPointer(bytes), to: descriptor, at: start, path: path)
                }
                progress?.advance(range.length)
            }
        }
    }

    /// Writes the blocks of `bytes` that are not zero. The file must read as zeros in this range before.
    static func writeNonzero(
        _ bytes: UnsafeRawBufferPointer, to descriptor: Int32, at offset: UInt64, path: FilePath
    ) throws(ImageError) {
        var start = 0
        while start < bytes.count {
            func isZero(_ offset: Int) -> Bool {
                UnsafeRawBufferPointer(rebasing: bytes[offset..<min(offset + block, bytes.count)]).isZero
            }
            if isZero(start) {
                start += block
                continue
            }
            var end = start + block
            while end < bytes.count, !isZero(end) { end += block }
            end = min(end, bytes.count)
            while start < end {
                let count = pwrite(
                    descriptor, bytes.baseAddress.map { $0 + start }, end - start, off_t(offset) + off_t(start))
                if count == 0 || (count < 0 && errno != EINTR) {
                    let code = count == 0 ? Errno.ioError : Errno.current
                    throw .system(code, "cannot write", path: path, offset: offset + UInt64(start))
                }
                start += max(0, count)
            }
        }
    }
}
