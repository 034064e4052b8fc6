import Glibc
import SystemPackage

/// Writes a planned disk to a file as it is, leaving holes where it is zero.
struct SparseWriter {
    let map: SegmentMap
    let threads: Int
    let progress: Progress?

    private static let piece: UInt64 = 4 << 20
    private static let block = 4096

    /// Fills the open file. It gets its full length first, so that pieces can be written in any order.
    func write(to descriptor: Int32, path: FilePath) throws(ImageError) {
        guard ftruncate(descriptor, off_t(map.size)) == 0 else {
            throw .system(.current, "cannot write", path: path)
        }
        let (map, progress) = (map, progress)
        let pieces = Int(clamping: map.size.dividedRoundingUp(by: Self.piece))
        try onThreads(threads, sharing: pieces, by: 1) { (next) throws(ImageError) in
            let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Int(Self.piece), alignment: Self.block)
            defer { buffer.deallocate() }
            var prefetcher = Prefetcher(map)
            while let index = next()?.lowerBound {
                let start = UInt64(index) * Self.piece
                let range = start..<min(start + Self.piece, map.size)
                try progress?.checkCancelled()
                if !map.isZero(range) {
                    prefetcher.run(range.upperBound..<min(range.upperBound + Self.piece, map.size))
                    let part = UnsafeMutableRawBufferPointer(rebasing: buffer[..<Int(range.length)])
                    try map.read(into: part, at: start)
                    try Self.writeNonzero(UnsafeRawBufferPointer(part), to: descriptor, at: start, path: path)
                }
                progress?.advance(range.length)
            }
        }
    }

    /// Writes those blocks of `bytes` that are not zero; the file must read as zeros where they are.
    static func writeNonzero(
        _ bytes: UnsafeRawBufferPointer, to descriptor: Int32, at offset: UInt64, path: FilePath
    ) throws(ImageError) {
        var start = 0
        while start < bytes.count {
            func isZero(_ place: Int) -> Bool {
                UnsafeRawBufferPointer(rebasing: bytes[place..<min(place + block, bytes.count)]).isZero
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
