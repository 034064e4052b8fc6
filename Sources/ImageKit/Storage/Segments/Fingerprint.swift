/// What tells quickly that two files of one size differ: a number that depends on their first block.
enum Fingerprint {
    /// Bytes that it is of, at most.
    static let length = 4096

    /// The fingerprint of a file that begins with these bytes, the first ``length`` of it; never 0.
    static func of(_ start: UnsafeRawBufferPointer) -> UInt64 { max(1, XXH64.hash(start)) }
}
