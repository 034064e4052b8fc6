/// The bytes of many small items. An item keeps its position, and adding another pool copies none of its bytes.
///
/// ```
///   chunk 0    ├ link target ┤ file ┤ file ┤ ·· up to 1 MiB ·· │
///   chunk 1    ├ file ┤ link target ┤ ·····
///                     ▲
///   position   1 << 32 | 311
/// ```
struct BytePool: Sendable {
    private(set) var chunks: [[UInt8]] = []

    /// The length from which a chunk gets no more items, in bytes. Longer chunks would be moved more often as they
    /// grow.
    private static let fullLength = 1 << 20

    /// Adds an item.
    /// - Returns: its position.
    mutating func add(_ bytes: some Collection<UInt8>) -> UInt64 {
        if chunks.isEmpty || chunks[chunks.count - 1].count >= Self.fullLength { chunks.append([]) }
        let chunk = chunks.count - 1
        let position = UInt64(chunk) << 32 | UInt64(chunks[chunk].count)
        chunks[chunk].append(contentsOf: bytes)
        return position
    }

    /// Adds all items of another pool.
    /// - Returns: the number to add to a position in that pool.
    mutating func append(_ added: BytePool) -> UInt64 {
        let shift = UInt64(chunks.count) << 32
        chunks += added.chunks
        return shift
    }

    /// The index of an item's chunk, and the item's range in it.
    static func range(at position: UInt64, count: UInt64) -> (chunk: Int, bytes: Range<Int>) {
        let start = Int(position & 0xFFFF_FFFF)
        return (Int(position >> 32), start..<start + Int(count))
    }

    /// An item of `count` bytes.
    subscript(position: UInt64, count count: UInt64) -> ArraySlice<UInt8> {
        guard count > 0 else { return [] }
        let (chunk, bytes) = Self.range(at: position, count: count)
        return chunks[chunk][bytes]
    }
}
