import Glibc
package import SystemPackage

/// A file that appears whole or not at all.
///
/// Bytes go to a temporary file beside the target, `.NAME.mkpiimg-XXXXXXXX.tmp`, which takes the target's name in
/// ``commit()`` and is removed when this value goes away before that. While it is written it is locked; unlocked ones
/// are leftovers of killed builds and are removed by the next build of the same name.
package struct OutputFile: ~Copyable {
    let descriptor: Int32
    /// The file it will be (links followed).
    let target: FilePath
    private let temporary: FilePath
    private var isCommitted = false

    /// Creates the temporary file. The target's directory must exist; the target may be a file or nothing.
    /// - Parameter isPrivate: whether nobody but its owner may read it; otherwise the umask decides.
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

    /// Adds a text at the end.
    package func write(_ text: String) throws(ImageError) {
        do {
            _ = try FileDescriptor(rawValue: descriptor).writeAll(Array(text.utf8))
        } catch {
            throw .system(error as? Errno ?? .ioError, "cannot write", path: target)
        }
    }

    /// Brings the bytes to the disk and gives the file its name.
    package mutating func commit() throws(ImageError) {
        guard fsync(descriptor) == 0 else { throw .system(.current, "cannot write", path: target) }
        let renamed = temporary.withPlatformString { from in target.withPlatformString { rename(from, $0) } }
        guard renamed == 0 else { throw .system(.current, "cannot create", path: target) }
        isCommitted = true
        TemporaryFiles.forget(temporary)
        // The name is only safe once its directory is on the disk. Some filesystems cannot do this; the file is there.
        let directory = Self.directory(of: target).withPlatformString { open($0, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
        guard directory >= 0 else { return }
        let code = fsync(directory) == 0 ? 0 : errno
        close(directory)
        if code == EIO || code == ENOSPC || code == EDQUOT {
            throw .system(Errno(rawValue: code), "cannot bring to the disk", path: target)
        }
    }

    /// Bytes that are free for it on its disk.
    func freeBytes() -> UInt64? { OpenFile.freeBytes(descriptor) }

    /// Makes sure that a file can be written there, as far as that can be known, and removes what killed builds of it have left:
    /// before anybody waits for what will be written.
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

    /// Follows links, and refuses what a file cannot take the place of.
    private static func resolve(_ path: FilePath) throws(ImageError) -> FilePath {
        var target = path
        var status = stat()
        if path.withPlatformString({ stat($0, &status) }) == 0 {
            switch status.st_mode & S_IFMT {
            case S_IFREG: break
            case S_IFDIR:
                throw ImageError(
                    .invalidInput, "cannot write to", path: path.string, reason: "it is a folder",
                    remedy: "name a file in it")
            default:
                throw ImageError(
                    .invalidInput, "cannot write to", path: path.string, reason: "it is not a regular file",
                    remedy: "write to a file and put that on the device, or stream with '--out -'")
            }
            if let resolved = path.withPlatformString({ realpath($0, nil) }) {
                target = FilePath(platformString: resolved)
                free(resolved)
            }
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
        while true {
            let temporary = directory.appending(TemporaryFiles.name(prefix))
            let descriptor: Int32
            switch TemporaryFiles.create(temporary, { open($0, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode) }) {
            case .success(let made): descriptor = made
            case .failure(.fileExists): continue
            case .failure(let code): throw .system(code, "cannot create a file in", path: directory)
            }
            // Another build may have taken it for a leftover in the moment before it was locked. (A filesystem without
            // locks has no such builds either: they cannot lock it.)
            var status = stat()
            let isTaken = flock(descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK
            if !isTaken, fstat(descriptor, &status) == 0, status.st_nlink > 0 { return (descriptor, temporary) }
            close(descriptor)
            TemporaryFiles.forget(temporary)
        }
    }

    /// How temporary names of a target begin.
    private static func prefix(of target: FilePath) -> String {
        // A name may have 255 bytes, of which the temporary one needs some for itself.
        var name = target.lastComponent?.string ?? ""
        while name.utf8.count > 220 { name.removeLast() }
        return ".\(name).mkpiimg-"
    }

    private static func removeLeftovers(in directory: FilePath, prefix: String) {
        guard case .success(let names) = directory.withPlatformString({ DirectoryNames.read(path: $0) }) else { return }
        for index in 0..<names.count {
            let name = String(decoding: names[index], as: UTF8.self)
            guard TemporaryFiles.isName(name, prefix) else { continue }
            directory.appending(name).withPlatformString { path in
                let descriptor = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW)
                guard descriptor >= 0 else { return }
                if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { unlink(path) }
                close(descriptor)
            }
        }
    }
}
