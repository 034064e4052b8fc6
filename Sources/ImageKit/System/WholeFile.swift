import Glibc
import SystemPackage

/// Small files of the host, read whole.
enum WholeFile {
    /// The file's bytes, of which there may be at most `limit`.
    ///
    /// - Throws: ``ImageError/Code/invalidInput`` when there are more, or it is no regular file.
    static func read(_ file: FilePath, atMost limit: Int) throws(ImageError) -> [UInt8] {
        // Not blocking, in case it is a FIFO.
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
            var failure: ImageError?
            let chunk = [UInt8](unsafeUninitializedCapacity: wanted) { buffer, used in
                do throws(ImageError) {
                    used = try OpenFile.read(
                        descriptor, into: UnsafeMutableRawBufferPointer(buffer), at: offset, path: file)
                } catch { failure = error }
            }
            if let failure { throw failure }
            bytes += chunk
            if chunk.count < wanted { return bytes }
        }
        throw ImageError(
            .invalidInput, "cannot read", path: file.string, reason: "it has more than \(limit) bytes")
    }
}
