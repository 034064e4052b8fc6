/// A disk or a part of one, as a list of segments that do not overlap. Bytes that no segment covers are zero.
///
/// ```
///   offset   0        512                     8 MiB            38 MiB
///            ├ memory ┤ ······ zero ········· ├ memory ┤ file ┤ ├ memory ┤ file ┤ file ┤ ···· │ size
///                                             ▲ mark of a unit  ▲ mark without a unit
/// ```
///
/// Every producer (partition table, FAT, ext4) makes a map, and every consumer (raw file, zstd frames, device) reads
/// one. A map can be read at any offset, so it is a ``ByteSource`` itself. Segments are added in any order. ``seal()``
/// sorts them and refuses overlaps.
public struct SegmentMap: Sendable {
    /// The origin of a segment's bytes: an index into ``chunks``, ``tables`` or ``sources``, and the byte offset in the
    /// origin.
    enum Content: Sendable {
        case memory(chunk: Int32, offset: Int)
        case file(table: Int32, file: HostFiles.FileID, offset: UInt64)
        case source(index: Int32, offset: UInt64)
    }

    /// A range of the disk whose bytes have one origin. Offsets and lengths are in bytes.
    struct Segment: Sendable {
        var offset: UInt64
        var length: UInt64
        var content: Content
        var end: UInt64 { offset + length }
    }

    /// An offset at which a compressed frame may or must end.
    public struct Mark: Sendable, Hashable {
        /// Byte offset on the disk.
        public var offset: UInt64
        /// `nil` if the bytes before and after are of different kinds (file data, metadata) and never share a frame.
        /// Otherwise a layout unit (a store path) begins here, and this number depends only on the package's name. It
        /// selects the offsets at which frames end, so that frames end at the same units in the next image.
        public var unit: UInt64?
        /// Whether the data that begins here is gathered: it consists of clusters, whose similar parts of many files
        /// repeat each other over long distances.
        public var isGathered: Bool
    }

    /// Size in bytes.
    public private(set) var size: UInt64
    private(set) var segments: [Segment] = []
    private(set) var marks: [Mark] = []
    private(set) var chunks: [[UInt8]] = [[]]
    private(set) var tables: [HostFiles] = []
    private(set) var sources: [any ByteSource] = []
    private var isSealed = true

    /// An empty disk of `size` bytes, all zero.
    public init(size: UInt64) {
        self.size = size
    }

    /// Adds a copy of bytes in memory.
    public mutating func add(_ bytes: some Collection<UInt8>, at offset: UInt64) {
        guard !bytes.isEmpty else { return }
        let start = chunks[0].count
        chunks[0].append(contentsOf: bytes)
        append(Segment(offset: offset, length: UInt64(bytes.count), content: .memory(chunk: 0, offset: start)))
    }

    /// Adds the first `count` bytes of an array without copying it. Meant for many or long arrays.
    mutating func add(sharing block: [UInt8], count: Int, at offset: UInt64) {
        guard count > 0 else { return }
        add(chunk: addChunks([block]), 0..<count, at: offset)
    }

    /// Registers arrays of bytes in memory (chunks) without copying them, for ``add(chunk:_:at:)``.
    ///
    /// - Returns: the index of the first chunk. The other chunks have the next indices.
    mutating func addChunks(_ added: [[UInt8]]) -> Int {
        defer { chunks += added }
        return chunks.count
    }

    /// Adds a range of the bytes of a registered chunk.
    mutating func add(chunk: Int, _ bytes: Range<Int>, at offset: UInt64) {
        guard !bytes.isEmpty else { return }
        append(
            Segment(
                offset: offset, length: UInt64(bytes.count),
                content: .memory(chunk: Int32(chunk), offset: bytes.lowerBound)))
    }

    /// Registers a table of host files, for ``add(file:of:start:length:at:)``.
    ///
    /// - Returns: the index of the table.
    public mutating func addTable(_ files: HostFiles) -> Int {
        tables.append(files)
        return tables.count - 1
    }

    /// Adds `length` bytes of a host file, from its byte `start` on.
    public mutating func add(
        file: HostFiles.FileID, of table: Int, start: UInt64, length: UInt64, at offset: UInt64
    ) {
        guard length > 0 else { return }
        append(
            Segment(
                offset: offset, length: length, content: .file(table: Int32(table), file: file, offset: start)))
    }

    /// Adds `length` bytes of another source, from its byte `start` on.
    public mutating func add(_ source: any ByteSource, start: UInt64, length: UInt64, at offset: UInt64) {
        guard length > 0 else { return }
        sources.append(source)
        append(
            Segment(
                offset: offset, length: length, content: .source(index: Int32(sources.count - 1), offset: start)))
    }

