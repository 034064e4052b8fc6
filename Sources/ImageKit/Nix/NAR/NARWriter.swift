import Glibc
public import SystemPackage

/// The NAR archive format, `nix-archive-1`: what Nix hashes of a store path.
///
/// Everything is a string: its length in 8 bytes, little-endian, its bytes, and zeros up to a multiple of 8.
/// ```
///   archive   = "nix-archive-1" node
///   node      = "(" "type" ( regular | symlink | directory ) ")"
///   regular   = "regular" [ "executable" "" ] "contents" <bytes>
///   symlink   = "symlink" "target" <bytes>
///   directory = "directory" { "entry" "(" "name" <bytes> "node" node ")" }     sorted by the bytes of the names
/// ```
/// Of the metadata it has only whether the owner may execute a file.
public enum NAR {
    /// Gives `sink` the serialisation of what is at `path` (a file, directory or link), piece by piece and in order. A
    /// piece is only there for the duration of the call.
    ///
    /// - Throws: what `sink` throws; when something cannot be read, changes while it is read, or is neither file,
    ///   directory nor symbolic link.
    public static func serialise(
        physical path: FilePath, into sink: (UnsafeRawBufferPointer) throws(ImageError) -> Void
    ) throws(ImageError) {
        var writer = NARWriter()
        try writer.write(path, to: sink)
    }
}

/// Serialises one path after the other, through one buffer.
///
/// The walk is not recursive and holds one directory open at a time (it goes back up by `..`, and checks where it came
/// out), so neither depth nor the length of paths is limited by the stack, by descriptors or by `PATH_MAX`.
struct NARWriter: ~Copyable {
    /// Files are read straight into the buffer; it is small enough to stay in a core's cache until it has been hashed.
    static let defaultBufferSize = 256 << 10

    private typealias Sink = NARBuffer.Sink

    /// A directory that the walk is in.
    private struct Level {
        let names: DirectoryNames
        let device: dev_t
        let inode: ino_t
        /// The length of the directory's path.
        let pathLength: Int
        var next = 0
    }

    private var buffer: NARBuffer
    /// The path that the walk is at, for messages.
    private var path: [UInt8] = []
    private var levels: [Level] = []
    private var directory: Int32 = -1

    /// A writer that gives its sink pieces of at most `bufferSize` bytes.
    init(bufferSize: Int = NARWriter.defaultBufferSize) {
        buffer = NARBuffer(size: bufferSize)
    }

    deinit {
        if directory >= 0 { close(directory) }
    }

    /// Serialises what is at `top`.
    mutating func write(
        _ top: FilePath, to sink: (UnsafeRawBufferPointer) throws(ImageError) -> Void
    ) throws(ImageError) {
        buffer.clear()
        path = top.bytes
        levels = []
        defer { moveTo(-1) }
        try buffer.string("nix-archive-1", sink)
        let name = path.map { CChar(bitPattern: $0) } + [0]
        if try !node(in: AT_FDCWD, name, sink) { return try buffer.flush(sink) }
        try enter(AT_FDCWD, name, sink)
        while let level = levels.last {
            path.removeSubrange(level.pathLength...)
            if level.next < level.names.count {
                levels[levels.count - 1].next += 1
                let name = level.names[level.next]
                path.append(UInt8(ascii: "/"))
                path.append(contentsOf: name)
                try buffer.string("entry", sink)
                try buffer.string("(", sink)
                try buffer.string("name", sink)
                try buffer.string(name, sink)
                try buffer.string("node", sink)
                let terminated = name.map { CChar(bitPattern: $0) } + [0]
                if try node(in: directory, terminated, sink) {
                    try enter(directory, terminated, sink)
                } else {
                    try buffer.string(")", sink)
                }
            } else {
                levels.removeLast()
                try buffer.string(")", sink)
                if let parent = levels.last {
                    try leave(to: parent)
                    try buffer.string(")", sink)
                }
            }
        }
        try buffer.flush(sink)
    }

    // MARK: The walk

    private mutating func moveTo(_ descriptor: Int32) {
        if directory >= 0 { close(directory) }
        directory = descriptor
    }

