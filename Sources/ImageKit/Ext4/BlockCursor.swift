/// Gives out the free blocks of a filesystem in ascending order, stepping over the groups' own structures.
struct BlockCursor {
    private let free: [Range<UInt64>]
    private var run = 0
    /// The next block that will be given out, if there is one.
    private(set) var position: UInt64

    /// Cursor over what `taken` (ascending, disjoint) leaves of `0..<blocks`.
    init(blocks: UInt64, taken: [Range<UInt64>]) {
        var free: [Range<UInt64>] = []
        var start: UInt64 = 0
        for range in taken {
            if range.lowerBound > start { free.append(start..<range.lowerBound) }
            start = range.upperBound
        }
        if start < blocks { free.append(start..<blocks) }
        self.free = free
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
            if position == free[run].upperBound {
                run += 1
                if run < free.count { position = free[run].lowerBound }
            }
        }
        return runs
    }

    /// The free runs up to the position: everything that was given out.
    var given: [Range<UInt64>] {
        free.prefix(run) + (run < free.count && position > free[run].lowerBound ? [free[run].lowerBound..<position] : [])
    }

    /// Where free runs begin and end: places where file data meets the filesystem's own structures.
    var edges: [UInt64] { free.flatMap { [$0.lowerBound, $0.upperBound] } }
}
