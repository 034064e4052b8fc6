import Glibc

extension UnsafeRawBufferPointer {
    /// Whether all bytes are zero.
    var isZero: Bool {
        guard let start = baseAddress, count > 0 else { return true }
        // The first byte is zero, and each byte equals the one before it.
        return self[0] == 0 && memcmp(start, start + 1, count - 1) == 0
    }

    /// Whether two buffers hold the same bytes.
    func isEqual(to other: UnsafeRawBufferPointer) -> Bool {
        guard count == other.count else { return false }
        guard let start = baseAddress, let otherStart = other.baseAddress else { return true }
        return memcmp(start, otherStart, count) == 0
    }

    /// The number of bytes up to and including the last one that is not zero, or up to seven more; 0 if all are zero.
    var lengthInUse: Int {
        var end = count
        while end >= 8, loadUnaligned(fromByteOffset: end - 8, as: UInt64.self) == 0 { end -= 8 }
        return end >= 8 || self[..<end].contains { $0 != 0 } ? end : 0
    }
}
