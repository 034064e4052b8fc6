/// Collects the strings of a NAR into large chunks.
struct NARBuffer: ~Copyable {
    /// Called for each chunk, which is only valid during the call.
    typealias Sink = (UnsafeRawBufferPointer) throws(ImageError) -> Void

    private let pages: PageBuffer
    private var memory: UnsafeMutableRawBufferPointer { pages.bytes }
    private var used = 0

    /// - Parameter size: the largest chunk, in bytes; at least 64.
    init(size: Int) {
        pages = PageBuffer(count: max(64, size), alignment: 64)
    }

    /// Discards bytes that were not passed to a sink.
    mutating func clear() { used = 0 }

    /// Passes the bytes so far to the sink.
    mutating func flush(_ sink: Sink) throws(ImageError) {
        if used > 0 { try sink(UnsafeRawBufferPointer(rebasing: memory[..<used])) }
        used = 0
    }

    /// Adds a string: its length, its bytes, and the padding.
    mutating func string(_ text: StaticString, _ sink: Sink) throws(ImageError) {
        try string(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount), sink)
    }

    /// Adds a string: its length, its bytes, and the padding.
    mutating func string(_ bytes: some RandomAccessCollection<UInt8>, _ sink: Sink) throws(ImageError) {
        try number(UInt64(bytes.count), sink)
        var rest = bytes[...]
        while !rest.isEmpty {
            if used == memory.count { try flush(sink) }
            let chunk = rest.prefix(memory.count - used)
            UnsafeMutableRawBufferPointer(rebasing: memory[used..<used + chunk.count]).copyBytes(from: chunk)
            used += chunk.count
            rest = rest.dropFirst(chunk.count)
        }
        try padding(after: UInt64(bytes.count), sink)
    }

    /// Adds a string of `size` bytes that are read directly into the buffer.
    ///
    /// - Parameter read: fills the beginning of the memory, which is not empty, with the bytes at an offset of the
    ///   string; returns the number of bytes, at least one.
    mutating func contents(
        _ size: UInt64, _ sink: Sink, read: (UnsafeMutableRawBufferPointer, UInt64) throws(ImageError) -> Int
    ) throws(ImageError) {
        try number(size, sink)
        var done: UInt64 = 0
        while done < size {
            let left = Int(min(size - done, UInt64(memory.count)))
            // To fill the last few bytes of the buffer, a read would cost as much as for the whole buffer.
            if memory.count - used < min(left, memory.count / 2) { try flush(sink) }
            let room = min(left, memory.count - used)
            let count = try read(UnsafeMutableRawBufferPointer(rebasing: memory[used..<used + room]), done)
            used += count
            done += UInt64(count)
        }
        try padding(after: size, sink)
    }

    private mutating func number(_ value: UInt64, _ sink: Sink) throws(ImageError) {
        if memory.count - used < 8 { try flush(sink) }
        memory.storeBytes(of: value.littleEndian, toByteOffset: used, as: UInt64.self)
        used += 8
    }

    private mutating func padding(after length: UInt64, _ sink: Sink) throws(ImageError) {
        let count = Int((8 - length % 8) % 8)
        if memory.count - used < count { try flush(sink) }
        for _ in 0..<count {
            memory[used] = 0
            used += 1
        }
    }
}
