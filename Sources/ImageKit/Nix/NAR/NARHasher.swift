import Crypto
public import SystemPackage

extension NAR {
    /// The hash and size of the NAR serialisation of a file, directory or link, as in a registration.
    ///
    /// - Parameter path: the path on this machine.
    /// - Returns: the SHA-256, and the size in bytes.
    /// - Throws: as ``serialise(physical:into:)`` does, and when `progress` is cancelled.
    public static func hash(
        physical path: FilePath, progress: Progress? = nil
    ) throws(ImageError) -> (hash: NARHash, size: UInt64) {
        var hasher = NARHasher()
        try serialise(physical: path) { (chunk) throws(ImageError) in
            try progress?.checkCancelled()
            hasher.update(chunk)
        }
        return try hasher.finish()
    }
}

/// Computes the SHA-256 and the length of a NAR that comes in chunks.
struct NARHasher {
    private var hash = SHA256()
    private var size: UInt64 = 0

    /// Adds the next chunk.
    mutating func update(_ chunk: UnsafeRawBufferPointer) {
        hash.update(bufferPointer: chunk)
        size += UInt64(chunk.count)
    }

    /// The result for all chunks so far.
    func finish() throws(ImageError) -> (hash: NARHash, size: UInt64) {
        let digest = hash.finalize().withUnsafeBytes { NARHash(bytes: $0) }
        guard let digest else { throw ImageError(.internal, "SHA-256 gave no 32 bytes") }
        return (digest, size)
    }
}
