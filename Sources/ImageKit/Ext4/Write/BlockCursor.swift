/// Gives out the free blocks of a filesystem in ascending order, stepping over the groups' own structures.
///
/// File data may leave a gap before it steps over: if it is cut only where its content says so, and not just where the
/// blocks happen to end, a small change before it does not change how it is cut. Gaps stay free, so they are part of the
/// slack.
struct BlockCursor {
    private let free: [Range<UInt64>]
    private var run = 0
    /// Blocks that gaps may still take.
    private var gapBudget: UInt64
    /// Where data was interrupted: the end of what was given before, and the beginning of what came after.
    private(set) var steps: [Range<UInt64>] = []
    private(set) var gaps: [Range<UInt64>] = []
    /// The next block that will be given out, if there is one.
    private(set) var position: UInt64

    /// Cursor over what `taken` (ascending, disjoint) leaves of `0..<blocks`.
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

    /// The next `count` blocks, as runs.
    mutating func take(_ count: UInt64) throws(ImageError) -> [Range<UInt64>] {
        var left = count
        var runs: [Range<UInt64>] = []
        while left > 0 {
            guard run < free.count else {
                throw ImageError(.internal, "the filesystem was planned \(left) blocks too small")
            }
            let end = min(free[run].upperBound, position + left)
            if end > position { runs.append(position..<end) }
            left -= end - position
            position = end
            if position == free[run].upperBound { step() }
        }
        return runs
    }

    /// The next `count` blocks, as runs whose lengths, but for the last, are multiples of `piece`, as far as gaps may be
    /// left for that.
    mutating func take(_ count: UInt64, inPiecesOf piece: UInt64) throws(ImageError) -> [Range<UInt64>] {
        var runs: [Range<UInt64>] = []
        var left = count
        while left > 0, run < free.count {
            let room = free[run].upperBound - position
            let part = left <= room ? left : room / piece * piece
            if left > room, room - part > gapBudget { break }
            runs += try take(part)
            left -= part
            if left > 0, run < free.count, room > part { leaveGap() }
        }
        return try runs + take(left)
    }

    /// Makes sure that the next `count` blocks are one run, if a gap may be left for that.
    mutating func makeRoom(for count: UInt64) {
        guard run + 1 < free.count, free[run].upperBound - position < count else { return }
        if free[run].upperBound - position <= gapBudget { leaveGap() }
    }

    private mutating func leaveGap() {
        gaps.append(position..<free[run].upperBound)
        gapBudget -= free[run].upperBound - position
        step()
    }

    private mutating func step() {
        run += 1
        guard run < free.count else { return }
        steps.append(position..<free[run].lowerBound)
        position = free[run].lowerBound
    }

    /// Everything that was given out, in ascending order.
    var given: [Range<UInt64>] {
        var given = Array(free.prefix(run))
        if run < free.count, position > free[run].lowerBound { given.append(free[run].lowerBound..<position) }
        for gap in gaps {
            guard let index = given.firstIndex(where: { $0.upperBound == gap.upperBound }) else { continue }
            given[index] = given[index].lowerBound..<gap.lowerBound
        }
        return given.filter { !$0.isEmpty }
    }
}
