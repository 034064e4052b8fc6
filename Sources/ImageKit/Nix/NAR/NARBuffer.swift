/// The strings of a NAR, gathered into pieces that are worth handing on.
struct NARBuffer: ~Copyable {
    /// What takes a piece, which is only there for the duration of the call.
    typealias Sink = (UnsafeRawBufferPointer) throws(ImageError) -> Void

    private let memory: UnsafeMutableRawBufferPointer
    private var used = 0

    /// A buffer that gives its sink pieces of at most `size` bytes.
    init(size: Int) {
        memory = .allocate(byteCount: max(64, size), alignment: 64)
    }

    deinit { memory.deallocate() }

    /// Forgets what has not been handed on.
    mutating func clear() { used = 0 }

    /// Hands on what is there.
    mutating func flush(_ sink: Sink) throws(ImageError) {
        if used > 0 { try sink(UnsafeRawBufferPointer(rebasing: memory[..<used])) }
        used = 0
    }

    mutating func string(_ text: StaticString, _ sink: Sink) throws(ImageError) {
        try string(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount), sink)
    }

    mutating func string(_ bytes: some RandomAccessCollection<UInt8>, _ sink: Sink) throws(ImageError) {
        try number(UInt64(bytes.count), sink)
        var rest = bytes[...]
        while !rest.isEmpty {
            if used == memory.count { try flush(sink) }
            let piece = rest.prefix(memory.count - used)
            UnsafeMutableRawBufferPointer(rebasing: memory[used..<used + piece.count]).copyBytes(from: piece)
            used += piece.count
            rest = rest.dropFirst(piece.count)
        }
        try padding(after: UInt64(bytes.count), sink)
    }

    /// A string of `size` bytes that are read straight into the buffer.
    ///
    /// - Parameter read: fills some of the memory it is given, which is not empty, with what is at an offset of the string;
    ///   says how many bytes it filled, at least one.
    mutating func contents(
        _ size: UInt64, _ sink: Sink, read: (UnsafeMutableRawBufferPointer, UInt64) throws(ImageError) -> Int
    ) throws(ImageError) {
        try number(size, sink)
        var done: UInt64 = 0
        while done < size {
            let left = Int(min(size - done, UInt64(memory.count)))
            // A read of a few bytes to fill the buffer up would cost as much as a whole one.
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