    private mutating func enter(
        _ parent: Int32, _ name: [CChar], _ sink: Sink
    ) throws(ImageError) {
        let descriptor = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure("cannot open", errno) }
        moveTo(descriptor)
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw failure("cannot read", errno) }
        switch DirectoryNames.read(descriptor) {
        case .failure(let code): throw failure("cannot list", code.rawValue)
        case .success(let names):
            levels.append(
                Level(names: names, device: status.st_dev, inode: status.st_ino, pathLength: path.count))
        }
        try buffer.string("(", sink)
        try buffer.string("type", sink)
        try buffer.string("directory", sink)
    }

    private mutating func leave(to parent: Level) throws(ImageError) {
        let descriptor = openat(directory, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure("cannot open the folder above", errno) }
        moveTo(descriptor)
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw failure("cannot read", errno) }
        guard status.st_dev == parent.device, status.st_ino == parent.inode else {
            throw changed("it was moved while it was read")
        }
    }

    /// Writes a file or a link, and says whether it is a directory instead.
    private mutating func node(
        in directory: Int32, _ name: [CChar], _ sink: Sink
    ) throws(ImageError) -> Bool {
        var status = stat()
        guard fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else { throw failure("cannot read", errno) }
        switch status.st_mode & S_IFMT {
        case S_IFDIR: return true
        case S_IFREG:
            // Not blocking, in case it has become a FIFO since.
            let descriptor = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
            guard descriptor >= 0 else { throw failure("cannot open", errno) }
            defer { close(descriptor) }
            try file(descriptor, status, sink)
        case S_IFLNK:
            try link(directory, name, sink)
        default:
            throw ImageError(
                .invalidInput, "a store cannot hold", path: shownPath,
                reason: "it is neither file, folder nor symbolic link but \(Self.kind(status.st_mode))",
                remedy: "delete that store path and build it again")
        }
        return false
    }

    private mutating func link(_ directory: Int32, _ name: [CChar], _ sink: Sink) throws(ImageError) {
        let target = [UInt8](unsafeUninitializedCapacity: Int(PATH_MAX)) { bytes, count in
            count = bytes.withMemoryRebound(to: CChar.self) { text in
                text.baseAddress.map { readlinkat(directory, name, $0, text.count) } ?? -1
            }
            count = max(0, count)
        }
        // No symbolic link is empty.
        guard !target.isEmpty else { throw failure("cannot read", errno) }
        try buffer.string("(", sink)
        try buffer.string("type", sink)
        try buffer.string("symlink", sink)
        try buffer.string("target", sink)
        try buffer.string(target, sink)
        try buffer.string(")", sink)
    }

    private mutating func file(
        _ descriptor: Int32, _ planned: stat, _ sink: Sink
    ) throws(ImageError) {
        try buffer.string("(", sink)
        try buffer.string("type", sink)
        try buffer.string("regular", sink)
        if planned.st_mode & S_IXUSR != 0 {
            try buffer.string("executable", sink)
            try buffer.string("", sink)
        }
        try buffer.string("contents", sink)
        let size = UInt64(planned.st_size)
        let path = path
        try buffer.contents(size, sink) { (room, offset) throws(ImageError) in
            while true {
                let count = read(descriptor, room.baseAddress, room.count)
                if count > 0 { return count }
                if count == 0 { throw Self.changed(path, "it became shorter while it was read") }
                if errno != EINTR { throw Self.failure(path, "cannot read", errno, offset: offset) }
            }
        }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw failure("cannot read", errno) }
        guard HostFiles.Identity(status) == HostFiles.Identity(planned) else {
            throw changed("it was replaced or written to while it was read")
        }
        try buffer.string(")", sink)
    }

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

    private func failure(_ message: String, _ code: Int32) -> ImageError { Self.failure(path, message, code) }

    private static func failure(
        _ path: [UInt8], _ message: String, _ code: Int32, offset: UInt64? = nil
    ) -> ImageError {
        .system(Errno(rawValue: code), message, path: FilePath(shown(path)), offset: offset)
    }

    private func changed(_ reason: String) -> ImageError { Self.changed(path, reason) }

    private static func changed(_ path: [UInt8], _ reason: String) -> ImageError {
        ImageError(
            .changed, "the store path changed", path: shown(path), reason: reason,
            remedy: "try again when nothing writes to it")
    }
}
