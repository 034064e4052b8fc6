import CZstd

/// Streams a planned disk into one single zstd frame, for programs that read only the first frame's size. It cannot be
/// read in parts, and what is compressed depends on what came before.
struct ZstdStreamWriter {
    let map: SegmentMap
    let parameters: ZstdParameters
    let threads: Int
    let progress: Progress?

    private static let piece: UInt64 = 8 << 20

    /// Writes the frame.
    /// - Returns: the bytes of the file.
    func write(to sink: some ByteSink) throws(ImageError) -> UInt64 {
        // zstd's own workers: the outcome is the same for any number of them, but not the same as without,
        // which is what there is where zstd was built without threads.
        let compressor = try ZstdCompressor(parameters, workers: threads)
        try ZstdCompressor.check(
            ZSTD_CCtx_setPledgedSrcSize(compressor.context, map.size), "cannot set up zstd")
        let input = UnsafeMutableRawBufferPointer.allocate(byteCount: Int(Self.piece), alignment: 4096)
        let output = UnsafeMutableRawBufferPointer.allocate(byteCount: ZSTD_CStreamOutSize(), alignment: 4096)
        defer {
            input.deallocate()
            output.deallocate()
        }
        var prefetcher = Prefetcher(map)
        var size: UInt64 = 0
        var place: UInt64 = 0
        var isDone = false
        while !isDone {
            try progress?.checkCancelled()
            let end = min(place + Self.piece, map.size)
            let part = UnsafeMutableRawBufferPointer(rebasing: input[..<Int(end - place)])
            prefetcher.run(end..<min(end + Self.piece, map.size))
            try map.read(into: part, at: place)
            let directive = end == map.size ? ZSTD_e_end : ZSTD_e_continue
            var source = ZSTD_inBuffer(src: part.baseAddress, size: part.count, pos: 0)
            while true {
                var target = ZSTD_outBuffer(dst: output.baseAddress, size: output.count, pos: 0)
                let left = try ZstdCompressor.check(
                    ZSTD_compressStream2(compressor.context, &target, &source, directive), "cannot compress")
                if target.pos > 0 {
                    try sink.write(UnsafeRawBufferPointer(rebasing: output[..<target.pos]))
                    size += UInt64(target.pos)
                    progress?.wrote(UInt64(target.pos))
                }
                if directive == ZSTD_e_end ? left == 0 : source.pos == source.size { break }
            }
            progress?.advance(end - place)
            place = end
            isDone = directive == ZSTD_e_end
        }
        return size
    }
}
