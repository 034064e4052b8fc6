/// The check of all frames. Each frame is decompressed only once.
extension SeekableSource {
    /// The number of frames after which findings are reported, so that the errors of a round fit in memory.
    private static let framesPerRound = 4096
    /// Bytes that threads may use for frames, besides the cache.
    private static let maximumMemory: UInt64 = 512 << 20

    /// Decompresses the frames that were not read yet, or could not be read, and reports the damaged ones.
    ///
    /// Frames that were read without an error are not decompressed again. Of equal frames of zeros, only one is
    /// decompressed.
    ///
    /// The phase is ``Progress/Phase/decompress``, in plain bytes. Memory: a compressed and a plain frame for each
    /// thread, at most 512 MiB in all. For larger frames, fewer threads run.
    ///
    /// - Parameter onFinding: receives the findings in the order of the frames, with offsets in the compressed file.
    /// - Throws: errors of reading the file, and ``ImageError/Code/cancelled``.
    public func checkRest(
        threads: Int, progress: Progress? = nil, onFinding: (Finding) -> Void
    ) throws(ImageError) {
        let rest = (0..<frameCount).lazy.filter { !self.isVerified($0) }
        try progress?.begin(
            .decompress, total: rest.reduce(0) { $0 + UInt64(range(ofFrame: $1).count) })
        let maximumThreads = Int(clamping: Self.maximumMemory / max(1, 2 * largestFrameSize))
        let workers = max(1, min(threads, maximumThreads))
        var first = 0
        while first < frameCount {
            let end = min(first + Self.framesPerRound, frameCount)
            let errors = Monitor([Int: ImageError]())
            try onThreads(workers, sharing: end - first, by: 1) { [first] (next) throws(ImageError) in
                while let turn = next()?.lowerBound {
                    let frame = first + turn
                    try progress?.checkCancelled()
                    if self.isVerified(frame) { continue }
                    do throws(ImageError) {
                        try self.verify(frame)
                    } catch {
                        guard error.blame.isInput else { throw error }
                        errors.change { $0[frame] = error }
                    }
                    progress?.advance(UInt64(self.range(ofFrame: frame).count))
                }
            }
            let found = errors.change { $0 }
            for frame in first..<end {
                if let error = found[frame] { onFinding(finding(of: frame, error)) }
                if contradictsTable(frame) {
                    onFinding(
                        Finding(
                            .zstdTableChecksum,
                            "the seek table has another checksum for frame \(frame) than its content",
                            offset: fileRange(ofFrame: frame).lowerBound))
                }
            }
            first = end
        }
    }

    private func finding(of frame: Int, _ error: ImageError) -> Finding {
        let range = range(ofFrame: frame)
        let holds =
            range.isEmpty ? "nothing of the image" : "bytes \(range.lowerBound) to \(range.upperBound - 1) of the image"
        return Finding(
            .zstdFrame,
            "frame \(frame), which holds \(holds), cannot be decompressed: \(error.reason ?? error.message)",
            offset: fileRange(ofFrame: frame).lowerBound)
    }
}
