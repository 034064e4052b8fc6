import Glibc
import SystemPackage

/// A directory for what is made before it gets its name: `.mkpiimg-XXXXXXXX.tmp`, removed with all that is left in it when
/// this value goes away.
///
/// While it is used it is locked; unlocked ones are leftovers of killed runs, which the next run in the same place removes.
struct TemporaryDirectory: ~Copyable {
    /// The directory, open.
    let directory: DirectoryWriter
    /// Kept for the removal, which must not fail where no more files may be opened.
    private let spare: [Int32]

    private static let prefix = ".mkpiimg-"

    /// Makes a directory in another one.
    init(in place: FilePath) throws(ImageError) {
        while true {
            let path = place.appending(TemporaryFiles.name(Self.prefix))
            if case .failure(let code) = TemporaryFiles.create(path, { mkdir($0, 0o700) }) {
                if code == .fileExists { continue }
                throw .system(code, "cannot create a folder in", path: place)
            }
            do throws(ImageError) {
                if let made = try Self.locked(path) {
                    spare = try Self.spareDescriptors(of: made)
                    directory = made
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
        for descriptor in spare { close(descriptor) }
        TemporaryFiles.remove(directory: directory.path)
        TemporaryFiles.forget(directory.path)
    }

    /// Opens and locks it; `nil` where another run took it for a leftover.
    private static func locked(_ path: FilePath) throws(ImageError) -> DirectoryWriter? {
        let made: DirectoryWriter
        do throws(ImageError) {
            made = try DirectoryWriter(at: path)
        } catch {
            // Another run took it for a leftover, in the moment before it was locked.
            if error.code == .notFound { return nil }
            path.withPlatformString { _ = rmdir($0) }
            throw error
        }
        let isTaken = flock(made.descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK
        guard !isTaken, isStill(made.descriptor, at: path) else { return nil }
        return made
    }

    private static func spareDescriptors(of directory: borrowing DirectoryWriter) throws(ImageError) -> [Int32] {
        var spare: [Int32] = []
        for _ in 0..<TemporaryFiles.descriptorsToRemove {
            let descriptor = fcntl(directory.descriptor, F_DUPFD_CLOEXEC, 0)
            guard descriptor >= 0 else {
                let code = Errno.current
                for descriptor in spare { close(descriptor) }
                directory.path.withPlatformString { _ = rmdir($0) }
                throw .system(code, "cannot work in the folder", path: directory.path)
            }
            spare.append(descriptor)
        }
        return spare
    }

    /// Removes what killed runs of this user have left in a directory.
    static func removeLeftovers(in place: FilePath) {
        guard case .success(let names) = place.withPlatformString({ DirectoryNames.read(path: $0) }) else { return }
        for index in 0..<names.count {
            let name = String(decoding: names[index], as: UTF8.self)
            guard TemporaryFiles.isName(name, prefix) else { continue }
            let path = place.appending(name)
            let flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC
            let descriptor = path.withPlatformString { open($0, flags) }
            guard descriptor >= 0 else { continue }
            var status = stat()
            if flock(descriptor, LOCK_EX | LOCK_NB) == 0, fstat(descriptor, &status) == 0, status.st_uid == geteuid(),
                isStill(descriptor, at: path)
            {
                TemporaryFiles.remove(directory: path)
            }
            close(descriptor)
        }
    }

    private static func isStill(_ descriptor: Int32, at path: FilePath) -> Bool {
        var own = stat(), there = stat()
        return fstat(descriptor, &own) == 0 && path.withPlatformString({ lstat($0, &there) }) == 0
            && own.st_ino == there.st_ino && own.st_dev == there.st_dev
    }
}
