import Crypto
public import SystemPackage

extension NAR {
    /// The hash and size of the NAR serialisation of what is at `path`: what a registration says of a store path.
    ///
    /// - Throws: as ``serialise(physical:into:)`` does, and when `progress` is cancelled.
    public static func hash(
        physical path: FilePath, progress: Progress? = nil
    ) throws(ImageError) -> (hash: NARHash, size: UInt64) {
        var hasher = NARHasher()
        try serialise(physical: path) { (piece) throws(ImageError) in
            try progress?.checkCancelled()
            hasher.update(piece)
        }
        return try hasher.finish()
    }
}

/// SHA-256 and length of a NAR that comes in pieces.
struct NARHasher {
    private var hash = SHA256()
    private var size: UInt64 = 0

    /// Takes the next piece.
    mutating func update(_ piece: UnsafeRawBufferPointer) {
        hash.update(bufferPointer: piece)
        size += UInt64(piece.count)
    }

    /// The result for all pieces so far.
    func finish() throws(ImageError) -> (hash: NARHash, size: UInt64) {
        let digest = hash.finalize().withUnsafeBytes { NARHash(bytes: $0) }
        guard let digest else { throw ImageError(.internal, "SHA-256 gave no 32 bytes") }
        return (digest, size)
    }
}
