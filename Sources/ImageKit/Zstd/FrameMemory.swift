/// Bytes of a frame, which never change once they are made.
final class FrameBytes: @unchecked Sendable {
    let memory: UnsafeMutableRawBufferPointer
    private let whole: UnsafeMutableRawBufferPointer
    private let pool: FrameMemory

    /// Memory that `fill` must fill before anybody else sees it.
    init(
        count: Int, from pool: FrameMemory, fill: (UnsafeMutableRawBufferPointer) throws(ImageError) -> Void
    ) throws(ImageError) {
        self.pool = pool
        whole = pool.take(count)
        memory = UnsafeMutableRawBufferPointer(rebasing: whole[..<count])
        try fill(memory)
    }

    deinit { pool.give(back: whole) }
}

/// Memory for frames, used again: what the allocator would give for each frame anew, the kernel would have to clear, or it
/// would lie scattered between smaller things.
final class FrameMemory: Sendable {
    /// What the largest frame needs.
    private let capacity: Int
    private let share: Int
    private let free = Monitor([UnsafeMutableRawBufferPointer]())

    /// As many pieces are kept for the next frames.
    private static let limit = 4
    private static let alignment = 4096

    /// - Parameters:
    ///   - capacity: bytes of the largest frame.
    ///   - share: what part of that (a half, an eighth) a frame must have at least, for its memory to be used again.
    init(capacity: Int, share: Int) {
        self.capacity = capacity
        self.share = share
    }

    deinit {
        for memory in free.change({ $0 }) { memory.deallocate() }
    }

    fileprivate func take(_ count: Int) -> UnsafeMutableRawBufferPointer {
        guard isShared(count) else { return .allocate(byteCount: count, alignment: Self.alignment) }
        return free.change { $0.popLast() } ?? .allocate(byteCount: capacity, alignment: Self.alignment)
    }

    fileprivate func give(back memory: UnsafeMutableRawBufferPointer) {
        let isKept =
            memory.count == capacity
            && free.change { free in
                guard free.count < Self.limit else { return false }
                free.append(memory)
                return true
            }
        if !isKept { memory.deallocate() }
    }

    private func isShared(_ count: Int) -> Bool { count <= capacity && count >= capacity / share }
}
