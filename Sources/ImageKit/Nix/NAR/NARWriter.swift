import Glibc
public import SystemPackage

/// The NAR archive format, `nix-archive-1`: the serialisation of a store path that Nix hashes.
///
/// It consists of strings: the length in 8 bytes, little-endian, the bytes, and zeros up to a multiple of 8.
/// ```
///   archive   = "nix-archive-1" node
///   node      = "(" "type" ( regular | symlink | directory ) ")"
///   regular   = "regular" [ "executable" "" ] "contents" <bytes>
///   symlink   = "symlink" "target" <bytes>
///   directory = "directory" { "entry" "(" "name" <bytes> "node" node ")" }     sorted by the bytes of the names
/// ```
/// Its only metadata is whether the owner may execute a file. Sources: E. Dolstra, "The Purely Functional Software
/// Deployment Model" (2006); the Nix manual, "Nix Archive (NAR) format".
public enum NAR {
    /// Serialises a file, directory or link.
    ///
    /// - Parameters:
    ///   - path: the path on this machine.
    ///   - sink: called for each chunk, in order. A chunk is only valid during the call.
    /// - Throws: the errors of `sink`; when something cannot be read, changes while it is read, or is neither file,
    ///   directory nor symbolic link.
    public static func serialise(
        physical path: FilePath, into sink: (UnsafeRawBufferPointer) throws(ImageError) -> Void
    ) throws(ImageError) {
        var writer = NARWriter()
        try writer.write(path, to: sink)
    }
}

/// Serialises paths of the host, one after the other, through one buffer.
///
/// The walk is not recursive and has one directory open at a time: it returns to a parent by `..`, and checks that this
/// is the parent. So the stack, descriptors and `PATH_MAX` limit neither the depth nor the length of paths.
struct NARWriter: ~Copyable {
    /// Bytes of the buffer. Files are read directly into it, and it stays in a core's cache until it has been hashed.
    static let defaultBufferSize = 256 << 10

    private typealias Sink = NARBuffer.Sink

    /// A directory on the way from the top to the current one.
    private struct Level {
        let names: DirectoryNames
        let device: dev_t
        let inode: ino_t
        /// The length of the directory's path.
        let pathLength: Int
        var next = 0
    }

    private var buffer: NARBuffer
    /// The current path, for messages.
    private var path: [UInt8] = []
    private var levels: [Level] = []
    /// The descriptor of the current directory, or -1.
    private var directory: Int32 = -1

    /// - Parameter bufferSize: the largest chunk that the sink gets, in bytes.
    init(bufferSize: Int = NARWriter.defaultBufferSize) {
        buffer = NARBuffer(size: bufferSize)
    }

    deinit {
        if directory >= 0 { close(directory) }
    }

    /// Serialises a file, directory or link.
    mutating func write(
        _ top: FilePath, to sink: (UnsafeRawBufferPointer) throws(ImageError) -> Void
    ) throws(ImageError) {
        buffer.clear()
        path = top.bytes
        levels = []
        defer { setDirectory(-1) }
        try buffer.beginArchive(sink)
        let name = path.map { CChar(bitPattern: $0) } + [0]
        if try !writeUnlessDirectory(name, in: AT_FDCWD, sink) { return try buffer.flush(sink) }
        try enter(AT_FDCWD, name, sink)
        while let level = levels.last {
            path.removeSubrange(level.pathLength...)
            if level.next < level.names.count {
                levels[levels.count - 1].next += 1
                let name = level.names[level.next]
                path.append(UInt8(ascii: "/"))
                path.append(contentsOf: name)
                try buffer.beginEntry(name, sink)
                let terminated = name.map { CChar(bitPattern: $0) } + [0]
                if try writeUnlessDirectory(terminated, in: directory, sink) {
                    try enter(directory, terminated, sink)
                } else {
                    try buffer.endEntry(sink)
                }
            } else {
                levels.removeLast()
                try buffer.endNode(sink)
                if let parent = levels.last {
                    try leave(to: parent)
                    try buffer.endEntry(sink)
                }
            }
        }
        try buffer.flush(sink)
    }

    // MARK: The walk

    /// Closes the current directory and replaces it.
    private mutating func setDirectory(_ descriptor: Int32) {
        if directory >= 0 { close(directory) }
        directory = descriptor
    }

