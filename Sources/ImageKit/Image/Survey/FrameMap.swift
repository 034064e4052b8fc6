/// How well each range of the disk is compressed, frame by frame.
///
/// ```
///   disk   ├ frame 0: 16 MiB ──────┤ frame 1 ────────┤ frame 2 ─────┤
///   file   ├ 5.1 MiB ─┤ 4.2 MiB ─┤ 700 KiB ┤
/// ```
///
/// The file does not record the compressed size of a part of a frame. It is estimated: the part's share of the frame's
/// bytes that are in use. Free space is zeros and takes next to nothing.
package struct FrameMap: Sendable {
    /// The offset on the disk where each frame's content ends, in bytes, ascending; without frames that have no
    /// content.
    package private(set) var ends: [UInt64] = []
    /// Bytes of each frame in the file.
    package private(set) var compressed: [UInt64] = []
    /// For each frame, bytes in the file per byte in use.
    private var ratios: [Double] = []

    /// The frames of an image; `nil` where it is not compressed, or as one stream whose frames are not known.
    init?(_ image: ImageSource, _ map: DiskMap) {
        guard let source = image.form.frames else { return nil }
        for frame in 0..<source.frameCount {
            let range = source.range(ofFrame: frame)
            guard !range.isEmpty else { continue }
            ends.append(range.upperBound)
            compressed.append(source.fileRange(ofFrame: frame).length)
        }
        computeRatios(map)
    }

    /// Frames of these sizes in bytes, in the order of the disk.
    init(frames: [(size: UInt64, compressed: UInt64)], _ map: DiskMap) {
        for frame in frames {
            ends.append((ends.last ?? 0).addingClamping(frame.size))
            compressed.append(frame.compressed)
        }
        computeRatios(map)
    }

    private mutating func computeRatios(_ map: DiskMap) {
        var used = [UInt64](repeating: 0, count: ends.count)
        var frame = 0
        for extent in map.extents where !extent.kind.isFree {
            while frame < ends.count, ends[frame] <= extent.offset { frame += 1 }
            var index = frame
            while index < ends.count {
                let start = max(extent.offset, index > 0 ? ends[index - 1] : 0)
                guard start < extent.end else { break }
                used[index] += min(extent.end, ends[index]) - start
                index += 1
            }
        }
        ratios = zip(compressed, used).map { compressed, used in used > 0 ? Double(compressed) / Double(used) : 0 }
    }

    /// The estimated bytes of the file for a range of the disk that is in use.
    package func estimate(_ bytes: Range<UInt64>) -> Double {
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
