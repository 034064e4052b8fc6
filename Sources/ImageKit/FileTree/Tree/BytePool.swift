/// The bytes of many small things, which stay where they are once they were added: those of another pool are added without
/// copying them.
///
/// ```
///   chunk 0   ├ link target ┤ file ┤ file ┤ ·· up to 1 MiB ·· │
///   chunk 1   ├ file ┤ link target ┤ ·····
///                    ▲
///   place     1 << 32 | 311
/// ```
struct BytePool: Sendable {
    private(set) var chunks: [[UInt8]] = []

    /// What a chunk may have when something is added to it, in bytes. Growing longer ones would mean moving them.
    private static let enough = 1 << 20

    /// Adds bytes, and gives the place where they begin.
    mutating func add(_ bytes: some Collection<UInt8>) -> UInt64 {
        if chunks.isEmpty || chunks[chunks.count - 1].count >= Self.enough { chunks.append([]) }
        let chunk = chunks.count - 1
        let place = UInt64(chunk) << 32 | UInt64(chunks[chunk].count)
        chunks[chunk].append(contentsOf: bytes)
        return place
    }

    /// Adds all that another pool has, and gives what has to be added to a place in it.
    mutating func append(_ other: BytePool) -> UInt64 {
        let shift = UInt64(chunks.count) << 32
        chunks += other.chunks
        return shift
    }

    /// The number of the chunk where a place is, and where in it so many bytes lie.
    static func range(at place: UInt64, count: UInt64) -> (chunk: Int, bytes: Range<Int>) {
        let start = Int(place & 0xFFFF_FFFF)
        return (Int(place >> 32), start..<start + Int(count))
    }

    /// So many bytes from a place on.
    subscript(place: UInt64, count count: UInt64) -> ArraySlice<UInt8> {
        guard count > 0 else { return [] }
        let (chunk, bytes) = Self.range(at: place, count: count)
        return chunks[chunk][bytes]
    }
}
