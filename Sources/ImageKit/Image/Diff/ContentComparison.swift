/// Compares the bytes of two sources.
enum ContentComparison {
    /// The bytes that are read at once.
    private static let chunkSize = 1 << 20

    /// The offset of the first byte that differs; `nil` where the sources are equal.
    ///
    /// Where one source is the beginning of the other, this is the shorter one's size.
    static func firstDifference(
        _ left: any ByteSource, _ right: any ByteSource, _ progress: Progress? = nil
    ) throws(ImageError) -> UInt64? {
        let end = min(left.size, right.size)
        let length = Int(min(UInt64(chunkSize), end))
        let leftBuffer = PageBuffer(count: length, alignment: 16)
        let rightBuffer = PageBuffer(count: length, alignment: 16)
        var offset: UInt64 = 0
        while offset < end {
            try progress?.checkCancelled()
            let count = Int(min(UInt64(length), end - offset))
            let leftBytes = leftBuffer.prefix(count), rightBytes = rightBuffer.prefix(count)
            try left.read(into: leftBytes, at: offset)
            try right.read(into: rightBytes, at: offset)
            if !UnsafeRawBufferPointer(leftBytes).isEqual(to: UnsafeRawBufferPointer(rightBytes)) {
                return offset + UInt64(leftBytes.indices.first { leftBytes[$0] != rightBytes[$0] } ?? 0)
            }
            offset += UInt64(count)
        }
        return left.size == right.size ? nil : end
    }
}
