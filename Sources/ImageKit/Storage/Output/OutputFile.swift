import Glibc
package import SystemPackage

/// A file that appears complete or not at all.
///
/// Bytes are written to a temporary file beside the target, `.NAME.mkpiimg-XXXXXXXX.tmp`. ``commit()`` renames it to
/// the target. Without a commit, the deinitializer removes it. The file is locked while it is written. Unlocked ones
/// are leftovers of killed builds, and the next build of the same name removes them.
package struct OutputFile: ~Copyable {
    let descriptor: Int32
    /// The path of the final file, with symbolic links followed.
    let target: FilePath
    private let temporary: FilePath
    private var isCommitted = false

    /// Creates the temporary file. The target's directory must exist. The target may exist if it is a regular file.
    /// - Parameter isPrivate: whether only its owner may read it. Otherwise the umask decides.
    package init(_ path: FilePath, isPrivate: Bool = false) throws(ImageError) {
        let target = try Self.resolve(path)
        let (descriptor, temporary) = try Self.create(beside: target, mode: isPrivate ? 0o600 : 0o666)
        self.descriptor = descriptor
        self.target = target
        self.temporary = temporary
    }

    deinit {
        if !isCommitted {
            temporary.withPlatformString { _ = unlink($0) }
            TemporaryFiles.forget(temporary)
        }
        close(descriptor)
    }

    /// Appends a text.
    package func write(_ text: String) throws(ImageError) {
        do {
            _ = try FileDescriptor(rawValue: descriptor).writeAll(Array(text.utf8))
        } catch {
            throw .system(error as? Errno ?? .ioError, "cannot write", path: target)
        }
    }

    /// Flushes the file to the disk and renames it to the target.
    package mutating func commit() throws(ImageError) {
        guard fsync(descriptor) == 0 else { throw .system(.current, "cannot write", path: target) }
        let renamed = temporary.withPlatformString { from in target.withPlatformString { rename(from, $0) } }
        guard renamed == 0 else { throw .system(.current, "cannot create", path: target) }
        isCommitted = true
        TemporaryFiles.forget(temporary)
        // The rename is only durable once the directory is on the disk. Some filesystems cannot flush directories. Then
        // the error is ignored, because the file exists.
        let directory = Self.directory(of: target).withPlatformString { open($0, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
        guard directory >= 0 else { return }
        let code = fsync(directory) == 0 ? 0 : errno
        close(directory)
        if code == EIO || code == ENOSPC || code == EDQUOT {
            throw .system(Errno(rawValue: code), "cannot bring to the disk", path: target)
        }
    }

    /// Free bytes on the file's disk; `nil` if they are not known.
    func freeBytes() -> UInt64? { OpenFile.freeBytes(descriptor) }

    /// Checks that a file can probably be created at a path, and removes the leftovers of killed builds of it. Call it
    /// before the content takes time to prepare.
    static func check(_ path: FilePath) throws(ImageError) {
        let target = try resolve(path), directory = directory(of: target)
        guard directory.withPlatformString({ access($0, W_OK | X_OK) }) == 0 else {
            throw .system(.current, "cannot create a file in", path: directory)
        }
        removeLeftovers(in: directory, prefix: prefix(of: target))
    }

    // MARK: Names

    private static func directory(of path: FilePath) -> FilePath {
        let directory = path.removingLastComponent()
        return directory.isEmpty ? "." : directory
    }

    /// Links that are followed to a file that does not exist yet, as in the kernel.
    private static let maximumLinks = 40

    /// Follows a symbolic link that leads to a missing file: the file is created there, and the link stays.
    private static func followLinks(to path: FilePath) -> FilePath {
        var target = path
        for _ in 0..<maximumLinks {
            guard FileStatus.type(of: target) == nil, case .success(let next) = FileStatus.linkTarget(of: target) else {
                break
            }
            target = target.removingLastComponent().pushing(next)
        }
        return target
    }

    /// Follows symbolic links. Throws if the path exists and is not a regular file.
    private static func resolve(_ path: FilePath) throws(ImageError) -> FilePath {
        var target = followLinks(to: path)
        var status = stat()
        if target.withPlatformString({ stat($0, &status) }) == 0 {
            switch status.st_mode & S_IFMT {
            case S_IFREG: break
            case S_IFDIR:
                throw ImageError(
                    .invalidInput, "cannot write to", path: path.string, reason: "it is a folder",
                    remedy: "name a file in it")
            default:
                throw ImageError(
                    .invalidInput, "cannot write to", path: path.string, reason: "it is not a regular file",
                    remedy: "write to a file and put that on the device, or stream with '\(.output, "-")'")
            }
            if case .success(let resolved) = FileStatus.realPath(of: target) { target = resolved }
        }
        if FileStatus.type(of: target) == nil, case .success = FileStatus.linkTarget(of: target) {
            throw ImageError(
                .invalidInput, "cannot write to", path: path.string, reason: "its symbolic links lead in a circle",
                remedy: "name another file")
        }
        guard target.lastComponent != nil else {
            throw ImageError(.invalidInput, "cannot write to", path: path.string, reason: "it names no file")
        }
        let directory = directory(of: target)
        guard directory.withPlatformString({ stat($0, &status) }) == 0, status.st_mode & S_IFMT == S_IFDIR else {
            throw ImageError(
                .notFound, "cannot write to", path: path.string,
                reason: "the folder '\(directory.string)' does not exist", remedy: "create it first")
        }
        return target
    }

    private static func create(beside target: FilePath, mode: mode_t) throws(ImageError) -> (Int32, FilePath) {
        let directory = directory(of: target), prefix = prefix(of: target)
        removeLeftovers(in: directory, prefix: prefix)
        for _ in 0..<maximumAttempts {
            let temporary = directory.appending(TemporaryFiles.name(prefix))
            let descriptor: Int32
            switch TemporaryFiles.create(temporary, { open($0, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode) }) {
            case .success(let created): descriptor = created
            case .failure(.fileExists): continue
            case .failure(let code): throw .system(code, "cannot create a file in", path: directory)
            }
            // Another build may have taken it for a leftover in the moment before it was locked. (On a filesystem
            // without locks no build removes leftovers, because it cannot lock them.)
            var status = stat()
            let isTaken = flock(descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK
            if !isTaken, fstat(descriptor, &status) == 0, status.st_nlink > 0 { return (descriptor, temporary) }
            if !isTaken { temporary.withPlatformString { _ = unlink($0) } }
            close(descriptor)
            TemporaryFiles.forget(temporary)
        }
        throw ImageError(
            .inputOutput, "cannot create a file in", path: directory.string,
            reason: "new files disappear there", remedy: "write to another filesystem")
    }

    /// Temporary files that are created before the filesystem is at fault. Another build can take only a few of them.
    private static let maximumAttempts = 100

    /// The prefix of the temporary names of a target.
    private static func prefix(of target: FilePath) -> String {
        // A name has at most 255 bytes, and the temporary one is longer than that of the target.
        var name = target.lastComponent?.string ?? ""
        while name.utf8.count > 220 { name.removeLast() }
        return ".\(name).mkpiimg-"
    }

    private static func removeLeftovers(in directory: FilePath, prefix: String) {
        TemporaryFiles.removeLeftovers(in: directory, prefix: prefix, O_RDWR) { path, _ in
            path.withPlatformString { _ = unlink($0) }
        }
    }
}
