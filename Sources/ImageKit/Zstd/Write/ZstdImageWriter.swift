import Glibc

/// Streams a planned disk through parallel zstd workers into a file that can be read at any offset.
///
/// ```
///                 ┌─▶ worker: read, compress ─┐
///   frames, in ───┼─▶ worker: read, compress ─┼──▶ finished frames ──▶ writer, in order ──▶ sink
///   order         └─▶ …                       ┘     (a bounded number)
/// ```
///
/// Every frame is independent, so the bytes do not depend on the number of workers. Frames of zeros are compressed once
/// for each length. Memory: at most threads × (3 frames and a context), for a disk of any size.
struct ZstdImageWriter {
    let map: SegmentMap
    let parameters: ZstdParameters
    /// The length of frames to aim at, in bytes.
    let frameSize: UInt64
    let threads: Int
    let progress: Progress?

    /// The result of writing.
    struct Result: Sendable, Hashable {
        /// All frames of the file except the seek table.
        var table = SeekTable()
        /// The length of the file in bytes.
        var size: UInt64 = 0
    }

    /// The state that workers and writer share.
    private struct State {
        var next = 0  // the frame for the next free worker
        var written = 0  // frames that are in the file
        var inWork = 0  // frames that workers compress
        var finished: [Int: FrameBuffer] = [:]
        var spare: [FrameBuffer] = []
        var failure: ImageError?
        var isStopped = false
    }

    /// Writes all frames, the record of how they were made, and the seek table.
    func write(to sink: some ByteSink) throws(ImageError) -> Result {
        let frames = FrameCutter(target: frameSize).frames(of: map)
        guard frames.count < FrameList.maximumCount else {
            throw ImageError(
                .doesNotFit, "the image has too many frames",
                reason: "\(frames.count), and \(FrameList.maximumCount) can be read",
                remedy: "use a larger \(.frameSize)")
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

    /// A compressed frame for each length of the frames of zeros.
    private func compressZeros(of frames: [Frame]) throws(ImageError) -> [Int: [UInt8]] {
        var compressed: [Int: [UInt8]] = [:]
        guard let maximumLength = frames.lazy.filter(\.isZero).map(\.length).max() else { return compressed }
        let compressor = try ZstdCompressor(parameters)
        let zeros = try FrameBuffer(zeros: maximumLength)
        let output = try FrameBuffer(capacity: ZstdCompressor.maximumCompressedSize(of: maximumLength))
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
            let maximumLength = frames.lazy.filter { !$0.isZero }.map(\.length).max() ?? 0
            let capacity = ZstdCompressor.maximumCompressedSize(of: maximumLength)
            let input = try FrameBuffer(capacity: maximumLength)
            var prefetcher = Prefetcher(map)
            while let index = claimFrame(of: frames, state) {
                let ahead = index + threads
                if ahead < frames.count { prefetcher.run(frames[ahead].range) }
                let plain = UnsafeMutableRawBufferPointer(rebasing: input.memory[..<frames[index].length])
                try map.read(into: plain, at: frames[index].range.lowerBound)
                let spare = state.change { $0.spare.popLast() }
                let output = if let spare { spare } else { try FrameBuffer(capacity: capacity) }
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

    /// The next frame to compress; waits until the writer is near enough. `nil` at the end.
    private func claimFrame(of frames: [Frame], _ state: Monitor<State>) -> Int? {
        let window = threads * 2
        return state.wait { state -> Int?? in
            while state.next < frames.count, frames[state.next].isZero { state.next += 1 }
            if state.isStopped || state.next == frames.count { return .some(nil) }
            // The number of frames that wait or are being compressed is limited. Frames of zeros do not count.
            if state.finished.count + state.inWork >= window, state.next > state.written { return nil }
            state.next += 1
            state.inWork += 1
            return .some(state.next - 1)
        }
    }

    /// Waits for a compressed frame.
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
        try bytes.span.withUnsafeBytes { (buffer) throws(ImageError) in
            try emit(buffer, plainSize: plainSize, to: sink, &result)
        }
    }
}

/// Memory for a frame that passes from thread to thread. The thread that took it out of the shared state last owns it.
private final class FrameBuffer: @unchecked Sendable {
    let memory: UnsafeMutableRawBufferPointer
    /// Bytes in use.
    var count = 0

    /// Frames take most of the memory, so this fails first if a limit is too low.
    /// - Parameter capacity: bytes.
    init(capacity: Int) throws(ImageError) {
        var start: UnsafeMutableRawPointer?
        let isLarge = capacity >= PageBuffer.hugePage
        guard posix_memalign(&start, isLarge ? PageBuffer.hugePage : 4096, capacity) == 0, let start else {
            throw Self.outOfMemory(capacity)
        }
        if isLarge { PageBuffer.preferHugePages(start, capacity) }
        memory = UnsafeMutableRawBufferPointer(start: start, count: capacity)
    }

    /// Makes a buffer of zeros. Until it is written to, the kernel maps its one page of zeros and uses no memory.
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

    /// The bytes in use.
    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: memory[..<count]) }
}
