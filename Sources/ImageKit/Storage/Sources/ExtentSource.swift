/// Bytes that lie in several pieces of another source, such as a file on a filesystem. What no piece covers is zero.
///
/// ```
///   this      0           8192       12288 ······· 16384       size
///             ├ piece 0 ──┤ piece 1 ─┤    zero     ├ piece 2 ──┤
///   source    place 0 …    place 1 …                place 2 …        (in any order)
/// ```
struct PieceSource: ByteSource {
    /// A run of bytes that is one in the source, too.
    struct Piece: Hashable, Sendable {
        /// Where it begins here.
        var start: UInt64
        var count: UInt64
        /// Where it begins in the source.
        var place: UInt64
        var end: UInt64 { start + count }
    }

    let size: UInt64
    let pieces: [Piece]
    private let source: any ByteSource

    /// - Parameter pieces: ascending, none overlapping another; the last may go on past `size`.
    init(_ source: any ByteSource, size: UInt64, pieces: [Piece]) {
        self.source = source
        self.size = size
        self.pieces = pieces
    }

    /// The first `size` bytes of parts of a source, one after the other.
    init(_ source: any ByteSource, size: UInt64, places: [Range<UInt64>]) {
        var start: UInt64 = 0
        let pieces = places.map { place in
            let piece = Piece(start: start, count: place.length, place: place.lowerBound)
            start = piece.end
            return piece
        }
        self.init(source, size: size, pieces: pieces)
    }

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(ImageError) {
        try checkRange(buffer.count, at: offset)
        let end = offset + UInt64(buffer.count)
        var place = offset
        func part(until stop: UInt64) -> UnsafeMutableRawBufferPointer {
            UnsafeMutableRawBufferPointer(rebasing: buffer[Int(place - offset)..<Int(stop - offset)])
        }
        for piece in pieces[pieces.partitioningIndex { $0.end > offset }...] {
            guard piece.start < end else { break }
            if piece.start > place {
                part(until: piece.start).initializeMemory(as: UInt8.self, repeating: 0)
                place = piece.start
            }
            let stop = min(end, piece.end)
            try source.read(into: part(until: stop), at: piece.place + (place - piece.start))
            place = stop
        }
        part(until: end).initializeMemory(as: UInt8.self, repeating: 0)
    }
}
