import Glibc
import SystemPackage

/// What is asked of the system about a file that is open.
enum OpenFile {
    /// Reads from `offset` on until the buffer is full or the file ends, however often that is interrupted.
    ///
    /// - Parameter path: how errors call it.
    /// - Returns: how many bytes were read.
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

    /// Bytes that are free for it on its disk; `nil` where nobody knows.
    static func freeBytes(_ descriptor: Int32) -> UInt64? {
        var status = statvfs()
        guard fstatvfs(descriptor, &status) == 0 else { return nil }
        return UInt64(status.f_bavail).multipliedClamping(by: UInt64(status.f_frsize))
    }
}
