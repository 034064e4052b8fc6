extension RandomAccessCollection {
    /// The index of the first element that satisfies a predicate; `endIndex` if none does.
    ///
    /// The collection must be partitioned: all elements after the first one satisfy the predicate too. The search is
    /// binary. (The name comes from the package swift-algorithms.)
    @inline(__always)
    func partitioningIndex(where isInSecondPart: (Element) -> Bool) -> Index {
        var start = startIndex
        var length = count
        while length > 0 {
            let half = length / 2
            let middle = index(start, offsetBy: half)
            if isInSecondPart(self[middle]) {
                length = half
            } else {
                start = index(after: middle)
                length -= half + 1
            }
        }
        return start
    }
}
