import Glibc
import SystemPackage

/// A directory for files that get their final names when all are complete: `.mkpiimg-XXXXXXXX.tmp`. When this value
/// ends, the directory is removed, together with its remaining content.
///
/// The directory is locked while it is in use. Unlocked ones are leftovers of killed runs, and the next run in the same
/// parent directory removes them.
struct TemporaryDirectory: ~Copyable {
    /// The directory, open.
    let directory: DirectoryWriter
    /// Descriptors reserved for the removal, which must succeed even if no more files can be opened.
    private let reserved: [Int32]

    private static let prefix = ".mkpiimg-"

    /// Creates the directory in `parent`.
    init(in parent: FilePath) throws(ImageError) {
        while true {
            let path = parent.appending(TemporaryFiles.name(Self.prefix))
            if case .failure(let code) = TemporaryFiles.create(path, { mkdir($0, 0o700) }) {
                if code == .fileExists { continue }
                throw .system(code, "cannot create a folder in", path: parent)
            }
            do throws(ImageError) {
                if let created = try Self.openLocked(path) {
                    reserved = try Self.reserveDescriptors(in: created)
                    directory = created
                    return
                }
                TemporaryFiles.forget(path)
            } catch {
                TemporaryFiles.forget(path)
                throw error
            }
        }
    }

    deinit {
        for descriptor in reserved { close(descriptor) }
        TemporaryFiles.remove(directory: directory.path)
        TemporaryFiles.forget(directory.path)
    }

    /// Opens and locks the directory; `nil` if another run took it for a leftover and removes it. A filesystem without
    /// locks is not an error.
    private static func openLocked(_ path: FilePath) throws(ImageError) -> DirectoryWriter? {
        let directory: DirectoryWriter
        do throws(ImageError) {
            directory = try DirectoryWriter(at: path)
        } catch {
            // Another run took the directory for a leftover in the moment before it was locked.
            if error.code == .notFound { return nil }
            path.withPlatformString { _ = rmdir($0) }
            throw error
        }
        let isTaken = flock(directory.descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK
        guard !isTaken, isSame(directory.descriptor, at: path) else { return nil }
        return directory
    }

    /// Duplicates the directory's descriptor, once for each descriptor that the removal will need.
    private static func reserveDescriptors(in directory: borrowing DirectoryWriter) throws(ImageError) -> [Int32] {
        var reserved: [Int32] = []
        for _ in 0..<TemporaryFiles.descriptorsToRemove {
            let descriptor = fcntl(directory.descriptor, F_DUPFD_CLOEXEC, 0)
            guard descriptor >= 0 else {
                let code = Errno.current
                for descriptor in reserved { close(descriptor) }
                directory.path.withPlatformString { _ = rmdir($0) }
                throw .system(code, "cannot work in the folder", path: directory.path)
            }
            reserved.append(descriptor)
        }
        return reserved
    }

    /// Removes the temporary directories that this user's killed runs left in `parent`.
    static func removeLeftovers(in parent: FilePath) {
        TemporaryFiles.removeLeftovers(in: parent, prefix: prefix, O_RDONLY | O_DIRECTORY) { path, descriptor in
            var status = stat()
            guard fstat(descriptor, &status) == 0, status.st_uid == geteuid(), isSame(descriptor, at: path) else {
                return
            }
            TemporaryFiles.remove(directory: path)
        }
    }

    /// Whether the path still leads to the open directory.
    private static func isSame(_ descriptor: Int32, at path: FilePath) -> Bool {
        var opened = stat(), named = stat()
        return fstat(descriptor, &opened) == 0 && path.withPlatformString({ lstat($0, &named) }) == 0
            && opened.st_ino == named.st_ino && opened.st_dev == named.st_dev
    }
}
