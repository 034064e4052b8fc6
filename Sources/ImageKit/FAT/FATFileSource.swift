/// The bytes of a file that lies in several pieces: a ``ByteSource`` over another one.
///
/// ```
///   file     0                8192       12288    size
///            ├ piece 0 ───────┤ piece 1 ─┤ piece 2 ┤
///   source   place 0 …         place 1 …  place 2 …      (in any order)
/// ```
struct FATFileSource: ByteSource {
    /// A run of the file's bytes.
    struct Piece: Equatable {
        /// Where it begins in the file.
        var start: UInt64
        /// Where it begins in the source.
        var place: UInt64
    }

    let size: UInt64
    let pieces: [Piece]
    private let source: any ByteSource

    /// - Parameter chain: clusters of the layout, enough for `size` bytes.
    init(_ source: any ByteSource, _ layout: FATLayout, _ chain: FATChain, size: UInt64) {
        self.source = source
        self.size = min(size, chain.count * layout.clusterSize)
        var pieces: [Piece] = []
        pieces.reserveCapacity(chain.runs.count)
        var start: UInt64 = 0
        for run in chain.runs {
            pieces.append(Piece(start: start, place: layout.offset(ofCluster: run.first)))
            start += run.count * layout.clusterSize
        }
        self.pieces = pieces
    }

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(ImageError) {
        try checkRange(buffer.count, at: offset)
        var index = piece(at: offset)
        var done = 0
        while done < buffer.count {
            let place = offset + UInt64(done)
            let end = index + 1 < pieces.count ? min(pieces[index + 1].start, size) : size
            let count = min(buffer.count - done, Int(clamping: end - place))
            try source.read(
                into: UnsafeMutableRawBufferPointer(rebasing: buffer[done..<done + count]),
                at: pieces[index].place + (place - pieces[index].start))
            done += count
            index += 1
        }
    }

    /// The piece that has the byte at `offset`, which is within the file.
    private func piece(at offset: UInt64) -> Int {
        var low = 0
        var high = pieces.count
        while high - low > 1 {
            let middle = (low + high) / 2
            if pieces[middle].start <= offset { low = middle } else { high = middle }
        }
        return low
    }
}
