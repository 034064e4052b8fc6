/// A range of another byte source that is a byte source itself, such as a partition of a disk.
public struct SourceSlice: ByteSource {
    private let source: any ByteSource
    private let start: UInt64
    /// The length of the range in bytes, up to the source's end.
    public let size: UInt64

    /// The bytes of `source` in `range`, without those past the source's end.
    public init(_ source: any ByteSource, _ range: Range<UInt64>) {
        self.source = source
        start = min(range.lowerBound, source.size)
        size = min(range.upperBound, source.size) - start
    }

    /// See ``ByteSource/read(into:at:)``.
    public func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(ImageError) {
        try checkRange(buffer.count, at: offset)
        try source.read(into: buffer, at: start + offset)
    }
}
