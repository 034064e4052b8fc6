extension FileTree {
    /// Files below this size have no holes, and holes are multiples of it at multiples of it. It is coarse so that
    /// looking costs one small read for each MiB.
    static let holeUnit: UInt64 = 1 << 20

    /// The parts of a file that are stored: everything but whole aligned units of 1 MiB that are all zero (the last unit
    /// of a file may be shorter).
    ///
    /// The rule depends on the content alone, never on the holes that the host's filesystem happens to have (those only
    /// save reading), so that the same bytes always lay out alike.
    /// - Returns: byte ranges in ascending order, neighbours joined.
    func storedRanges(of node: NodeID) throws(ImageError) -> [Range<UInt64>] {
        let size = size(of: node)
        guard size >= Self.holeUnit else { return size == 0 ? [] : [0..<size] }
        var buffer = [UInt8](repeating: 0, count: Int(Self.holeUnit))
        switch content(of: node) {
        case .host(let file):
            let open = try HostFile(file, of: hostFiles)
            let ranges = try Self.storedRanges(size: size, buffer: &buffer) {
                (target, offset) throws(ImageError) in
                try open.read(into: target, at: offset)
            } isHole: {
                open.isHole($0)
            }
            try open.checkUnchanged()
            return ranges
        case .bytes(let bytes):
            return try Self.storedRanges(size: size, buffer: &buffer) { (target, offset) throws(ImageError) in
                target.copyBytes(from: bytes.dropFirst(Int(offset)).prefix(target.count))
            } isHole: { _ in
                false
            }
        case .source(let source, let start):
            return try Self.storedRanges(size: size, buffer: &buffer) { (target, offset) throws(ImageError) in
                try source.read(into: target, at: start + offset)
            } isHole: { _ in
                false
            }
        }
    }

    private static func storedRanges(
        size: UInt64, buffer: inout [UInt8],
        read: (UnsafeMutableRawBufferPointer, UInt64) throws(ImageError) -> Void, isHole: (Range<UInt64>) -> Bool
    ) throws(ImageError) -> [Range<UInt64>] {
        var ranges: [Range<UInt64>] = []
        var start: UInt64 = 0
        while start < size {
            let unit = start..<min(start + holeUnit, size)
            // A look at the beginning decides for nearly every unit; only what begins with zeros is read whole.
            var isEmpty = try isZero(start..<min(start + 256, unit.upperBound), &buffer, read)
            if isEmpty, !isHole(unit) { isEmpty = try isZero(unit, &buffer, read) }
            if isEmpty {
                start = unit.upperBound
                continue
            }
            if let last = ranges.last, last.upperBound == start {
                ranges[ranges.count - 1] = last.lowerBound..<unit.upperBound
            } else {
                ranges.append(unit)
            }
            start = unit.upperBound
        }
        return ranges
    }

    private static func isZero(
        _ range: Range<UInt64>, _ buffer: inout [UInt8],
        _ read: (UnsafeMutableRawBufferPointer, UInt64) throws(ImageError) -> Void
    ) throws(ImageError) -> Bool {
        var failure: ImageError?
        let isZero = buffer.withUnsafeMutableBytes { bytes in
            let part = UnsafeMutableRawBufferPointer(rebasing: bytes[..<Int(range.length)])
            do throws(ImageError) { try read(part, range.lowerBound) } catch { failure = error }
            return failure == nil && UnsafeRawBufferPointer(part).isZero
        }
        if let failure { throw failure }
        return isZero
    }
}
