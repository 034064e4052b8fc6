/// A source whose bytes are in several extents of another source, such as a file on a filesystem. Bytes outside all
/// extents are zero.
///
/// ```
///   this      0            8192         12288 ··· 16384       size
///             ├ extent 0 ──┤ extent 1 ──┤   zero  ├ extent 2 ─┤
///   source    offset 0 …    offset 1 …             offset 2 …        (in any order)
/// ```
struct ExtentSource: ByteSource {
    /// A range of bytes of this source that is contiguous in the underlying source, too.
    struct Extent: Hashable, Sendable {
        /// The byte offset at which it begins in this source.
        var start: UInt64
        /// The length in bytes.
        var count: UInt64
        /// The byte offset at which it begins in the underlying source.
        var sourceOffset: UInt64
        var end: UInt64 { start + count }
    }

    let size: UInt64
    let extents: [Extent]
    private let source: any ByteSource

    /// - Parameter extents: ascending, without overlaps. The last one may end past `size`.
    init(_ source: any ByteSource, size: UInt64, extents: [Extent]) {
        self.source = source
        self.size = size
        self.extents = extents
    }

    /// The first `size` bytes of ranges of a source, which are joined in their order. If the ranges are shorter, zeros
    /// follow.
    init(_ source: any ByteSource, size: UInt64, joining ranges: [Range<UInt64>]) {
        var start: UInt64 = 0
        let extents = ranges.map { range in
            let extent = Extent(start: start, count: range.length, sourceOffset: range.lowerBound)
            start = extent.end
            return extent
        }
        self.init(source, size: size, extents: extents)
    }

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(ImageError) {
        try checkRange(buffer.count, at: offset)
        let end = offset + UInt64(buffer.count)
        var position = offset
        func part(until stop: UInt64) -> UnsafeMutableRawBufferPointer {
            UnsafeMutableRawBufferPointer(rebasing: buffer[Int(position - offset)..<Int(stop - offset)])
        }
        for extent in extents[extents.partitioningIndex { $0.end > offset }...] {
            guard extent.start < end else { break }
            if extent.start > position {
                part(until: extent.start).initializeMemory(as: UInt8.self, repeating: 0)
                position = extent.start
            }
            let stop = min(end, extent.end)
            try source.read(into: part(until: stop), at: extent.sourceOffset + (position - extent.start))
            position = stop
        }
        part(until: end).initializeMemory(as: UInt8.self, repeating: 0)
    }
}
