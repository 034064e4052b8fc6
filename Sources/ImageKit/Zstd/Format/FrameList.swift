/// Where frames lie in a compressed file, and what part of the image each holds.
struct FrameList: Sendable, Equatable {
    /// One longer than there are frames: where each begins in the file, and where the last one ends.
    private(set) var places: [UInt64] = [0]
    /// The same in the image.
    private(set) var starts: [UInt64] = [0]
    /// The plain bytes of the largest frame.
    private(set) var largest: UInt64 = 0
    /// The lower half of the XXH64 of each frame's content, where a table has them; otherwise empty.
    private(set) var checksums: [UInt32] = []

    /// The most frames that are listed: what a list takes is bounded by 64 MiB.
    static let maximum = 1 << 22

    init() {}

    init(_ table: SeekTable) {
        places.reserveCapacity(table.entries.count + 1)
        starts.reserveCapacity(table.entries.count + 1)
        for entry in table.entries { append(compressed: UInt64(entry.compressedSize), plain: UInt64(entry.size)) }
        let checksums = table.entries.compactMap(\.checksum)
        if checksums.count == table.entries.count { self.checksums = checksums }
    }

    var count: Int { starts.count - 1 }
    /// Bytes of the image.
    var size: UInt64 { starts[count] }

    /// Adds the next frame. (The sizes' sums stay far below 2^63: there are at most 2^22 frames, each below 2^33.)
    mutating func append(compressed: UInt64, plain: UInt64) {
        places.append(places[count] + compressed)
        starts.append(starts[count] + plain)
        largest = max(largest, plain)
    }

    /// The frame that holds the byte at `offset`, which must be below ``size``. Frames without content hold none.
    func frame(holding offset: UInt64) -> Int {
        // The first of them is 0, so there is always one before.
        starts.partitioningIndex { $0 > offset } - 1
    }
}

extension FrameList {
    /// What stops the search for frames.
    enum Fault {
        /// The file ends inside a frame.
        case cut
        /// Something else than a frame.
        case foreign
        /// A block of no kind that there is.
        case block
    }

    /// Finds the frames of a file without a table, by their heads and those of their blocks.
    ///
    /// - Returns: `nil` where the file can only be read from its beginning to its end: a frame does not say its size, or
    ///   is larger than `largest` or stranger than compressors make them, or there are too many.
    /// - Parameter onDamage: hears of the first fault; unless it throws, as it does by default, the frames before that
    ///   are given.
    /// - Throws: ``ImageError/Code/corrupt`` where the file ends inside a frame, or holds something else.
    static func read(
        headersOf file: any ByteSource, path: String, largest: UInt64, progress: Progress? = nil,
        onDamage: (Fault, ImageError) throws(ImageError) -> Void = { (_, error) throws(ImageError) in throw error }
    ) throws(ImageError) -> FrameList? {
        var list = FrameList()
        var reader = HeadReader(file: file)
        var place: UInt64 = 0
        func refuse(_ fault: Fault, at offset: UInt64) throws(ImageError) -> FrameList {
            let reason =
                switch fault {
                case .cut: "the file ends inside a frame"
                case .foreign: "there is no zstd frame"
                case .block: "there is a block of unknown kind"
                }
            try onDamage(
                fault,
                ImageError(
                    .corrupt, "cannot decompress", path: path, offset: offset, reason: reason,
                    remedy: ZstdDecompressor.remedy))
            return list
        }
        while place < file.size {
            try progress?.checkCancelled()
            guard list.count < maximum else { return nil }
            let head = try reader.read(ZstdFrameHeader.maximum, at: place)
            let start = place
            switch ZstdFrameHeader(head) {
            case nil where ZstdFrameHeader.isZstd(head) && file.size - place < UInt64(ZstdFrameHeader.maximum):
                return try refuse(.cut, at: place)
            case nil: return try refuse(.foreign, at: place)
            case .skippable(let length):
                guard length <= file.size - place else { return try refuse(.cut, at: place) }
                place += length
                list.append(compressed: length, plain: 0)
            case .frame(let length, let contentSize, let hasChecksum):
                guard let contentSize, contentSize <= largest else { return nil }
                let longest = SeekableSource.longestFrame(of: contentSize)
                place += UInt64(length)
                var isLast = false
                while !isLast {
                    guard place - start <= longest else { return nil }
                    let head = try reader.read(3, at: place)
                    guard head.count == 3 else { return try refuse(.cut, at: start) }
                    let block = UInt32(head[0]) | UInt32(head[1]) << 8 | UInt32(head[2]) << 16
                    isLast = block & 1 != 0
                    guard block >> 1 & 3 != 3 else { return try refuse(.block, at: place) }
                    place += 3 + (block >> 1 & 3 == 1 ? 1 : UInt64(block >> 3))
                }
                if hasChecksum { place += 4 }
                guard place <= file.size else { return try refuse(.cut, at: start) }
                list.append(compressed: place - start, plain: contentSize)
            }
        }
        return list
    }

    /// Reads heads without reading what lies between them.
    private struct HeadReader {
        let file: any ByteSource
        private var start: UInt64 = 0
        private var bytes: [UInt8] = []

        init(file: any ByteSource) { self.file = file }

        /// The bytes at a place, or as many as there are.
        mutating func read(_ count: Int, at place: UInt64) throws(ImageError) -> ArraySlice<UInt8> {
            guard place < file.size else { return [] }
            let wanted = min(UInt64(count), file.size - place)
            if place < start || place + wanted > start + UInt64(bytes.count) {
                bytes = try file.read(Int(min(512, file.size - place)), at: place)
                start = place
            }
            let first = Int(place - start)
            // Indices from 0.
            return Array(bytes[first..<first + Int(wanted)])[...]
        }
    }
}
