import Glibc

/// Bytes of a frame, which never change once they are made.
final class FrameBytes: @unchecked Sendable {
    let memory: UnsafeMutableRawBufferPointer
    private let piece: PageBuffer.Piece
    private let pool: PageBuffer

    /// Memory that `fill` must fill before anybody else sees it.
    init(
        count: Int, from pool: PageBuffer, fill: (UnsafeMutableRawBufferPointer) throws(ImageError) -> Void
    ) throws(ImageError) {
        self.pool = pool
        piece = pool.take(count)
        memory = UnsafeMutableRawBufferPointer(rebasing: piece.memory[..<count])
        try fill(memory)
    }

    deinit { pool.give(back: piece) }
}

/// Memory for frames, used again. Frames are large and of many sizes: from the allocator, each would be memory that the
/// kernel has to clear first, or it would be scattered over much more than is in use.
final class PageBuffer: Sendable {
    struct Piece {
        var memory: UnsafeMutableRawBufferPointer
        /// Whether it was mapped for itself.
        var isMapped: Bool

        func free() {
            if isMapped { munmap(memory.baseAddress, memory.count) } else { memory.deallocate() }
        }
    }

    /// Mapped memory that waits for the next frame, the oldest first.
    private let idle = Monitor([Piece]())

    /// As many pieces wait.
    private static let limit = 6
    /// Memory is mapped in multiples of this, which is a large page; less is the allocator's.
    static let unit = 2 << 20

    deinit {
        for piece in idle.change({ $0 }) { piece.free() }
    }

    /// At least `count` bytes.
    fileprivate func take(_ count: Int) -> Piece {
        guard count >= Self.unit else { return Self.allocated(count) }
        // One that is much too large would waste more than it saves.
        let found = idle.change { idle -> Piece? in
            let fitting = idle.indices.filter { (count...count * 2).contains(idle[$0].memory.count) }
            return fitting.min { idle[$0].memory.count < idle[$1].memory.count }.map { idle.remove(at: $0) }
        }
        if let found { return found }
        let length = count.roundedUp(to: Self.unit)
        let mapped = mmap(nil, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard let mapped, Int(bitPattern: mapped) != -1 else { return Self.allocated(count) }
        Self.preferLargePages(mapped, length)
        return Piece(memory: UnsafeMutableRawBufferPointer(start: mapped, count: length), isMapped: true)
    }

    /// Large pages cost the kernel much less where every page is going to be written. (Where it has none, this does nothing.)
    static func preferLargePages(_ start: UnsafeMutableRawPointer, _ length: Int) {
        madvise(start, length, LinuxConstants.adviseHugePages)
    }

    private static func allocated(_ count: Int) -> Piece {
        Piece(memory: .allocate(byteCount: count, alignment: 64), isMapped: false)
    }

    fileprivate func give(back piece: Piece) {
        guard piece.isMapped else { return piece.free() }
        let oldest = idle.change { idle in
            idle.append(piece)
            return idle.count > Self.limit ? idle.removeFirst() : nil
        }
        oldest?.free()
    }
}