    /// Opens a directory, lists it, and writes its beginning.
    private mutating func enter(
        _ parent: Int32, _ name: [CChar], _ sink: Sink
    ) throws(ImageError) {
        let descriptor = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure("cannot open") }
        setDirectory(descriptor)
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw failure("cannot read") }
        switch DirectoryNames.read(descriptor) {
        case .failure(let code): throw failure("cannot list", code)
        case .success(let names):
            levels.append(
                Level(names: names, device: status.st_dev, inode: status.st_ino, pathLength: path.count))
        }
        try buffer.beginDirectory(sink)
    }

    /// Returns to the parent directory.
    private mutating func leave(to parent: Level) throws(ImageError) {
        let descriptor = openat(directory, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure("cannot open the folder above") }
        setDirectory(descriptor)
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw failure("cannot read") }
        guard status.st_dev == parent.device, status.st_ino == parent.inode else {
            throw changed("it was moved while it was read")
        }
    }

    /// Writes a file or a link; writes nothing of a directory.
    /// - Returns: whether the name is that of a directory.
    private mutating func writeUnlessDirectory(
        _ name: [CChar], in directory: Int32, _ sink: Sink
    ) throws(ImageError) -> Bool {
        var status = stat()
        guard fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else { throw failure("cannot read") }
        switch status.st_mode & S_IFMT {
        case S_IFDIR: return true
        case S_IFREG:
            // Opening must not block if the file was replaced by a FIFO in the meantime.
            let descriptor = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
            guard descriptor >= 0 else { throw failure("cannot open") }
            defer { close(descriptor) }
            try writeFile(descriptor, status, sink)
        case S_IFLNK:
            try writeLink(name, in: directory, sink)
        default:
            throw ImageError(
                .invalidInput, "a store cannot hold", path: shownPath,
                reason: "it is neither file, folder nor symbolic link but \(Self.kind(status.st_mode))",
                remedy: "delete that store path and build it again")
        }
        return false
    }

    private mutating func writeLink(_ name: [CChar], in directory: Int32, _ sink: Sink) throws(ImageError) {
        let target = [UInt8](unsafeUninitializedCapacity: Int(PATH_MAX)) { bytes, count in
            count = bytes.withMemoryRebound(to: CChar.self) { text in
                text.baseAddress.map { readlinkat(directory, name, $0, text.count) } ?? -1
            }
            count = max(0, count)
        }
        // The target of a symbolic link is never empty.
        guard !target.isEmpty else { throw failure("cannot read") }
        try buffer.symlink(to: target, sink)
    }

    private mutating func writeFile(
        _ descriptor: Int32, _ planned: stat, _ sink: Sink
    ) throws(ImageError) {
        try buffer.beginFile(isExecutable: planned.st_mode & S_IXUSR != 0, sink)
        let size = UInt64(planned.st_size)
        let path = path
        try buffer.contents(size, sink) { (memory, offset) throws(ImageError) in
            while true {
                let count = read(descriptor, memory.baseAddress, memory.count)
                if count > 0 { return count }
                if count == 0 { throw Self.changed(path, "it became shorter while it was read") }
                if errno != EINTR { throw Self.failure(path, "cannot read", .current, offset: offset) }
            }
        }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw failure("cannot read") }
        guard HostFiles.Identity(status) == HostFiles.Identity(planned) else {
            throw changed("it was replaced or written to while it was read")
        }
        try buffer.endNode(sink)
    }

    /// The name of a kind of file that a store cannot have.
    private static func kind(_ mode: mode_t) -> String {
        switch mode & S_IFMT {
        case S_IFIFO: "a FIFO"
        case S_IFSOCK: "a socket"
        case S_IFCHR, S_IFBLK: "a device"
        default: "something else"
        }
    }

    // MARK: Errors

    private var shownPath: String { Self.shown(path) }

    private static func shown(_ path: [UInt8]) -> String { String(decoding: path, as: UTF8.self) }

    private func failure(_ message: String, _ code: Errno = .current) -> ImageError {
        Self.failure(path, message, code)
    }

    private static func failure(
        _ path: [UInt8], _ message: String, _ code: Errno, offset: UInt64? = nil
    ) -> ImageError {
        .system(code, message, path: FilePath(shown(path)), offset: offset)
    }

    private func changed(_ reason: String) -> ImageError { Self.changed(path, reason) }

    private static func changed(_ path: [UInt8], _ reason: String) -> ImageError {
        ImageError(
            .changed, "the store path changed", path: shown(path), reason: reason,
            remedy: "try again when nothing writes to it")
    }
}
