/// A part of the disk that becomes one compressed frame.
struct Frame: Sendable, Hashable {
    /// Bytes on the disk.
    var range: Range<UInt64>
    /// Whether nothing but zeros lies there.
    var isZero: Bool
    /// Whether similar parts of files lie in it that were gathered from many places.
    var isGathered = false

    var length: Int { Int(range.length) }
}

/// Divides a disk into frames.
///
/// File data is cut where the content says so (at the beginnings of units chosen by their keys, and inside long units at
/// distances from their beginning), never at places that depend on where the data happens to lie. After a small change
/// the cuts fall into step again, and most frames of the new image are frames of the old one.
struct FrameCutter {
    /// The length aimed at, in bytes. Frames of data are at most twice as long.
    let target: UInt64

    /// Frames of zeros are longer than others where there would be more than so many of them otherwise.
    private static let mostZeroFrames: UInt64 = 1 << 20
    /// What a stretch of zeros must have to become frames of its own.
    private static let zeroRun: UInt64 = 1 << 20
    private static let block: UInt64 = 4096

    /// All frames of the disk in order, without gaps.
    func frames(of map: SegmentMap) -> [Frame] {
        let edges = edges(of: map)
        let stretches = zip(edges, edges.dropFirst()).map { (range: $0..<$1, isZero: map.isZero($0..<$1)) }
        let zeros = stretches.reduce(0) { $0 + ($1.isZero ? $1.range.length : 0) }
        let zeroTarget = max(target, (zeros / Self.mostZeroFrames).roundedUp(to: Self.block))
        var frames: [Frame] = []
        var marks = map.marks[...]
        for (range, isZero) in stretches {
            marks = marks.drop { $0.offset < range.lowerBound }
            if isZero {
                for place in stride(from: range.lowerBound, to: range.upperBound, by: Int(zeroTarget)) {
                    frames.append(Frame(range: place..<min(place + zeroTarget, range.upperBound), isZero: true))
                }
            } else {
                let units = marks.prefix { $0.offset < range.upperBound }.compactMap { mark in
                    mark.unit.map { (offset: mark.offset, key: $0) }
                }
                cut(range, units: units, into: &frames)
            }
        }
        findGathered(map.marks, in: &frames)
        return frames
    }

    /// Tells which frames hold something of a unit that was gathered. (Metadata may interrupt one.)
    private func findGathered(_ marks: [SegmentMap.Mark], in frames: inout [Frame]) {
        var marks = marks.filter { $0.unit != nil }[...]
        var isGathered = false  // what lies at the place
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

    /// Where frames must end: at hard marks, and where long stretches of zeros begin and end. Ascending, from 0 to the
    /// disk's size.
    private func edges(of map: SegmentMap) -> [UInt64] {
        var edges = map.marks.filter { $0.unit == nil }.map(\.offset)
        var covered: UInt64 = 0
        for index in 0...map.segments.count {
            let next = index < map.segments.count ? map.segments[index].offset : map.size
            let first = covered.roundedUp(to: Self.block)
            let last = next / Self.block * Self.block
            if last > first, last - first >= Self.zeroRun { edges += [first, last] }
            if index < map.segments.count { covered = map.segments[index].end }
        }
        edges.sort()
        var unique: [UInt64] = [0]
        for edge in edges where edge > unique[unique.count - 1] && edge < map.size { unique.append(edge) }
        return unique + [map.size]
    }

    /// Cuts a stretch of data. Between half the target and the target a frame ends where the next unit's key allows it
    /// (one in four does); from the target on, with any unit. Inside a unit that is longer than that, frames end at
    /// multiples of the target from the unit's beginning.
    private func cut(
        _ range: Range<UInt64>, units: [(offset: UInt64, key: UInt64)], into frames: inout [Frame]
    ) {
        var start = range.lowerBound
        func end(at place: UInt64) {
            if place > start { frames.append(Frame(range: start..<place, isZero: false)) }
            start = max(start, place)
        }
        var unitStart = range.lowerBound
        for index in 0...units.count {
            let next = index < units.count ? units[index].offset : range.upperBound
            if next - start > 2 * target {
                // The unit that ends here is long. It begins a frame of its own unless what comes before is short.
                if unitStart - start >= target / 2 { end(at: unitStart) }
                var place = max(unitStart, start) + target
                while place + target / 2 <= next {
                    end(at: place)
                    place += target
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
