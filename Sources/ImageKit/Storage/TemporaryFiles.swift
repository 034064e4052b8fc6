import Synchronization
import SystemPackage

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// The temporary files that exist now, for a program that is told to end.
public enum TemporaryFiles {
    private static let paths = Mutex<Set<FilePath>>([])
    private static let isEnding = Atomic<Bool>(false)

    /// To be called before the file is created. When the program is ending it does not come back.
    static func remember(_ path: FilePath) {
        paths.withLock { _ = $0.insert(path) }
        while isEnding.load(ordering: .sequentiallyConsistent) { pause() }
    }

    static func forget(_ path: FilePath) { paths.withLock { _ = $0.remove(path) } }

    /// Removes them all; to be called right before the process ends, from a thread (not from a signal handler).
    public static func removeAll() {
        isEnding.store(true, ordering: .sequentiallyConsistent)
        paths.withLock { for path in $0 { unlink(path.string) } }
    }
}
