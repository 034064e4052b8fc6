/// Things that are joined to sets, each with a size (a forest of disjoint sets).
struct DisjointSets {
    private var tops: [Int]
    /// Of the set, by its top.
    private var sizes: [UInt64]
    private var counts: [Int]

    /// Every thing is a set of its own.
    init(_ sizes: [UInt64]) {
        tops = Array(sizes.indices)
        self.sizes = sizes
        counts = Array(repeating: 1, count: sizes.count)
    }

    /// The first thing of the set that a thing is in.
    mutating func top(of thing: Int) -> Int {
        var thing = thing
        while tops[thing] != thing {
            tops[thing] = tops[tops[thing]]
            thing = tops[thing]
        }
        return thing
    }

    /// Joins the sets of two things if they are two, and a set of that size, with as many things, is wanted.
    mutating func join(_ one: Int, _ other: Int, where isWanted: (_ size: UInt64, _ count: Int) -> Bool) {
        let first = min(top(of: one), top(of: other)), second = max(top(of: one), top(of: other))
        guard first != second else { return }
        let size = sizes[first].addingClamping(sizes[second])
        guard isWanted(size, counts[first] + counts[second]) else { return }
        tops[second] = first
        sizes[first] = size
        counts[first] += counts[second]
    }

    /// The sets of two things or more, in the order of their first things, which come in their own order.
    mutating func sets() -> [[Int]] {
        var members: [Int: [Int]] = [:]
        for thing in tops.indices {
            let top = top(of: thing)
            if counts[top] > 1 { members[top, default: []].append(thing) }
        }
        return members.sorted { $0.key < $1.key }.map(\.value)
    }
}
