import Glibc
import SystemPackage

/// System calls on an open file.
enum OpenFile {
    /// Reads from `offset` on until the buffer is full or the file ends. Continues after interruptions by signals.
    ///
    /// - Parameter path: the path for errors.
    /// - Returns: the number of bytes read.
    static func read(
        _ descriptor: Int32, into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64,
        path: @autoclosure () -> FilePath
    ) throws(ImageError) -> Int {
        var done = 0
        while done < buffer.count {
            let count = pread(
                descriptor, buffer.baseAddress.map { $0 + done }, buffer.count - done, off_t(offset) + off_t(done))
            if count > 0 {
                done += count
            } else if count == 0 {
                break
            } else if errno != EINTR {
                throw .system(.current, "cannot read", path: path(), offset: offset + UInt64(done))
            }
        }
        return done
    }

    /// Free bytes on the file's disk; `nil` if they are not known.
    static func freeBytes(_ descriptor: Int32) -> UInt64? {
        var status = statvfs()
        guard fstatvfs(descriptor, &status) == 0 else { return nil }
        return UInt64(status.f_bavail).multipliedClamping(by: UInt64(status.f_frsize))
    }
}
