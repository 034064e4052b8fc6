/// Making sure of all frames, each of which is decompressed only once.
extension SeekableSource {
    /// Frames are handed to threads in rounds of so many, after which findings are told: their memory is bounded.
    private static let round = 4096
    /// What threads may take for frames besides the kept ones.
    private static let roundBound: UInt64 = 512 << 20

    /// Decompresses the frames that nobody has read so far, and tells which are damaged: those too on which a read has
    /// failed. Frames that were read soundly are not decompressed again, and a frame of zeros only once for each size.
    ///
    /// Its phase is ``Progress/Phase/decompress``, in plain bytes. Memory: for each thread a frame, compressed and plain, and
    /// 512 MiB in all where frames are so large (fewer threads are at work then).
    ///
    /// - Parameter onFinding: hears what is found in the order of the frames, with offsets in the compressed file.
    /// - Throws: what reading the file throws, and ``ImageError/Code/cancelled``.
    public func checkRest(
        threads: Int, progress: Progress? = nil, onFinding: (Finding) -> Void
    ) throws(ImageError) {
        let rest = (0..<frameCount).lazy.filter { !self.isVerified($0) }
        try progress?.begin(
            .decompress, total: rest.reduce(0) { $0 + UInt64(range(ofFrame: $1).count) })
        let most = Int(clamping: Self.roundBound / max(1, 2 * largestFrameSize))
        let workers = max(1, min(threads, most))
        var first = 0
        while first < frameCount {
            let end = min(first + Self.round, frameCount)
            let errors = Monitor([Int: ImageError]())
            try onThreads(workers, sharing: end - first, by: 1) { [first] (next) throws(ImageError) in
                while let turn = next()?.lowerBound {
                    let frame = first + turn
                    try progress?.checkCancelled()
                    if self.isVerified(frame) { continue }
                    do throws(ImageError) {
                        try self.verify(frame)
                    } catch {
                        guard [.corrupt, .invalidInput].contains(error.code) else { throw error }
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
                            offset: place(ofFrame: frame).lowerBound))
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
            offset: place(ofFrame: frame).lowerBound)
    }
}
