/// Bytes that can be read at any offset: a file, a compressed image, a device, or a disk that is only planned.
///
/// Several threads may read at once.
public protocol ByteSource: Sendable {
    /// The length in bytes.
    var size: UInt64 { get }

    /// Fills the whole of `buffer` with the bytes from `offset` on. Bytes past ``size`` are an error.
    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(ImageError)
}

extension ByteSource {
    /// The `count` bytes at `offset`.
    public func read(_ count: Int, at offset: UInt64) throws(ImageError) -> [UInt8] {
        try checkRange(count, at: offset)
        var bytes = [UInt8](repeating: 0, count: count)
        try bytes.withUnsafeMutableBufferPointer { (buffer) throws(ImageError) in
            try read(into: UnsafeMutableRawBufferPointer(buffer), at: offset)
        }
        return bytes
    }

    /// Throws ``ImageError/Code/corrupt`` unless the `count` bytes at `offset` are within the source.
    /// - Parameter path: the path for the error, if the source has one.
    func checkRange(_ count: Int, at offset: UInt64, path: String? = nil) throws(ImageError) {
        guard count >= 0, offset <= size, UInt64(count) <= size - offset else {
            throw ImageError(
                .corrupt, "cannot read \(count) bytes" + (path == nil ? "" : " of"), path: path, offset: offset,
                reason: "there are only \(size) bytes")
        }
    }
}
