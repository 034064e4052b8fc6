import Glibc
import Synchronization

/// Standard error, where everything but results goes. A progress bar's line is taken away before anything else is shown.
enum StandardError {
    private static let hasBar = Mutex(false)

    static var isTerminal: Bool { isatty(STDERR_FILENO) == 1 }

    /// Columns of the terminal.
    static var width: Int {
        var size = winsize()
        return ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0 ? Int(size.ws_col) : 80
    }

    /// Shows a text that ends its own lines.
    static func write(_ text: String) {
        hasBar.withLock { hasBar in
            put((hasBar ? "\r\u{1B}[K" : "") + text)
            hasBar = false
        }
    }

    /// Shows a line that the next text takes the place of.
    static func writeBar(_ line: String) {
        hasBar.withLock { hasBar in
            put("\r\(line)\u{1B}[K")
            hasBar = true
        }
    }

    /// Leaves a progress bar standing where it is, unless something is being written right now.
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
