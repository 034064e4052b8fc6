import Glibc
import ImageKit
import SystemPackage

/// Standard output, which carries the results of a command.
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

    /// The bytes to print for a name from an image. On a terminal, control characters are escaped; elsewhere, the bytes
    /// are unchanged.
    static func shown(_ name: [UInt8]) -> [UInt8] {
        isTerminal ? Array(String(decoding: name, as: UTF8.self).printable.utf8) : name
    }
}

/// Standard output for many short texts, which are collected and written once there are 64 KiB or more.
struct BufferedOutput {
    private var bytes: [UInt8] = []

    /// Appends bytes, and writes all that were collected once they have 64 KiB.
    mutating func write(_ added: [UInt8]) throws(ImageError) {
        bytes += added
        if bytes.count >= 1 << 16 { try flush() }
    }

    /// Writes the bytes that were collected. Call it after the last text.
    mutating func flush() throws(ImageError) {
        try StandardOutput.write(bytes: bytes)
        bytes.removeAll(keepingCapacity: true)
    }
}
