import Glibc
import Synchronization
import SystemPackage

/// The temporary files and directories that exist now, for a program that is told to end.
public enum TemporaryFiles {
    /// (Not a `Mutex`: who waits for one while it is held for long is taken for a race by the thread sanitizer.)
    private static let paths = Monitor(Set<FilePath>())
    private static let isEnding = Atomic<Bool>(false)

    /// A new name: the prefix, eight digits and `.tmp`.
    static func name(_ prefix: String) -> String { prefix + UInt32.random(in: .min ... .max).digits(width: 8) + ".tmp" }

    /// Whether a name is exactly one that ``name(_:)`` gives.
    static func isName(_ name: String, _ prefix: String) -> Bool {
        guard name.hasPrefix(prefix), name.hasSuffix(".tmp") else { return false }
        let digits = name.utf8.dropFirst(prefix.utf8.count).dropLast(4)
        return digits.count == 8
            && digits.allSatisfy {
                (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
                    || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains($0)
            }
    }

    /// Creates a file or directory, and remembers it in the same step, so that ``removeAll()`` sees all there are. When the program
    /// is ending it does not come back.
    ///
    /// - Parameter create: what creates it: gives a negative number, and sets `errno`, where that failed.
    /// - Returns: what `create` gave, or why it failed.
    static func create(_ path: FilePath, _ create: (UnsafePointer<CChar>) -> Int32) -> Result<Int32, Errno> {
        let made = paths.change { known -> Result<Int32, Errno>? in
            if isEnding.load(ordering: .sequentiallyConsistent) { return nil }
            let code = path.withPlatformString(create)
            guard code >= 0 else { return .failure(.current) }
            known.insert(path)
            return .success(code)
        }
        while true {
            if let made { return made }
            waitIfEnding()
        }
    }

    /// Does not come back when the program is ending: what fails from then on fails because its files are being removed, and
    /// is nothing to tell anybody.
    public static func waitIfEnding() {
        while isEnding.load(ordering: .sequentiallyConsistent) { pause() }
    }

    /// Whether the program is about to end, so that nothing new should be written.
    static var areGoing: Bool { isEnding.load(ordering: .relaxed) }

    static func forget(_ path: FilePath) { paths.change { _ = $0.remove(path) } }

    /// Removes them all; to be called right before the process ends, from a thread (not from a signal handler).
    public static func removeAll() {
        isEnding.store(true, ordering: .sequentiallyConsistent)
        paths.change {
            for path in $0 where path.withPlatformString({ unlink($0) }) != 0 && (errno == EISDIR || errno == EPERM) {
                // Other threads may still be filling it.
                var attempts = 0
                while !remove(directory: path), attempts < 50 {
                    usleep(20_000)
                    attempts += 1
                }
            }
        }
    }

    /// Removes a directory and what is in it, as far as that can be. Links are removed, not followed.
    @discardableResult
    static func remove(directory: FilePath) -> Bool {
        let flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC
        let descriptor = directory.withPlatformString { open($0, flags) }
        if descriptor >= 0 {
            // Directories that lay too deep are at the top the next time.
            while case .success(let names) = DirectoryNames.read(descriptor),
                empty(descriptor, names, top: descriptor, level: 0)
            {}
            close(descriptor)
        }
        return directory.withPlatformString { rmdir($0) } == 0 || errno == ENOENT
    }

    /// As many levels of directories below the top are open at a time. (On a full disk there may be no room at the top for what is
    /// moved, so nothing is where that can be helped.)
    private static let depthLimit = 100
    /// With as many descriptors any directory can be removed: for the top, one in it, and that one's names.
    static let descriptorsToRemove = 3

    /// Removes what is in a directory. Directories in it that lie too deep, or that cannot be opened because too many are, are moved
    /// to the top.
    /// - Returns: whether any was moved.
    private static func empty(_ directory: Int32, _ names: DirectoryNames, top: Int32, level: Int) -> Bool {
        fchmod(directory, 0o700)
        var hasMoved = false
        for index in 0..<names.count {
            names.withName(at: index) { name, _ in
                // Only of a directory is it certain that the mode is set of nothing else.
                guard unlinkat(directory, name, 0) != 0, errno == EISDIR else { return }
                // Not even its owner may look into it, or move it, as it is.
                fchmodat(directory, name, 0o700, 0)
                let flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC
                let child = level < depthLimit ? openat(directory, name, flags) : -1
                defer { if child >= 0 { close(child) } }
                if child >= 0, case .success(let inner) = DirectoryNames.read(child) {
                    if empty(child, inner, top: top, level: level + 1) { hasMoved = true }
                    unlinkat(directory, name, AT_REMOVEDIR)
                } else if level > 0 {
                    let newName = String(UInt64.random(in: .min ... .max), radix: 16)
                    if renameat(directory, name, top, newName) == 0 { hasMoved = true }
                }
            }
        }
        return hasMoved
    }
}
