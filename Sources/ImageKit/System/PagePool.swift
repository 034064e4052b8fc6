import Glibc

/// Bytes of a frame. They never change once they are made.
final class FrameBytes: @unchecked Sendable {
    let memory: UnsafeMutableRawBufferPointer
    private let block: PagePool.Block
    private let pool: PagePool

    /// Takes memory from a pool. `fill` must fill all of it.
    init(
        count: Int, from pool: PagePool, fill: (UnsafeMutableRawBufferPointer) throws(ImageError) -> Void
    ) throws(ImageError) {
        self.pool = pool
        block = pool.take(count)
        memory = UnsafeMutableRawBufferPointer(rebasing: block.memory[..<count])
        try fill(memory)
    }

    deinit { pool.giveBack(block) }
}

/// Memory for frames that is used again.
///
/// Frames are large and of many sizes. Fresh memory from the allocator would have to be cleared by the kernel first, or
/// would be scattered over far more address space than is in use.
final class PagePool: Sendable {
    struct Block {
        var memory: UnsafeMutableRawBufferPointer
        /// Whether it has a mapping of its own; otherwise the allocator made it.
        var isMapped: Bool

        func free() {
            if isMapped { munmap(memory.baseAddress, memory.count) } else { memory.deallocate() }
        }
    }

    /// Mapped blocks that wait for the next frame, the oldest first.
    private let idle = Monitor([Block]())

    private static let maximumIdleBlocks = 6

    deinit {
        for block in idle.change({ $0 }) { block.free() }
    }

    /// A block of at least `count` bytes. Blocks below the size of a huge page come from the allocator.
    fileprivate func take(_ count: Int) -> Block {
        guard count >= PageBuffer.hugePage else { return Self.allocated(count) }
        // A block that is more than twice as large would waste more than it saves.
        let found = idle.change { idle -> Block? in
            let fitting = idle.indices.filter { (count...count * 2).contains(idle[$0].memory.count) }
            return fitting.min { idle[$0].memory.count < idle[$1].memory.count }.map { idle.remove(at: $0) }
        }
        if let found { return found }
        let length = count.roundedUp(to: PageBuffer.hugePage)
        let mapped = mmap(nil, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard let mapped, Int(bitPattern: mapped) != -1 else { return Self.allocated(count) }
        PageBuffer.preferHugePages(mapped, length)
        return Block(memory: UnsafeMutableRawBufferPointer(start: mapped, count: length), isMapped: true)
    }

    private static func allocated(_ count: Int) -> Block {
        Block(memory: .allocate(byteCount: count, alignment: 64), isMapped: false)
    }

    fileprivate func giveBack(_ block: Block) {
        guard block.isMapped else { return block.free() }
        let oldest = idle.change { idle in
            idle.append(block)
            return idle.count > Self.maximumIdleBlocks ? idle.removeFirst() : nil
        }
        oldest?.free()
    }
}
