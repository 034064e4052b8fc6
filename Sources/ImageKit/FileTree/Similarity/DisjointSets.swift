/// Elements that are joined to sets, each with a size (union-find).
///
/// Elements are numbers from 0 on. The representative of a set is its smallest element.
struct DisjointSets {
    /// For each element, an element that is closer to the representative of its set, or itself.
    private var parents: [Int]
    /// The sum of the sizes in each set, by its representative.
    private var sizes: [UInt64]
    /// The number of elements in each set, by its representative.
    private var counts: [Int]

    /// Makes a set of each element, from the elements' sizes.
    init(_ sizes: [UInt64]) {
        parents = Array(sizes.indices)
        self.sizes = sizes
        counts = Array(repeating: 1, count: sizes.count)
    }

    /// The representative of the set of an element.
    mutating func representative(of element: Int) -> Int {
        var element = element
        while parents[element] != element {
            parents[element] = parents[parents[element]]
            element = parents[element]
        }
        return element
    }

    /// Joins the sets of two elements, unless they are the same set, or `isWanted` refuses the size and count of the
    /// result.
    mutating func join(_ left: Int, _ right: Int, where isWanted: (_ size: UInt64, _ count: Int) -> Bool) {
        let first = min(representative(of: left), representative(of: right))
        let second = max(representative(of: left), representative(of: right))
        guard first != second else { return }
        let size = sizes[first].addingClamping(sizes[second])
        guard isWanted(size, counts[first] + counts[second]) else { return }
        parents[second] = first
        sizes[first] = size
        counts[first] += counts[second]
    }

    /// The sets of at least two elements, in the order of their representatives. The elements of a set are ascending.
    mutating func sets() -> [[Int]] {
        var members: [Int: [Int]] = [:]
        for element in parents.indices {
            let representative = representative(of: element)
            if counts[representative] > 1 { members[representative, default: []].append(element) }
        }
        return members.sorted { $0.key < $1.key }.map(\.value)
    }
}
