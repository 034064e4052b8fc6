/// How well an image is compressed along the disk, frame by frame.
///
/// ```
///   disk   ├ frame 0: 16 MiB ──────┤ frame 1 ────────┤ frame 2 ─────┤
///   file   ├ 5.1 MiB ─┤ 4.2 MiB ─┤ 700 KiB ┤
/// ```
///
/// What a part of a frame takes is not written anywhere: it is estimated, as its share of what the frame holds besides
/// free space (which is zeros, and takes next to nothing).
public struct FrameMap: Sendable {
    /// Where each frame's content ends on the disk, in bytes, ascending. Frames without content are not in it.
    public private(set) var ends: [UInt64] = []
    /// Bytes that each takes in the file.
    public private(set) var compressed: [UInt64] = []
    /// Bytes in the file for each byte that is kept in the frame.
    private var ratios: [Double] = []

    /// The frames of an image; `nil` where it is not compressed, or in a way that cannot be told apart.
    public init?(_ image: ImageSource, _ map: DiskMap) {
        guard let source = image.form.frames else { return nil }
        for frame in 0..<source.frameCount {
            let range = source.range(ofFrame: frame), place = source.fileRange(ofFrame: frame)
            guard !range.isEmpty else { continue }
            ends.append(range.upperBound)
            compressed.append(place.length)
        }
        weigh(map)
    }

    /// Frames of these sizes, in the order of the disk.
    init(frames: [(size: UInt64, compressed: UInt64)], _ map: DiskMap) {
        for frame in frames {
            ends.append((ends.last ?? 0).addingClamping(frame.size))
            compressed.append(frame.compressed)
        }
        weigh(map)
    }

    private mutating func weigh(_ map: DiskMap) {
        var kept = [UInt64](repeating: 0, count: ends.count)
        var frame = 0
        for piece in map.pieces where !piece.kind.isFree {
            while frame < ends.count, ends[frame] <= piece.offset { frame += 1 }
            var index = frame
            while index < ends.count {
                let start = max(piece.offset, index > 0 ? ends[index - 1] : 0)
                guard start < piece.end else { break }
                kept[index] += min(piece.end, ends[index]) - start
                index += 1
            }
        }
        ratios = zip(compressed, kept).map { compressed, kept in kept > 0 ? Double(compressed) / Double(kept) : 0 }
    }

    /// About as many bytes of the file are due to these bytes of the disk, if something is kept there.
    public func estimate(_ bytes: Range<UInt64>) -> Double {
        var frame = ends.partitioningIndex { $0 > bytes.lowerBound }
        var sum = 0.0
        var start = bytes.lowerBound
        while frame < ends.count, start < bytes.upperBound {
            let end = min(ends[frame], bytes.upperBound)
            sum += Double(end - start) * ratios[frame]
            start = end
            frame += 1
        }
        return sum
    }
}
