/// A part of the disk that becomes one compressed frame.
struct Frame: Sendable, Hashable {
    /// Bytes on the disk.
    var range: Range<UInt64>
    /// Whether the range holds only zeros because no segment covers it.
    var isZero: Bool
    /// Whether the range holds similar parts that were gathered from many files.
    var isGathered = false

    /// Bytes of the frame's content.
    var length: Int { Int(range.length) }
}

/// Divides a disk into frames.
///
/// File data is cut where its content decides: at the beginnings of units with certain keys, and inside long units at
/// fixed distances from their beginning. The offset of the data on the disk has no influence. After a small change the
/// cuts soon match again, and most frames of the new image equal frames of the old one.
struct FrameCutter {
    /// The desired length of a frame's content, in bytes. Frames of data are at most twice as long.
    let target: UInt64

    /// The approximate maximum number of frames of zeros. If there would be more, these frames become longer.
    private static let maximumZeroFrames: UInt64 = 1 << 20
    /// The shortest range of zeros that becomes frames of its own, in bytes.
    private static let minimumZeroLength: UInt64 = 1 << 20
    private static let block: UInt64 = 4096

    /// All frames of the disk in order, without gaps.
    func frames(of map: SegmentMap) -> [Frame] {
        let edges = edges(of: map)
        let stretches = zip(edges, edges.dropFirst()).map { (range: $0..<$1, isZero: map.isZero($0..<$1)) }
        let zeros = stretches.reduce(0) { $0 + ($1.isZero ? $1.range.length : 0) }
        let zeroTarget = max(target, (zeros / Self.maximumZeroFrames).roundedUp(to: Self.block))
        var frames: [Frame] = []
        var marks = map.marks[...]
        for (range, isZero) in stretches {
            marks = marks.drop { $0.offset < range.lowerBound }
            if isZero {
                for start in stride(from: range.lowerBound, to: range.upperBound, by: Int(zeroTarget)) {
                    frames.append(Frame(range: start..<min(start + zeroTarget, range.upperBound), isZero: true))
                }
            } else {
                let units = marks.prefix { $0.offset < range.upperBound }.compactMap { mark in
                    mark.unit.map { (offset: mark.offset, key: $0) }
                }
                cut(range, units: units, into: &frames)
            }
        }
        markGathered(map.marks, in: &frames)
        return frames
    }

    /// Marks the frames that hold a part of a gathered unit. (Metadata may interrupt a unit.)
    private func markGathered(_ marks: [SegmentMap.Mark], in frames: inout [Frame]) {
        var marks = marks.filter { $0.unit != nil }[...]
        var isGathered = false  // whether the unit at the current offset is
        for index in frames.indices {
            let range = frames[index].range
            while let mark = marks.first, mark.offset <= range.lowerBound {
                isGathered = mark.isGathered
                marks.removeFirst()
            }
            frames[index].isGathered = isGathered
            while let mark = marks.first, mark.offset < range.upperBound {
                isGathered = mark.isGathered
                if isGathered { frames[index].isGathered = true }
                marks.removeFirst()
            }
        }
    }

    /// The offsets at which frames must end: marks that begin no unit, and the edges of long ranges of zeros.
    /// Ascending, from 0 to the disk's size.
    private func edges(of map: SegmentMap) -> [UInt64] {
        var edges = map.marks.filter { $0.unit == nil }.map(\.offset)
        var covered: UInt64 = 0
        for index in 0...map.segments.count {
            let next = index < map.segments.count ? map.segments[index].offset : map.size
            let first = covered.roundedUp(to: Self.block)
            let last = next / Self.block * Self.block
            if last > first, last - first >= Self.minimumZeroLength { edges += [first, last] }
            if index < map.segments.count { covered = map.segments[index].end }
        }
        edges.sort()
        var unique: [UInt64] = [0]
        for edge in edges where edge > unique[unique.count - 1] && edge < map.size { unique.append(edge) }
        return unique + [map.size]
    }

    /// Cuts a range of data.
    ///
    /// From half the target on, a frame ends before the next unit whose key allows it, which is one in four. From the
    /// target on, it ends before any unit. If a unit would make a frame longer than twice the target, frames end inside
    /// the unit, at multiples of the target from its beginning.
    private func cut(
        _ range: Range<UInt64>, units: [(offset: UInt64, key: UInt64)], into frames: inout [Frame]
    ) {
        var start = range.lowerBound
        func end(at offset: UInt64) {
            if offset > start { frames.append(Frame(range: start..<offset, isZero: false)) }
            start = max(start, offset)
        }
        var unitStart = range.lowerBound
        for index in 0...units.count {
            let next = index < units.count ? units[index].offset : range.upperBound
            if next - start > 2 * target {
                // The unit before `next` is long. It begins a new frame, unless the data before it is shorter than half
                // the target.
                if unitStart - start >= target / 2 { end(at: unitStart) }
                var offset = max(unitStart, start) + target
                while offset + target / 2 <= next {
                    end(at: offset)
                    offset += target
                }
            }
            unitStart = next
            let length = next - start
            if index == units.count || length >= target || (length >= target / 2 && units[index].key & 3 == 0) {
                end(at: next)
            }
        }
    }
}
