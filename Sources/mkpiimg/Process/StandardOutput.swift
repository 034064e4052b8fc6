import Glibc
import ImageKit
import SystemPackage

/// Standard output, where results go.
enum StandardOutput {
    static let isTerminal = isatty(STDOUT_FILENO) == 1

    /// Writes a text, all of it or with an error.
    static func write(_ text: String) throws(ImageError) { try write(bytes: Array(text.utf8)) }

    /// Writes bytes, all of them or with an error.
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

    /// A name of an image as it may be shown: a terminal gets no control characters, anything else the bytes as they are.
    static func shown(_ name: [UInt8]) -> [UInt8] {
        isTerminal ? Array(String(decoding: name, as: UTF8.self).printable.utf8) : name
    }
}

/// Standard output for many small pieces.
struct BufferedOutput {
    private var bytes: [UInt8] = []

    mutating func write(_ more: [UInt8]) throws(ImageError) {
        bytes += more
        if bytes.count >= 1 << 16 { try flush() }
    }

    mutating func flush() throws(ImageError) {
        try StandardOutput.write(bytes: bytes)
        bytes.removeAll(keepingCapacity: true)
    }
}
