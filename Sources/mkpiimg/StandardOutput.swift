import ImageKit
import SystemPackage

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Standard output, where results go.
enum StandardOutput {
    /// Writes a text, all of it or with an error.
    static func write(_ text: String) throws(ImageError) {
        let bytes = Array(text.utf8)
        var done = 0
        while done < bytes.count {
            do {
                done += try bytes[done...].withUnsafeBytes { try FileDescriptor.standardOutput.write($0) }
            } catch {
                let code = error as? Errno
                throw ImageError(
                    code == .brokenPipe ? .brokenPipe : .inputOutput, "cannot write to standard output",
                    reason: code?.description)
            }
        }
    }
}
