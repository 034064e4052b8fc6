import Synchronization
import SystemPackage

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// The temporary files and folders that exist now, for a program that is told to end.
public enum TemporaryFiles {
    private static let paths = Mutex<Set<FilePath>>([])
    private static let isEnding = Atomic<Bool>(false)

    /// To be called before the file or folder is created. When the program is ending it does not come back.
    static func remember(_ path: FilePath) {
        paths.withLock { _ = $0.insert(path) }
        waitIfEnding()
    }

    /// Does not come back when the program is ending: what fails from then on fails because its files are being removed, and
    /// is nothing to tell anybody.
    public static func waitIfEnding() {
        while isEnding.load(ordering: .sequentiallyConsistent) { pause() }
    }

    /// Whether the program is about to end, so that nothing new should be written.
    static var areGoing: Bool { isEnding.load(ordering: .relaxed) }

    static func forget(_ path: FilePath) { paths.withLock { _ = $0.remove(path) } }

    /// Removes them all; to be called right before the process ends, from a thread (not from a signal handler).
    public static func removeAll() {
        isEnding.store(true, ordering: .sequentiallyConsistent)
        paths.withLock {
            for path in $0 where unlink(path.string) != 0 && (errno == EISDIR || errno == EPERM) {
                // Other threads may still be filling it.
                var attempts = 0
                while !remove(folder: path), attempts < 50 {
                    usleep(20_000)
                    attempts += 1
                }
            }
        }
    }

    /// Removes a folder and what is in it, as far as that can be. Links are removed, not followed.
    @discardableResult
    static func remove(folder: FilePath) -> Bool {
        let descriptor = open(folder.string, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        if descriptor >= 0 {
            // Once for every so many levels. (Folders are read whole, and what is moved to the top is not seen in the same turn.)
            while empty(descriptor, top: descriptor, level: 0) {}
            close(descriptor)
        }
        return rmdir(folder.string) == 0 || errno == ENOENT
    }

    /// As many levels of folders below the top are open at a time.
    private static let depthLimit = 1
    /// As many descriptors it takes to remove a folder: for the top, one in it, and that one's names.
    static let descriptorsToRemove = depthLimit + 2

    /// Removes what is in a folder; folders that lie too deep are moved to the top, to be emptied from there.
    /// - Returns: whether any was.
    private static func empty(_ folder: Int32, top: Int32, level: Int) -> Bool {
        fchmod(folder, 0o700)
        guard case .success(let names) = DirectoryNames.read(folder) else { return false }
        var hasMoved = false
        for index in 0..<names.count {
            names.withName(at: index) { name, _ in
                if unlinkat(folder, name, 0) == 0 { return }
                if level == depthLimit {
                    // Its owner must be able to write into what is moved.
                    fchmodat(folder, name, 0o700, 0)
                    let newName = String(UInt64.random(in: .min ... .max), radix: 16)
                    if renameat(folder, name, top, newName) == 0 { hasMoved = true }
                    return
                }
                let child = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
                if child >= 0 {
                    if empty(child, top: top, level: level + 1) { hasMoved = true }
                    close(child)
                }
                unlinkat(folder, name, AT_REMOVEDIR)
            }
        }
        return hasMoved
    }
}
