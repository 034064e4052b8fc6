import Glibc
import SystemPackage

/// An open directory that this program made, and what it puts there.
///
/// Everything is made by a name in an open directory, and nothing that is already there is opened, so no link can lead out of
/// it, whatever the names are.
struct DirectoryWriter: ~Copyable {
    let descriptor: Int32
    /// A path that it is at or below, and the names of the directories on the way there.
    private let start: FilePath, names: [[UInt8]]
    /// How errors call it.
    var path: FilePath {
        names.isEmpty ? start : start.appending(String(decoding: Array(names.joined(separator: [0x2F])), as: UTF8.self))
    }

    /// What a new file, directory or link gets.
    struct Metadata: Hashable, Sendable {
        var attributes: FileAttributes
        var nanoseconds: UInt32
    }

    /// Opens the directory at a path, which the user named: links may lead to it.
    init(at path: FilePath) throws(ImageError) {
        descriptor = path.withPlatformString { open($0, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
        (start, names) = (path, [])
        guard descriptor >= 0 else { throw .system(.current, "cannot open the folder", path: path) }
    }

    /// Opens a directory below another one, by the names on the way there.
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

    private func place(_ name: [UInt8]) -> FilePath {
        path.appending(String(decoding: name, as: UTF8.self))
    }

    private func check(_ result: Int32, _ name: [UInt8], _ message: String = "cannot create") throws(ImageError) {
        guard result == 0 else { throw .system(.current, message, path: place(name)) }
    }

    /// Makes a directory that only its owner may use yet.
    func makeDirectory(_ name: [UInt8]) throws(ImageError) {
        try check(mkdirat(descriptor, Self.cString(name), 0o700), name)
    }

    /// Makes a symbolic link.
    func makeLink(_ name: [UInt8], to target: [UInt8], _ metadata: Metadata) throws(ImageError) {
        try check(symlinkat(Self.cString(target), descriptor, Self.cString(name)), name)
        if geteuid() == 0 {
            let attributes = metadata.attributes
            try check(
                fchownat(
                    descriptor, Self.cString(name), attributes.owner, attributes.group, AT_SYMLINK_NOFOLLOW), name,
                "cannot set the owner of")
        }
        // Some filesystems keep no times of links; nobody misses them.
        _ = utimensat(descriptor, Self.cString(name), Self.times(metadata), AT_SYMLINK_NOFOLLOW)
    }

    /// Gives a file in a directory a second name here.
    func makeHardLink(_ name: [UInt8], to other: [UInt8], in directory: borrowing DirectoryWriter) throws(ImageError) {
        try check(linkat(directory.descriptor, Self.cString(other), descriptor, Self.cString(name), 0), name)
    }

    /// Makes a device or a named pipe.
    func makeSpecial(_ name: [UInt8], _ kind: mode_t, _ device: dev_t, _ metadata: Metadata) throws(ImageError) {
        try check(mknodat(descriptor, Self.cString(name), kind | 0o600, device), name)
        let attributes = metadata.attributes
        if geteuid() == 0 {
            try check(
                fchownat(descriptor, Self.cString(name), attributes.owner, attributes.group, AT_SYMLINK_NOFOLLOW),
                name, "cannot set the owner of")
        }
        try check(fchmodat(descriptor, Self.cString(name), mode_t(attributes.permissions), 0), name)
        _ = utimensat(descriptor, Self.cString(name), Self.times(metadata), AT_SYMLINK_NOFOLLOW)
    }

    /// Makes a regular file and fills it. Where its content is zero, it gets holes.
    func makeFile(
        _ name: [UInt8], _ content: any ByteSource, _ metadata: Metadata, buffer: UnsafeMutableRawBufferPointer,
        onBytes: (UInt64) throws(ImageError) -> Void
    ) throws(ImageError) {
        let file = openat(descriptor, Self.cString(name), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw .system(.current, "cannot create", path: place(name)) }
        var isOpen = true
        defer { if isOpen { close(file) } }
        try check(ftruncate(file, off_t(content.size)), name, "cannot write")
        var offset: UInt64 = 0
        while offset < content.size {
            let count = min(UInt64(buffer.count), content.size - offset)
            let part = UnsafeMutableRawBufferPointer(rebasing: buffer[..<Int(count)])
            try content.read(into: part, at: offset)
            try SparseWriter.writeNonzero(UnsafeRawBufferPointer(part), to: file, at: offset, path: place(name))
            offset += count
            try onBytes(count)
        }
        try set(metadata, of: file, place(name))
        isOpen = false
        // Some filesystems (of other machines) say only now that there was no room.
        guard close(file) == 0 || errno == EINTR else {
            throw .system(.current, "cannot write", path: place(name))
        }
    }

    /// Gives the directory itself its metadata, when everything is in it.
    func set(_ metadata: Metadata) throws(ImageError) { try set(metadata, of: descriptor, path) }

    /// Moves what was made here under one name to where it belongs; nothing there is replaced.
    /// - Parameter newName: its name there; without one, it is a directory, whose entries and metadata the other one gets.
    func hand(_ name: [UInt8], to directory: FilePath, as newName: [UInt8]?) throws(ImageError) {
        let other = try DirectoryWriter(at: directory)
        if let newName {
            try move(name, to: other, as: newName)
            return
        }
        let inner = try DirectoryWriter([name], below: self)
        var status = stat(), old = stat()
        guard fstat(inner.descriptor, &status) == 0, fstat(other.descriptor, &old) == 0 else {
            throw .system(.current, "cannot read the folder", path: directory)
        }
        guard case .success(let names) = DirectoryNames.read(inner.descriptor) else {
            throw .system(.current, "cannot read the folder", path: inner.path)
        }
        // Entries of a directory that its owner may not write cannot be moved.
        fchmod(inner.descriptor, 0o700)
        for index in 0..<names.count { try inner.move(names[index], to: other, as: names[index]) }
        // This directory is in the other one, whose time its removal changes, and where nothing may be removed afterwards.
        unlinkat(descriptor, Self.cString(name), AT_REMOVEDIR)
        rmdir(path.string)
        // A directory of somebody else's, in which others may write, stays as it is.
        guard geteuid() == 0 || geteuid() == old.st_uid else { return }
        let times = [status.st_mtim, status.st_mtim]
        guard geteuid() != 0 || fchown(other.descriptor, status.st_uid, status.st_gid) == 0,
            fchmod(other.descriptor, status.st_mode & 0o7777) == 0, futimens(other.descriptor, times) == 0
        else { throw .system(.current, "cannot set owner, mode and time of the folder", path: directory) }
    }

    private func move(_ name: [UInt8], to other: borrowing DirectoryWriter, as newName: [UInt8]) throws(ImageError) {
        let (old, new) = (Self.cString(name), Self.cString(newName))
        var status = stat()
        guard fstatat(descriptor, old, &status, AT_SYMLINK_NOFOLLOW) == 0 else {
            throw .system(.current, "cannot read", path: place(name))
        }
        errno = 0
        if status.st_mode & S_IFMT != S_IFDIR, linkat(descriptor, old, other.descriptor, new, 0) == 0 {
            // Unlike renaming, this does not replace what has come there meanwhile.
            unlinkat(descriptor, old, 0)
            return
        }
        if errno == EEXIST { try other.check(-1, newName) }
        // A directory can only be moved by who may write to it, since its `..` changes. It does not replace one that has
        // something in it.
        let isLocked = status.st_mode & S_IFMT == S_IFDIR && status.st_mode & S_IWUSR == 0 && geteuid() != 0
        if isLocked { fchmodat(descriptor, old, 0o700, 0) }
        try other.check(renameat(descriptor, old, other.descriptor, new), newName)
        if isLocked { fchmodat(other.descriptor, new, status.st_mode & 0o7777, 0) }
    }

    private func set(_ metadata: Metadata, of file: Int32, _ path: FilePath) throws(ImageError) {
        var mode = mode_t(metadata.attributes.permissions)
        if geteuid() == 0 {
            guard fchown(file, metadata.attributes.owner, metadata.attributes.group) == 0 else {
                throw .system(.current, "cannot set the owner of", path: path)
            }
        } else {
            // What runs as another user must not run as this one instead.
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
