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
            empty(descriptor)
            close(descriptor)
        }
        return rmdir(folder.string) == 0 || errno == ENOENT
    }

    private static func empty(_ folder: Int32) {
        fchmod(folder, 0o700)
        guard case .success(let names) = DirectoryNames.read(folder) else { return }
        for index in 0..<names.count {
            names.withName(at: index) { name, _ in
                if unlinkat(folder, name, 0) == 0 { return }
                let child = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
                if child >= 0 {
                    empty(child)
                    close(child)
                }
                unlinkat(folder, name, AT_REMOVEDIR)
            }
        }
    }
}