    /// Adds the segments and marks of another map, moved by `offset` bytes, such as those of a partition to its disk.
    public mutating func add(_ map: SegmentMap, at offset: UInt64) {
        let chunkBase = Int32(chunks.count), tableBase = Int32(tables.count), sourceBase = Int32(sources.count)
        chunks += map.chunks
        tables += map.tables
        sources += map.sources
        segments.reserveCapacity(segments.count + map.segments.count)
        for var segment in map.segments {
            segment.offset += offset
            switch segment.content {
            case .memory(let chunk, let start): segment.content = .memory(chunk: chunk + chunkBase, offset: start)
            case .file(let table, let file, let start):
                segment.content = .file(table: table + tableBase, file: file, offset: start)
            case .source(let index, let start): segment.content = .source(index: index + sourceBase, offset: start)
            }
            append(segment)
        }
        for mark in map.marks { addMark(at: mark.offset + offset, unit: mark.unit, isGathered: mark.isGathered) }
    }

    /// Marks an offset at which a frame may end, because the layout unit `unit` begins there, or must end (`nil`).
    public mutating func addMark(at offset: UInt64, unit: UInt64? = nil, isGathered: Bool = false) {
        marks.append(Mark(offset: offset, unit: unit, isGathered: isGathered))
        isSealed = false
    }

    private mutating func append(_ segment: Segment) {
        segments.append(segment)
        isSealed = false
    }

    /// Sorts the segments and the marks. Needed before reading.
    ///
    /// - Throws: ``ImageError/Code/internal`` if segments overlap or extend past ``size``.
    public mutating func seal() throws(ImageError) {
        if isSealed { return }
        segments.sort { $0.offset < $1.offset }
        marks.sort { ($0.offset, $0.unit == nil ? 0 : 1) < ($1.offset, $1.unit == nil ? 0 : 1) }
        var end: UInt64 = 0
        for segment in segments {
            guard segment.offset >= end else {
                throw ImageError(
                    .internal, "two parts of the image overlap", offset: segment.offset,
                    reason: "the part before ends at byte \(end)")
            }
            end = segment.end
        }
        guard end <= size else {
            throw ImageError(
                .internal, "a part of the image lies past its end", offset: end, reason: "the image has \(size) bytes")
        }
        isSealed = true
    }

    /// The index of the first segment that ends after `offset`; the number of segments if none does.
    func firstSegment(endingAfter offset: UInt64) -> Int {
        segments.partitioningIndex { $0.end > offset }
    }

    /// Whether no segment touches `range`.
    func isZero(_ range: Range<UInt64>) -> Bool {
        let index = firstSegment(endingAfter: range.lowerBound)
        return index == segments.count || segments[index].offset >= range.upperBound
    }

    /// The number of bytes in all segments.
    public var mappedBytes: UInt64 { segments.reduce(0) { $0 + $1.length } }
}

extension SegmentMap: ByteSource {
    /// Reads the planned disk. The map must have been sealed since the last addition.
    public func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(ImageError) {
        precondition(isSealed, "the map must be sealed before it is read")
        try checkRange(buffer.count, at: offset)
        let end = offset + UInt64(buffer.count)
        var position = offset
        var index = firstSegment(endingAfter: offset)
        while index < segments.count, segments[index].offset < end {
            let segment = segments[index]
            let start = max(segment.offset, offset)
            let stop = min(segment.end, end)
            UnsafeMutableRawBufferPointer(rebasing: buffer[Int(position - offset)..<Int(start - offset)])
                .initializeMemory(as: UInt8.self, repeating: 0)
            try read(
                segment.content, skipping: start - segment.offset,
                into: UnsafeMutableRawBufferPointer(rebasing: buffer[Int(start - offset)..<Int(stop - offset)]))
            position = stop
            index += 1
        }
        UnsafeMutableRawBufferPointer(rebasing: buffer[Int(position - offset)...])
            .initializeMemory(as: UInt8.self, repeating: 0)
    }

    private func read(
        _ content: Content, skipping: UInt64, into buffer: UnsafeMutableRawBufferPointer
    ) throws(ImageError) {
        switch content {
        case .memory(let chunk, let offset):
            chunks[Int(chunk)].withUnsafeBytes { bytes in
                let start = offset + Int(skipping)
                buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[start..<start + buffer.count]))
            }
        case .file(let table, let file, let start):
            // The file must still be the planned one after the read. Before a large read, it is checked as well: this
            // saves a read in vain, and the same check finds out whether there are holes to skip.
            let isLarge = buffer.count >= HostFile.minimumHole
            let open = try HostFile(file, of: tables[Int(table)], isChecked: isLarge)
            try open.read(into: buffer, at: start + skipping)
            try open.checkUnchanged()
        case .source(let index, let start):
            try sources[Int(index)].read(into: buffer, at: start + skipping)
        }
    }
}
