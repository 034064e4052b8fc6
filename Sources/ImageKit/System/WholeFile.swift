import Glibc
import SystemPackage

/// Reads small files of the host whole.
enum WholeFile {
    /// The bytes of a file, at most `limit`.
    ///
    /// - Throws: ``ImageError/Code/invalidInput`` if the file is longer, or is not a regular file.
    static func read(_ file: FilePath, atMost limit: Int) throws(ImageError) -> [UInt8] {
        // Opening a FIFO must not wait for a writer.
        let descriptor = file.withPlatformString { open($0, O_RDONLY | O_CLOEXEC | O_NONBLOCK) }
        guard descriptor >= 0 else { throw .system(.current, "cannot open", path: file) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw .system(.current, "cannot read", path: file) }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw ImageError(.invalidInput, "cannot read", path: file.string, reason: "it is not a regular file")
        }
        var bytes: [UInt8] = []
        while bytes.count <= limit {
            let offset = UInt64(bytes.count)
            let wanted = min(1 << 16, limit + 1 - bytes.count)
            let chunk = try [UInt8](unsafeUninitializedCapacity: wanted) { (buffer, used) throws(ImageError) in
                used = try OpenFile.read(
                    descriptor, into: UnsafeMutableRawBufferPointer(buffer), at: offset, path: file)
            }
            bytes += chunk
            if chunk.count < wanted { return bytes }
        }
        throw ImageError(
            .invalidInput, "cannot read", path: file.string, reason: "it has more than \(limit) bytes")
    }
}
