import Glibc

/// Streams a planned disk through parallel zstd workers into a file that can be read at any place again.
///
/// ```
///                 ┌─▶ worker: read, compress ─┐
///   frames, in ───┼─▶ worker: read, compress ─┼──▶ finished frames ──▶ writer, in order ──▶ sink
///   order         └─▶ …                       ┘     (a bounded number)
/// ```
///
/// Every frame stands alone, so the bytes do not depend on the number of workers. Stretches of zeros are compressed once.
/// Memory is bounded by threads × (3 frames and a context), whatever the disk's size.
struct ZstdImageWriter {
    let map: SegmentMap
    let parameters: ZstdParameters
    /// The length of frames that is aimed at, in bytes.
    let frameSize: UInt64
    let threads: Int
    let progress: Progress?

    /// What came out.
    struct Result: Sendable, Hashable {
        /// All frames of the file but the seek table.
        var table = SeekTable()
        /// Bytes of the file.
        var size: UInt64 = 0
    }

    /// What workers and writer share.
    private struct State {
        var next = 0  // the frame that the next free worker takes
        var written = 0  // frames that have left
        var inWork = 0  // frames that workers have
        var finished: [Int: FrameBuffer] = [:]
        var spare: [FrameBuffer] = []
        var failure: ImageError?
        var isStopped = false
    }

    /// Writes all frames, a frame that says how they were made, and the seek table.
    func write(to sink: some ByteSink) throws(ImageError) -> Result {
        let frames = FrameCutter(target: frameSize).frames(of: map)
        guard frames.count < FrameList.maximum else {
            throw ImageError(
                .doesNotFit, "the image has too many frames",
                reason: "\(frames.count), and \(FrameList.maximum) can be read",
                remedy: "use a larger --frame-size")
        }
        let zeroFrames = try compressZeros(of: frames)
        let state = Monitor(State())
        var workers = Threads()
        var result = Result()
        do throws(ImageError) {
            try workers.start(upTo: threads) { [self] in work(on: frames, state) }
            for (index, frame) in frames.enumerated() {
                try progress?.checkCancelled()
                if frame.isZero {
                    try emit(zeroFrames[frame.length] ?? [], plainSize: frame.length, to: sink, &result)
                    state.change { $0.written = index + 1 }
                } else {
                    let buffer = try finished(index, state)
                    try emit(buffer.bytes, plainSize: frame.length, to: sink, &result)
                    state.change {
                        $0.written = index + 1
                        $0.spare.append(buffer)
                    }
                }
                progress?.advance(UInt64(frame.length))
            }
        } catch {
            state.change { $0.isStopped = true }
            workers.join()
            throw error
        }
        workers.join()
        try emit(FrameOrigin(parameters: parameters, frameSize: frameSize).encoded(), plainSize: 0, to: sink, &result)
        let table = result.table.encoded()
        try sink.write(table)
        progress?.wrote(UInt64(table.count))
        result.size += UInt64(table.count)
        return result
    }

    /// One frame for every length that stretches of zeros have.
    private func compressZeros(of frames: [Frame]) throws(ImageError) -> [Int: [UInt8]] {
        var compressed: [Int: [UInt8]] = [:]
        guard let longest = frames.lazy.filter(\.isZero).map(\.length).max() else { return compressed }
        let compressor = try ZstdCompressor(parameters)
        let zeros = try FrameBuffer(zeros: longest)
        let output = try FrameBuffer(capacity: ZstdCompressor.bound(longest))
        for frame in frames where frame.isZero && compressed[frame.length] == nil {
            output.count = try compressor.compress(
                UnsafeRawBufferPointer(rebasing: zeros.memory[..<frame.length]), into: output.memory)
            compressed[frame.length] = Array(output.bytes)
        }
        return compressed
    }

    // MARK: Workers

