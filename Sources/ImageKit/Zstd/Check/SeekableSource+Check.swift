/// The check of all frames. Frames that other reads have decompressed without an error are not decompressed again.
extension SeekableSource {
    /// The number of frames in a round. After each round, its findings are reported, so that the errors fit in memory.
    private static let framesPerRound = 4096
    /// Bytes that all threads together may use for frames, in addition to the cache.
    private static let maximumMemory: UInt64 = 512 << 20

    /// Decompresses the frames that no read has decompressed without an error so far, and reports the damaged ones.
    ///
    /// Of equal short frames of zeros, usually only one is decompressed.
    ///
    /// The phase is ``Progress/Phase/decompress``, counted in uncompressed bytes. Each thread needs memory for a
    /// compressed and an uncompressed frame. With larger frames, fewer threads run, so that 512 MiB suffice for all.
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
