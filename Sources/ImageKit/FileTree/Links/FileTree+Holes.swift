extension FileTree {
    /// The unit of holes, in bytes: files below this size have none, and holes are aligned multiples of it. A large
    /// unit keeps the search cheap, at one small read for each unit.
    static let holeUnit: UInt64 = 1 << 20

    /// The ranges of a file that are stored: all but the aligned units of 1 MiB that are completely zero. (The last
    /// unit of a file may be shorter.)
    ///
    /// The result depends on the content alone, so equal bytes always have the same layout. Holes of the host's
    /// filesystem only save reading.
    /// - Returns: byte ranges in ascending order; adjacent ones are joined.
    func storedRanges(of node: NodeID) throws(ImageError) -> [Range<UInt64>] {
        let size = size(of: node)
        guard size >= Self.holeUnit else { return size == 0 ? [] : [0..<size] }
        let content = try OpenContent(node, of: self, isChecked: true)
        let buffer = PageBuffer(count: Int(Self.holeUnit))
        var ranges: [Range<UInt64>] = []
        var start: UInt64 = 0
        while start < size {
            let unit = start..<min(start + Self.holeUnit, size)
            // The first bytes decide for nearly every unit. A unit is read whole only if they are zero.
            let beginning = start..<min(start + Self.beginningLength, unit.upperBound)
            var isEmpty = try content.isZero(beginning, buffer)
            if isEmpty, !content.isHole(unit) { isEmpty = try content.isZero(unit, buffer) }
            if !isEmpty {
                if let last = ranges.last, last.upperBound == start {
                    ranges[ranges.count - 1] = last.lowerBound..<unit.upperBound
                } else {
                    ranges.append(unit)
                }
            }
            start = unit.upperBound
        }
        try content.checkUnchanged()
        return ranges
    }

    /// Bytes that are read of a unit at first.
    private static let beginningLength: UInt64 = 256
}

extension FileTree.OpenContent {
    /// Whether a range is zero. The buffer must be large enough for it.
    fileprivate func isZero(_ range: Range<UInt64>, _ buffer: borrowing PageBuffer) throws(ImageError) -> Bool {
        let bytes = buffer.prefix(Int(range.length))
        try read(into: bytes, at: range.lowerBound)
        return UnsafeRawBufferPointer(bytes).isZero
    }
}
