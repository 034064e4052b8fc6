import Glibc

/// Memory for the target of a link or the first block of a file, which a scan uses again and again.
final class ScanBuffer {
    /// Bytes. The target of a link is shorter.
    static let length = 4096
    private let pages = PageBuffer(count: length, alignment: 64)

    var memory: UnsafeMutableRawBufferPointer { pages.bytes }

    /// Reads the target of a link into the buffer.
    /// - Returns: the length of the target in bytes, or a negative number with `errno` set.
    func readLink(_ directory: Int32, _ name: UnsafePointer<CChar>) -> Int {
        memory.withMemoryRebound(to: CChar.self) { text in
            text.baseAddress.map { readlinkat(directory, name, $0, text.count) } ?? -1
        }
    }
}