    private func work(on frames: [Frame], _ state: Monitor<State>) {
        do throws(ImageError) {
            let compressor = try ZstdCompressor(parameters)
            let longest = frames.lazy.filter { !$0.isZero }.map(\.length).max() ?? 0
            let input = try FrameBuffer(capacity: longest)
            var prefetcher = Prefetcher(map)
            while let index = take(frames, state) {
                let ahead = index + threads
                if ahead < frames.count { prefetcher.run(frames[ahead].range) }
                let plain = UnsafeMutableRawBufferPointer(rebasing: input.memory[..<frames[index].length])
                try map.read(into: plain, at: frames[index].range.lowerBound)
                let spare = state.change { $0.spare.popLast() }
                let output = if let spare { spare } else { try FrameBuffer(capacity: ZstdCompressor.bound(longest)) }
                output.count = try compressor.compress(
                    UnsafeRawBufferPointer(plain), into: output.memory, isGathered: frames[index].isGathered)
                state.change {
                    $0.finished[index] = output
                    $0.inWork -= 1
                }
            }
        } catch {
            state.change {
                $0.failure = $0.failure ?? error
                $0.isStopped = true
            }
        }
    }

    /// The next frame that needs compressing, once the writer is near enough; `nil` at the end.
    private func take(_ frames: [Frame], _ state: Monitor<State>) -> Int? {
        let window = threads * 2
        return state.wait { state -> Int?? in
            while state.next < frames.count, frames[state.next].isZero { state.next += 1 }
            if state.isStopped || state.next == frames.count { return .some(nil) }
            // Frames that wait, or will, are bounded by their number, but for zeros, which weigh nothing.
            if state.finished.count + state.inWork >= window, state.next > state.written { return nil }
            state.next += 1
            state.inWork += 1
            return .some(state.next - 1)
        }
    }

    private func finished(_ index: Int, _ state: Monitor<State>) throws(ImageError) -> FrameBuffer {
        let outcome = state.wait { state -> (FrameBuffer?, ImageError?)? in
            if let buffer = state.finished.removeValue(forKey: index) { return (buffer, nil) }
            return state.failure.map { (nil, $0) }
        }
        if let buffer = outcome.0 { return buffer }
        throw outcome.1 ?? ImageError(.internal, "a frame was lost")
    }

    // MARK: Writer

    private func emit(
        _ bytes: UnsafeRawBufferPointer, plainSize: Int, to sink: some ByteSink, _ result: inout Result
    ) throws(ImageError) {
        try sink.write(bytes)
        result.table.entries.append(
            SeekTable.Entry(compressedSize: UInt32(clamping: bytes.count), size: UInt32(clamping: plainSize)))
        result.size += UInt64(bytes.count)
        progress?.wrote(UInt64(bytes.count))
    }

    private func emit(
        _ bytes: [UInt8], plainSize: Int, to sink: some ByteSink, _ result: inout Result
    ) throws(ImageError) {
        var failure: ImageError?
        bytes.withUnsafeBytes { buffer in
            do throws(ImageError) {
                try emit(buffer, plainSize: plainSize, to: sink, &result)
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
    }
}

/// Memory for a frame, handed from thread to thread: it belongs to whoever took it out of the shared state last.
private final class FrameBuffer: @unchecked Sendable {
    let memory: UnsafeMutableRawBufferPointer
    /// Bytes in use.
    var count = 0

    /// Frames are what takes most of the memory, so where a limit is too tight, this is where it shows.
    init(capacity: Int) throws(ImageError) {
        var start: UnsafeMutableRawPointer?
        let isLarge = capacity >= PageBuffer.hugePage
        guard posix_memalign(&start, isLarge ? PageBuffer.hugePage : 4096, capacity) == 0, let start else {
            throw Self.outOfMemory(capacity)
        }
        if isLarge { PageBuffer.preferHugePages(start, capacity) }
        memory = UnsafeMutableRawBufferPointer(start: start, count: capacity)
    }

    /// Zeros. As long as nobody writes to them, they take no memory where the kernel has one page of them for all.
    init(zeros capacity: Int) throws(ImageError) {
        guard let start = calloc(capacity, 1) else { throw Self.outOfMemory(capacity) }
        memory = UnsafeMutableRawBufferPointer(start: start, count: capacity)
    }

    private static func outOfMemory(_ capacity: Int) -> ImageError {
        ImageError(
            .inputOutput, "there is no memory for a frame",
            reason: "it takes \(ByteSize.format(UInt64(capacity))), and each thread needs three",
            remedy: ZstdCompressor.memoryRemedy)
    }

    deinit { free(memory.baseAddress) }

    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: memory[..<count]) }
}
