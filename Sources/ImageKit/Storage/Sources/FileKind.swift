/// The kind of a file in a filesystem.
public enum FileKind: Sendable, Hashable {
    /// A directory, a regular file or a symbolic link. A ``FileTree`` holds no other kinds.
    case directory, file, symlink
    /// A device, with its major and minor number.
    case characterDevice(major: UInt32, minor: UInt32), blockDevice(major: UInt32, minor: UInt32)
    /// A named pipe or a socket.
    case fifo, socket
}
