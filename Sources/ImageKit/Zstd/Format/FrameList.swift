/// The frames of a compressed file: the offset of each in the file, and the bytes of the image that it holds.
struct FrameList: Sendable, Equatable {
    /// The offset of each frame in the file, followed by the end of the last one: one element more than frames.
    private(set) var fileOffsets: [UInt64] = [0]
    /// The offset of each frame's content in the image, followed by the size of the image.
    private(set) var imageOffsets: [UInt64] = [0]
    /// The plain bytes of the largest frame.
    private(set) var largest: UInt64 = 0
    /// The lower half of the XXH64 of each frame's content; empty unless a seek table has all of them.
    private(set) var checksums: [UInt32] = []

    /// The number of frames that a list may have, so that it takes at most 80 MiB.
    static let maximumCount = 1 << 22

    /// An empty list.
    init() {}

    /// The frames of a seek table.
    init(_ table: SeekTable) {
        fileOffsets.reserveCapacity(table.entries.count + 1)
        imageOffsets.reserveCapacity(table.entries.count + 1)
        for entry in table.entries { append(compressed: UInt64(entry.compressedSize), plain: UInt64(entry.size)) }
        let checksums = table.entries.compactMap(\.checksum)
        if checksums.count == table.entries.count { self.checksums = checksums }
    }

    /// The number of frames.
    var count: Int { imageOffsets.count - 1 }
    /// The size of the image in bytes.
    var size: UInt64 { imageOffsets[count] }

    /// The bytes of the file that a frame takes.
    func fileRange(ofFrame frame: Int) -> Range<UInt64> { fileOffsets[frame]..<fileOffsets[frame + 1] }

    /// The bytes of the image that a frame holds.
    func imageRange(ofFrame frame: Int) -> Range<UInt64> { imageOffsets[frame]..<imageOffsets[frame + 1] }

    /// Adds the next frame, by its sizes in bytes. (At most 2^22 frames, each below 2^33 bytes, stay far below 2^63.)
    mutating func append(compressed: UInt64, plain: UInt64) {
        fileOffsets.append(fileOffsets[count] + compressed)
        imageOffsets.append(imageOffsets[count] + plain)
        largest = max(largest, plain)
    }

    /// The frame that holds the byte of the image at `offset`, which must be below ``size``. It is never an empty
    /// frame.
    func frame(holding offset: UInt64) -> Int {
        // The first offset is 0, so the index is at least 1.
        imageOffsets.partitioningIndex { $0 > offset } - 1
    }
}
