import SystemPackage

/// Decompresses a file that can only be read from its beginning into a temporary file, which can be read at any place.
struct ZstdSpooler {
    let file: any ByteSource
    /// How errors call it.
    let path: FilePath
    /// Where the temporary file lies.
    let directory: FilePath
    /// The most plain bytes that are taken.
    let limit: UInt64
    let progress: Progress?

    private static let piece = 1 << 20

    /// - Parameter onDamage: hears of the first damage; unless it throws, as it does by default, what was decompressed
    ///   before that is given.
    func run(
        onDamage: (ImageError) throws(ImageError) -> Void = { (error) throws(ImageError) in throw error }
    ) throws(ImageError) -> FileSource {
        try progress?.begin(.decompress, total: file.size)
        let decompressor = try ZstdDecompressor(path: path.string)
        var spool = try SpoolFile(in: directory)
        let input = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.piece, alignment: 4096)
        // A multiple of a file's blocks, so that holes fall on them.
        let output = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.piece, alignment: 4096)
        defer {
            input.deallocate()
            output.deallocate()
        }
        var filled = 0
        var total: UInt64 = 0
        var place: UInt64 = 0
        var isFrameEnd = true
        reading: while place < file.size {
            try progress?.checkCancelled()
            let count = Int(min(UInt64(Self.piece), file.size - place))
            let part = UnsafeMutableRawBufferPointer(rebasing: input[..<count])
            try file.read(into: part, at: place)
            var taken = 0
            // Once everything is taken there may still be something to give: as long as the output is filled.
            var isFull = false
            while taken < count || isFull {
                // zstd gives an error where neither input nor output moves on, so this ends.
                let step: (taken: Int, given: Int, isFrameEnd: Bool)
                do throws(ImageError) {
                    step = try decompressor.stream(
                        UnsafeRawBufferPointer(rebasing: part[taken...]),
                        into: UnsafeMutableRawBufferPointer(rebasing: output[filled...]), at: place + UInt64(taken))
                } catch {
                    guard error.code == .corrupt else { throw error }
                    try onDamage(error)
                    isFrameEnd = true
                    break reading
                }
                // Without input a new frame would be waited for.
                if step.taken > 0 || step.given > 0 { isFrameEnd = step.isFrameEnd }
                taken += step.taken
                filled += step.given
                total += UInt64(step.given)
                guard total <= limit else { throw tooLarge() }
                isFull = filled == output.count
                if isFull {
                    try spool.append(UnsafeRawBufferPointer(output))
                    filled = 0
                    try progress?.checkCancelled()
                }
            }
            place += UInt64(count)
            progress?.advance(UInt64(count))
        }
        if !isFrameEnd {
            try onDamage(
                ImageError(
                    .corrupt, "cannot decompress", path: path.string, offset: place,
                    reason: "the file ends inside a frame", remedy: ZstdDecompressor.remedy))
        }
        try spool.append(UnsafeRawBufferPointer(rebasing: output[..<filled]))
        return try spool.finish(as: path)
    }

    private func tooLarge() -> ImageError {
        ImageError(
            .doesNotFit, "cannot decompress", path: path.string,
            reason: "it holds more than \(ByteSize.format(limit))",
            remedy: "if that is right, decompress it with 'zstd -d' and open the result")
    }
}
