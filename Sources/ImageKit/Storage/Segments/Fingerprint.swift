/// A number that depends on the first block of a file. It quickly tells apart files of the same size.
enum Fingerprint {
    /// The maximum number of bytes that it depends on.
    static let length = 4096

    /// The fingerprint of a file from its first ``length`` bytes, or all bytes of a shorter file; never 0, which stands
    /// for an unknown one.
    static func of(_ start: UnsafeRawBufferPointer) -> UInt64 { max(1, XXH64.hash(start)) }
}
