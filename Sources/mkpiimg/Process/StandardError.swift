import Glibc
import Synchronization

/// Standard error: progress, warnings, errors and summaries. Results go to ``StandardOutput``.
///
/// A progress bar is erased before any other text is written.
enum StandardError {
    private static let hasBar = Mutex(false)

    static var isTerminal: Bool { isatty(STDERR_FILENO) == 1 }

    /// Columns of the terminal; 80 if they are unknown.
    static var width: Int {
        var size = winsize()
        return ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0 ? Int(size.ws_col) : 80
    }

    /// Writes a text that ends with a line feed. Erases a progress bar first.
    static func write(_ text: String) {
        hasBar.withLock { hasBar in
            put((hasBar ? "\r\u{1B}[K" : "") + text)
            hasBar = false
        }
    }

    /// Writes a progress bar, which the next text replaces.
    static func writeBar(_ line: String) {
        hasBar.withLock { hasBar in
            put("\r\(line)\u{1B}[K")
            hasBar = true
        }
    }

    /// Keeps a progress bar and ends its line. Does nothing while another thread is writing.
    static func endLine() {
        _ = hasBar.withLockIfAvailable { hasBar in
            if hasBar { put("\n") }
            hasBar = false
        }
    }

    private static func put(_ text: String) {
        var text = text
        text.withUTF8 { bytes in
            var rest = UnsafeRawBufferPointer(bytes)
            while !rest.isEmpty {
                let count = Glibc.write(STDERR_FILENO, rest.baseAddress, rest.count)
                if count <= 0 { return }
                rest = UnsafeRawBufferPointer(rebasing: rest[count...])
            }
        }
    }
}
