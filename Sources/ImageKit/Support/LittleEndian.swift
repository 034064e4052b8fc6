// Little-endian fields at named offsets: every on-disk structure here is read and written this way.
//
// The caller chooses the size of a buffer that it writes to, so an offset past its end is a programming error and
// traps. Bytes that are read come from outside, so an offset past their end gives `nil`.

extension Array where Element == UInt8 {
    /// Overwrites the field at `offset` with `value`, little-endian.
    mutating func store<T: FixedWidthInteger>(_ value: T, at offset: Int) {
        for index in 0..<MemoryLayout<T>.size {
            self[offset + index] = UInt8(truncatingIfNeeded: value >> (8 * index))
        }
    }

    /// Appends `value`, little-endian.
    mutating func append<T: FixedWidthInteger>(littleEndian value: T) {
        for index in 0..<MemoryLayout<T>.size {
            append(UInt8(truncatingIfNeeded: value >> (8 * index)))
        }
    }

    /// Overwrites the bytes from `offset` on.
    mutating func store(bytes: some Collection<UInt8>, at offset: Int) {
        replaceSubrange(offset..<offset + bytes.count, with: bytes)
    }
}

extension Collection where Element == UInt8, Index == Int {
    /// The little-endian field at `offset` from the start; `nil` if it is not within the collection.
    func load<T: FixedWidthInteger & UnsignedInteger>(_: T.Type = T.self, at offset: Int) -> T? {
        let size = MemoryLayout<T>.size
        guard offset >= 0, offset <= count, size <= count - offset else { return nil }
        var value: T = 0
        for index in 0..<size {
            value |= T(truncatingIfNeeded: self[startIndex + offset + index]) << (8 * index)
        }
        return value
    }
}
