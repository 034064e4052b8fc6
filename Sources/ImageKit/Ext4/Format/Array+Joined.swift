extension [Range<UInt64>] {
    /// The ranges in ascending order. Those that touch or overlap become one.
    func joinedRanges() -> [Range<UInt64>] {
        var joined: [Range<UInt64>] = []
        for range in sorted(by: { $0.lowerBound < $1.lowerBound }) {
            if let last = joined.last, range.lowerBound <= last.upperBound {
                joined[joined.count - 1] = last.lowerBound..<Swift.max(last.upperBound, range.upperBound)
            } else {
                joined.append(range)
            }
        }
        return joined
    }
}
