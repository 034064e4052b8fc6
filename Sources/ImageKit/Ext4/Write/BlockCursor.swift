/// Allocates the free blocks of a filesystem in ascending order, and skips the groups' own structures.
///
/// File data may leave a gap before it skips: it is then cut only at boundaries in its content, and not where the
/// blocks happen to end. A small change before it therefore does not change how it is cut. Gaps stay free, so they
/// count as slack.
struct BlockCursor {
    private let free: [Range<UInt64>]
    /// The index in `free` of the range that blocks are taken from.
    private var current = 0
    /// Blocks that gaps may still take.
    private var gapBudget: UInt64
    /// Where data was interrupted: from the end of the blocks before to the first block after.
    private(set) var skips: [Range<UInt64>] = []
    private(set) var gaps: [Range<UInt64>] = []
    /// The next block that will be allocated, if there is one.
    private(set) var position: UInt64

    /// A cursor over the blocks of `0..<blocks` that are not in `taken` (ascending, disjoint).
    init(blocks: UInt64, taken: [Range<UInt64>], gapBudget: UInt64) {
        var free: [Range<UInt64>] = []
        var start: UInt64 = 0
        for range in taken {
            if range.lowerBound > start { free.append(start..<range.lowerBound) }
            start = range.upperBound
        }
        if start < blocks { free.append(start..<blocks) }
        self.free = free
        self.gapBudget = gapBudget
        position = free.first?.lowerBound ?? blocks
    }

    /// Allocates the next `count` blocks.
    mutating func allocate(_ count: UInt64) throws(ImageError) -> [Range<UInt64>] {
        var left = count
        var blocks: [Range<UInt64>] = []
        while left > 0 {
            guard current < free.count else {
                throw ImageError(.internal, "the filesystem was planned \(left) blocks too small")
            }
            let end = min(free[current].upperBound, position + left)
            if end > position { blocks.append(position..<end) }
            left -= end - position
            position = end
            if position == free[current].upperBound { advance() }
        }
        return blocks
    }

    /// Allocates the next `count` blocks in ranges whose lengths, except the last, are multiples of `unit`, as long as
    /// gaps may be left for that.
    mutating func allocate(_ count: UInt64, inMultiplesOf unit: UInt64) throws(ImageError) -> [Range<UInt64>] {
        var blocks: [Range<UInt64>] = []
        var left = count
        while left > 0, current < free.count {
            let room = free[current].upperBound - position
            let fitting = left <= room ? left : room / unit * unit
            if left > room, room - fitting > gapBudget { break }
            blocks += try allocate(fitting)
            left -= fitting
            if left > 0, current < free.count, room > fitting { leaveGap() }
        }
        return try blocks + allocate(left)
    }

    /// Makes sure that the next `count` blocks are one range, if a gap may be left for that.
    mutating func makeRoom(for count: UInt64) {
        guard current + 1 < free.count, free[current].upperBound - position < count else { return }
        if free[current].upperBound - position <= gapBudget { leaveGap() }
    }

    private mutating func leaveGap() {
        gaps.append(position..<free[current].upperBound)
        gapBudget -= free[current].upperBound - position
        advance()
    }

    /// Goes on to the next free range.
    private mutating func advance() {
        current += 1
        guard current < free.count else { return }
        skips.append(position..<free[current].lowerBound)
        position = free[current].lowerBound
    }

    /// All blocks that were allocated, in ascending order.
    var allocated: [Range<UInt64>] {
        var allocated = Array(free.prefix(current))
        if current < free.count, position > free[current].lowerBound {
            allocated.append(free[current].lowerBound..<position)
        }
        for gap in gaps {
            guard let index = allocated.firstIndex(where: { $0.upperBound == gap.upperBound }) else { continue }
            allocated[index] = allocated[index].lowerBound..<gap.lowerBound
        }
        return allocated.filter { !$0.isEmpty }
    }
}
