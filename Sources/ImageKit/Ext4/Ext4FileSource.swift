#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A file's bytes, read straight from where its blocks are; what has no block is zero.
final class Ext4FileSource: ByteSource {
    let size: UInt64
    private let source: any ByteSource
    private let blockSize: UInt64
    private let runs: [Ext4Run]

    init(_ source: any ByteSource, size: UInt64, blockSize: UInt64, runs: [Ext4Run]) {
        self.source = source
        self.size = size
        self.blockSize = blockSize
        self.runs = runs
    }

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(ImageError) {
        try checkRange(buffer.count, at: offset)
        // The first run that ends after the offset.
        var low = 0, high = runs.count
        while low < high {
            let middle = (low + high) / 2
            if (runs[middle].first + runs[middle].count) * blockSize <= offset {
                low = middle + 1
            } else {
                high = middle
            }
        }
        var place = offset
        let end = offset + UInt64(buffer.count)
        while place < end {
            let run = low < runs.count ? runs[low] : nil
            let start = run.map { $0.first * blockSize } ?? .max
            let stop = min(end, place < start ? start : (start + (run?.count ?? 0) * blockSize))
            let part = UnsafeMutableRawBufferPointer(rebasing: buffer[Int(place - offset)..<Int(stop - offset)])
            if let run, place >= start {
                try source.read(into: part, at: run.disk * blockSize + (place - start))
                low += 1
            } else if let base = part.baseAddress {
                memset(base, 0, part.count)
            }
            place = stop
        }
    }
}

/// Content that is in an inode, and zeros up to the file's size: mke2fs makes files of one large hole that way.
struct InlineSource: ByteSource {
    let bytes: [UInt8]
    let size: UInt64

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(ImageError) {
        try checkRange(buffer.count, at: offset)
        if let base = buffer.baseAddress { memset(base, 0, buffer.count) }
        guard offset < UInt64(bytes.count) else { return }
        buffer.copyBytes(from: bytes.dropFirst(Int(offset)).prefix(buffer.count))
    }
}
