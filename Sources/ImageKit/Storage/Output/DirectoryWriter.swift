import Glibc
import SystemPackage

/// Creates files and directories in an open directory that this program created.
///
/// All calls take a name and an open directory, and open no files that existed before. So no symbolic link can lead out
/// of the directory, whatever the names are.
struct DirectoryWriter: ~Copyable {
    let descriptor: Int32
    /// A path, and the names of the directories below it that lead to this one.
    private let start: FilePath, names: [[UInt8]]
    /// The path, for errors.
    var path: FilePath {
        names.isEmpty ? start : start.appending(String(decoding: Array(names.joined(separator: [0x2F])), as: UTF8.self))
    }

    /// The metadata of a new file, directory or link.
    struct Metadata: Hashable, Sendable {
        var attributes: FileAttributes
        var nanoseconds: UInt32
    }

    /// Opens the directory at a path that the user gave. It may be a symbolic link.
    init(at path: FilePath) throws(ImageError) {
        descriptor = path.withPlatformString { open($0, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
        (start, names) = (path, [])
        guard descriptor >= 0 else { throw .system(.current, "cannot open the folder", path: path) }
    }

    /// Opens a directory below another one.
    /// - Parameter names: the names of the directories on the way there.
    init(_ names: [[UInt8]], below directory: borrowing DirectoryWriter) throws(ImageError) {
        (start, self.names) = (directory.start, directory.names + names)
        let flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC
        var open = openat(directory.descriptor, ".", flags)
        for name in names where open >= 0 {
            let next = openat(open, Self.cString(name), flags)
            let code = errno
            close(open)
            errno = code
            open = next
        }
        descriptor = open
        guard descriptor >= 0 else { throw .system(.current, "cannot open the folder", path: path) }
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    private static func cString(_ name: [UInt8]) -> [CChar] { name.map { CChar(bitPattern: $0) } + [0] }

    private func path(of name: [UInt8]) -> FilePath {
        path.appending(String(decoding: name, as: UTF8.self))
    }

    /// Throws the error of a system call on the entry `name` unless its result is 0.
    private func check(_ result: Int32, _ name: [UInt8], _ message: String = "cannot create") throws(ImageError) {
        guard result == 0 else { throw .system(.current, message, path: path(of: name)) }
    }

    /// Sets the owner and the group of an entry. Only root may do that; other users own their new files.
    private func setOwner(of name: [UInt8], _ attributes: FileAttributes) throws(ImageError) {
        guard geteuid() == 0 else { return }
        try check(
            fchownat(descriptor, Self.cString(name), attributes.owner, attributes.group, AT_SYMLINK_NOFOLLOW), name,
            "cannot set the owner of")
    }

    /// Creates a directory, with permissions for its owner only until ``set(_:)``.
    func makeDirectory(_ name: [UInt8]) throws(ImageError) {
        try check(mkdirat(descriptor, Self.cString(name), 0o700), name)
    }

    /// Creates a symbolic link.
    func makeLink(_ name: [UInt8], to target: [UInt8], _ metadata: Metadata) throws(ImageError) {
        try check(symlinkat(Self.cString(target), descriptor, Self.cString(name)), name)
        try setOwner(of: name, metadata.attributes)
        // Some filesystems store no times of symbolic links. Nothing depends on them.
        _ = utimensat(descriptor, Self.cString(name), Self.times(metadata), AT_SYMLINK_NOFOLLOW)
    }

    /// Creates a hard link to a file of another directory.
    func makeHardLink(
        _ name: [UInt8], to target: [UInt8], in directory: borrowing DirectoryWriter
    ) throws(ImageError) {
        try check(linkat(directory.descriptor, Self.cString(target), descriptor, Self.cString(name), 0), name)
    }

    /// Creates a device or a named pipe.
    func makeSpecial(_ name: [UInt8], _ kind: mode_t, _ device: dev_t, _ metadata: Metadata) throws(ImageError) {
        try check(mknodat(descriptor, Self.cString(name), kind | 0o600, device), name)
        try setOwner(of: name, metadata.attributes)
        try check(fchmodat(descriptor, Self.cString(name), mode_t(metadata.attributes.permissions), 0), name)
        _ = utimensat(descriptor, Self.cString(name), Self.times(metadata), AT_SYMLINK_NOFOLLOW)
    }

    /// Creates a regular file with its content, with holes for zero blocks.
    /// - Parameter onBytes: gets the number of bytes after each write.
    func makeFile(
        _ name: [UInt8], _ content: any ByteSource, _ metadata: Metadata, buffer: UnsafeMutableRawBufferPointer,
        onBytes: (UInt64) throws(ImageError) -> Void
    ) throws(ImageError) {
        let file = openat(descriptor, Self.cString(name), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw .system(.current, "cannot create", path: path(of: name)) }
        var isOpen = true
        defer { if isOpen { close(file) } }
        try check(ftruncate(file, off_t(content.size)), name, "cannot write")
        var offset: UInt64 = 0
        while offset < content.size {
            let count = min(UInt64(buffer.count), content.size - offset)
            let bytes = UnsafeMutableRawBufferPointer(rebasing: buffer[..<Int(count)])
            try content.read(into: bytes, at: offset)
            try SparseWriter.writeNonzero(UnsafeRawBufferPointer(bytes), to: file, at: offset, path: path(of: name))
            offset += count
            try onBytes(count)
        }
        try set(metadata, of: file, path(of: name))
        isOpen = false
        // Some filesystems, such as network filesystems, report a full disk only now.
        guard close(file) == 0 || errno == EINTR else {
            throw .system(.current, "cannot write", path: path(of: name))
        }
    }

    /// Sets the metadata of the directory itself. Call it when its content is complete.
    func set(_ metadata: Metadata) throws(ImageError) { try set(metadata, of: descriptor, path) }

    /// Moves a complete entry of this directory to its destination. Replaces nothing that exists there.
    ///
    /// - Parameters:
    ///   - name: the entry, which is removed from this directory.
    ///   - directory: the destination.
    ///   - newName: the entry's name in the destination. If it is `nil`, the entry is a directory. Then its entries are
    ///     moved to the destination, which also gets its metadata, and this directory is removed.
    func move(_ name: [UInt8], to directory: FilePath, as newName: [UInt8]?) throws(ImageError) {
        let destination = try DirectoryWriter(at: directory)
        if let newName {
            try move(name, to: destination, as: newName)
        } else {
            try moveEntries(of: name, to: destination, directory)
        }
    }

    private func moveEntries(
        of name: [UInt8], to destination: borrowing DirectoryWriter, _ directory: FilePath
    ) throws(ImageError) {
        let source = try DirectoryWriter([name], below: self)
        var status = stat(), old = stat()
        guard fstat(source.descriptor, &status) == 0, fstat(destination.descriptor, &old) == 0 else {
            throw .system(.current, "cannot read the folder", path: directory)
        }
        // Its mode may forbid even its owner to list its entries, or to move them.
        fchmod(source.descriptor, 0o700)
        let names: DirectoryNames
        switch DirectoryNames.read(source.descriptor) {
        case .success(let found): names = found
        case .failure(let code): throw .system(code, "cannot read the folder", path: source.path)
        }
        for index in 0..<names.count { try source.move(names[index], to: destination, as: names[index]) }
        // This directory is in the destination. Its removal changes the destination's time, and may not be possible
        // once the destination has its mode. So it comes first.
        unlinkat(descriptor, Self.cString(name), AT_REMOVEDIR)
        rmdir(path.string)
        // A directory of another user, in which others may write, keeps its metadata.
        guard geteuid() == 0 || geteuid() == old.st_uid else { return }
        let times = [status.st_mtim, status.st_mtim]
        guard geteuid() != 0 || fchown(destination.descriptor, status.st_uid, status.st_gid) == 0,
            fchmod(destination.descriptor, status.st_mode & 0o7777) == 0,
            futimens(destination.descriptor, times) == 0
        else { throw .system(.current, "cannot set owner, mode and time of the folder", path: directory) }
    }

    private func move(
        _ name: [UInt8], to destination: borrowing DirectoryWriter, as newName: [UInt8]
    ) throws(ImageError) {
        let (old, new) = (Self.cString(name), Self.cString(newName))
        var status = stat()
        guard fstatat(descriptor, old, &status, AT_SYMLINK_NOFOLLOW) == 0 else {
            throw .system(.current, "cannot read", path: path(of: name))
        }
        errno = 0
        if status.st_mode & S_IFMT != S_IFDIR, linkat(descriptor, old, destination.descriptor, new, 0) == 0 {
            // Unlike renameat(2), linkat(2) does not replace a file that has been created there meanwhile.
            unlinkat(descriptor, old, 0)
            return
        }
        if errno == EEXIST { try destination.check(-1, newName) }
        // Moving a directory changes its `..`, so it must be writable. renameat(2) does not replace a directory that is
        // not empty.
        let isLocked = status.st_mode & S_IFMT == S_IFDIR && status.st_mode & S_IWUSR == 0 && geteuid() != 0
        if isLocked { fchmodat(descriptor, old, 0o700, 0) }
        try destination.check(renameat(descriptor, old, destination.descriptor, new), newName)
        if isLocked { fchmodat(destination.descriptor, new, status.st_mode & 0o7777, 0) }
    }

    private func set(_ metadata: Metadata, of file: Int32, _ path: FilePath) throws(ImageError) {
        var mode = mode_t(metadata.attributes.permissions)
        if geteuid() == 0 {
            guard fchown(file, metadata.attributes.owner, metadata.attributes.group) == 0 else {
                throw .system(.current, "cannot set the owner of", path: path)
            }
        } else {
            // A file that would run as another user must not run as this one instead.
            mode &= ~mode_t(S_ISUID | S_ISGID)
        }
        guard fchmod(file, mode) == 0, futimens(file, Self.times(metadata)) == 0 else {
            throw .system(.current, "cannot set the mode or time of", path: path)
        }
    }

    private static func times(_ metadata: Metadata) -> [timespec] {
        let time = timespec(tv_sec: time_t(metadata.attributes.modified), tv_nsec: Int(metadata.nanoseconds))
        return [time, time]
    }
}
