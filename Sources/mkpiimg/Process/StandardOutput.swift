import Glibc
import ImageKit
import SystemPackage

/// Standard output: the results.
enum StandardOutput {
    static let isTerminal = isatty(STDOUT_FILENO) == 1

    /// Writes a whole text.
    static func write(_ text: String) throws(ImageError) { try write(bytes: Array(text.utf8)) }

    /// Writes all bytes.
    static func write(bytes: [UInt8]) throws(ImageError) {
        var done = 0
        while done < bytes.count {
            do {
                done += try bytes[done...].withUnsafeBytes { try FileDescriptor.standardOutput.write($0) }
            } catch {
                let code = error as? Errno
                throw ImageError(
                    code == .brokenPipe ? .brokenPipe : .inputOutput, "cannot write to standard output",
                    reason: code?.description,
                    remedy: code == .noSpace ? "free some space where it goes" : nil)
            }
        }
    }

    /// A name from an image as it is printed. On a terminal, control characters are escaped; elsewhere, the bytes are
    /// unchanged.
    static func shown(_ name: [UInt8]) -> [UInt8] {
        isTerminal ? Array(String(decoding: name, as: UTF8.self).printable.utf8) : name
    }
}

/// Standard output for many short texts, which are written in blocks of 64 KiB.
struct BufferedOutput {
    private var bytes: [UInt8] = []

    /// Appends bytes, and writes them once there are enough.
    mutating func write(_ added: [UInt8]) throws(ImageError) {
        bytes += added
        if bytes.count >= 1 << 16 { try flush() }
    }

    /// Writes the rest.
    mutating func flush() throws(ImageError) {
        try StandardOutput.write(bytes: bytes)
        bytes.removeAll(keepingCapacity: true)
    }
}
