import SystemPackage

/// Decompresses a file that can only be read from its beginning into a temporary file that can be read at any offset.
struct ZstdSpooler {
    let file: any ByteSource
    /// The file's path, for errors.
    let path: FilePath
    /// The directory for the temporary file.
    let directory: FilePath
    /// The maximum size of the decompressed content, in bytes.
    let maximumSize: UInt64
    let progress: Progress?

    /// Bytes that are read and written at a time: a multiple of the block size of filesystems, so that blocks of zeros
    /// become holes.
    private static let bufferSize = 1 << 20

    /// Decompresses the file.
    ///
    /// - Parameter onDamage: receives the first damage. If it returns, the result is the content before the damage. The
    ///   default throws the error.
    /// - Throws: ``ImageError/Code/doesNotFit`` if the content has more than ``maximumSize`` bytes, and
    ///   ``ImageError/Code/invalidInput`` if it needs a dictionary or a window of more than 128 MiB.
    func run(
        onDamage: (ImageError) throws(ImageError) -> Void = { (error) throws(ImageError) in throw error }
    ) throws(ImageError) -> FileSource {
        try progress?.begin(.decompress, total: file.size)
        let decompressor = try ZstdDecompressor(path: path.string)
        var spool = try SpoolFile(in: directory)
        let input = PageBuffer(count: Self.bufferSize), output = PageBuffer(count: Self.bufferSize)
        var filled = 0
        var total: UInt64 = 0
        var offset: UInt64 = 0
        var isFrameEnd = true
        reading: while offset < file.size {
            try progress?.checkCancelled()
            let count = Int(min(UInt64(Self.bufferSize), file.size - offset))
            let compressed = input.prefix(count)
            try file.read(into: compressed, at: offset)
            var consumed = 0
            // If zstd filled the output buffer, it may have more output, even though all input is consumed.
            var isFull = false
            while consumed < count || isFull {
                // zstd fails if neither input nor output advances, so this loop ends.
                let step: (consumed: Int, produced: Int, isFrameEnd: Bool)
                do throws(ImageError) {
                    step = try decompressor.stream(
                        UnsafeRawBufferPointer(rebasing: compressed[consumed...]),
                        into: UnsafeMutableRawBufferPointer(rebasing: output.bytes[filled...]),
                        at: offset + UInt64(consumed))
                } catch {
                    guard error.blame == .image else { throw error }
                    try onDamage(error)
                    isFrameEnd = true
                    break reading
                }
                // A call that neither consumed nor produced bytes says nothing about the end of a frame.
                if step.consumed > 0 || step.produced > 0 { isFrameEnd = step.isFrameEnd }
                consumed += step.consumed
                filled += step.produced
                total += UInt64(step.produced)
                guard total <= maximumSize else { throw tooLarge() }
                isFull = filled == output.bytes.count
                if isFull {
                    try spool.append(UnsafeRawBufferPointer(output.bytes))
                    filled = 0
                    try progress?.checkCancelled()
                }
            }
            offset += UInt64(count)
            progress?.advance(UInt64(count))
        }
        if !isFrameEnd {
            try onDamage(
                ImageError(
                    .corrupt, "cannot decompress", path: path.string, offset: offset,
                    reason: "the file ends inside a frame", remedy: ZstdDecompressor.remedy))
        }
        try spool.append(UnsafeRawBufferPointer(rebasing: output.bytes[..<filled]))
        return try spool.finish(as: path)
    }

    private func tooLarge() -> ImageError {
        ImageError(
            .doesNotFit, "cannot decompress", path: path.string,
            reason: "it holds more than \(ByteSize.format(maximumSize))",
            remedy: "if that is right, decompress it with 'zstd -d' and open the result")
    }
}
