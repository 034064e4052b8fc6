import SystemPackage

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A folder for what is made before it gets its name: `.mkpiimg-XXXXXXXX.tmp`, removed with all that is left in it when
/// this value goes away.
///
/// While it is used it is locked; unlocked ones are leftovers of killed runs, which the next run in the same place removes.
struct TemporaryFolder: ~Copyable {
    /// The folder, open.
    let folder: NewFolder
    /// Kept for the removal, which must not fail where no more files may be opened.
    private let spare: [Int32]

    private static let prefix = ".mkpiimg-"

    /// Makes a folder in another one.
    init(in place: FilePath) throws(ImageError) {
        while true {
            let path = place.appending(TemporaryFiles.name(Self.prefix))
            TemporaryFiles.remember(path)
            do throws(ImageError) {
                if let made = try Self.make(path, in: place) {
                    spare = try Self.spareDescriptors(of: made)
                    folder = made
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
        TemporaryFiles.remove(folder: folder.path)
        TemporaryFiles.forget(folder.path)
    }

    /// Makes and locks it; `nil` where the name is somebody else's.
    private static func make(_ path: FilePath, in place: FilePath) throws(ImageError) -> NewFolder? {
        guard mkdir(path.string, 0o700) == 0 else {
            if errno == EEXIST { return nil }
            throw .system(Errno(rawValue: errno), "cannot create a folder in", path: place)
        }
        let made: NewFolder
        do throws(ImageError) {
            made = try NewFolder(at: path)
        } catch {
            // Another run took it for a leftover, in the moment before it was locked.
            if error.code == .notFound { return nil }
            rmdir(path.string)
            throw error
        }
        let isTaken = flock(made.descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK
        guard !isTaken, isStill(made.descriptor, at: path) else { return nil }
        return made
    }

    private static func spareDescriptors(of folder: borrowing NewFolder) throws(ImageError) -> [Int32] {
        var spare: [Int32] = []
        for _ in 0..<TemporaryFiles.descriptorsToRemove {
            let descriptor = fcntl(folder.descriptor, F_DUPFD_CLOEXEC, 0)
            guard descriptor >= 0 else {
                let code = Errno(rawValue: errno)
                for descriptor in spare { close(descriptor) }
                rmdir(folder.path.string)
                throw .system(code, "cannot work in the folder", path: folder.path)
            }
            spare.append(descriptor)
        }
        return spare
    }

    /// Removes what killed runs of this user have left in a folder.
    static func removeLeftovers(in place: FilePath) {
        guard case .success(let names) = DirectoryNames.read(path: place.string) else { return }
        for index in 0..<names.count {
            let name = String(decoding: names[index], as: UTF8.self)
            guard TemporaryFiles.isName(name, prefix) else { continue }
            let path = place.appending(name)
            let descriptor = open(path.string, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
            guard descriptor >= 0 else { continue }
            var status = stat()
            if flock(descriptor, LOCK_EX | LOCK_NB) == 0, fstat(descriptor, &status) == 0, status.st_uid == geteuid(),
                isStill(descriptor, at: path)
            {
                TemporaryFiles.remove(folder: path)
            }
            close(descriptor)
        }
    }

    private static func isStill(_ descriptor: Int32, at path: FilePath) -> Bool {
        var own = stat(), there = stat()
        return fstat(descriptor, &own) == 0 && lstat(path.string, &there) == 0 && own.st_ino == there.st_ino
            && own.st_dev == there.st_dev
    }
}
