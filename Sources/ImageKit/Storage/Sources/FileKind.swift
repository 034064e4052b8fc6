/// The kinds of files that filesystems know.
public enum FileKind: Sendable, Hashable {
    /// A directory, a regular file, a symbolic link: all that a ``FileTree`` can hold.
    case directory, file, symlink
    /// A device, with its major and minor number.
    case characterDevice(major: UInt32, minor: UInt32), blockDevice(major: UInt32, minor: UInt32)
    /// A named pipe, or a socket.
    case fifo, socket
}
