import CZstd

/// Streams a planned disk into a single zstd frame, for programs that take the size of the first frame for the size of
/// the image. The result cannot be read in parts, because all compressed data depends on the data before it.
struct ZstdStreamWriter {
    let map: SegmentMap
    let parameters: ZstdParameters
    let threads: Int
    let progress: Progress?

    /// Bytes that are read at a time.
    private static let inputSize: UInt64 = 8 << 20

    /// Writes the frame.
    /// - Returns: the length of the file in bytes.
    func write(to sink: some ByteSink) throws(ImageError) -> UInt64 {
        // The result is the same for any number of zstd's own threads, but differs if zstd was built without threads.
        let compressor = try ZstdCompressor(parameters, workers: threads)
        try ZstdCompressor.check(
            ZSTD_CCtx_setPledgedSrcSize(compressor.context, map.size), "cannot set up zstd")
        let input = PageBuffer(count: Int(Self.inputSize)), output = PageBuffer(count: ZSTD_CStreamOutSize())
        var prefetcher = Prefetcher(map)
        var size: UInt64 = 0
        var offset: UInt64 = 0
        var isDone = false
        while !isDone {
            try progress?.checkCancelled()
            let end = min(offset + Self.inputSize, map.size)
            let plain = input.prefix(Int(end - offset))
            prefetcher.run(end..<min(end + Self.inputSize, map.size))
            try map.read(into: plain, at: offset)
            let directive = end == map.size ? ZSTD_e_end : ZSTD_e_continue
            var source = ZSTD_inBuffer(src: plain.baseAddress, size: plain.count, pos: 0)
            while true {
                var target = ZSTD_outBuffer(dst: output.bytes.baseAddress, size: output.bytes.count, pos: 0)
                let left = try ZstdCompressor.check(
                    ZSTD_compressStream2(compressor.context, &target, &source, directive), "cannot compress")
                if target.pos > 0 {
                    try sink.write(UnsafeRawBufferPointer(output.prefix(target.pos)))
                    size += UInt64(target.pos)
                    progress?.wrote(UInt64(target.pos))
                }
                if directive == ZSTD_e_end ? left == 0 : source.pos == source.size { break }
            }
            progress?.advance(end - offset)
            offset = end
            isDone = directive == ZSTD_e_end
        }
        return size
    }
}
