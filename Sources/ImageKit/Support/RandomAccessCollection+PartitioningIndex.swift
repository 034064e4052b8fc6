extension RandomAccessCollection {
    /// The index of the first element that belongs to the second part, which all elements from there on must; `endIndex`
    /// where none does. It takes as many steps as the count has binary digits.
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
