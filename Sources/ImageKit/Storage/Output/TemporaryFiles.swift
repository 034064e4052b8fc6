import Glibc
import Synchronization
import SystemPackage

/// The temporary files and directories that exist now, so that a program that gets a signal can remove them.
package enum TemporaryFiles {
    /// (Not a `Mutex`: the thread sanitizer reports a race if a thread waits long for one.)
    private static let paths = Monitor(Set<FilePath>())
    private static let isEnding = Atomic<Bool>(false)

    /// A new name: the prefix, eight hexadecimal digits and `.tmp`.
    static func name(_ prefix: String) -> String { prefix + UInt32.random(in: .min ... .max).digits(width: 8) + ".tmp" }

    /// Whether a name has exactly the form of the names that ``name(_:)`` returns.
    static func isName(_ name: String, _ prefix: String) -> Bool {
        guard name.hasPrefix(prefix), name.hasSuffix(".tmp") else { return false }
        let digits = name.utf8.dropFirst(prefix.utf8.count).dropLast(4)
        return digits.count == 8
            && digits.allSatisfy {
                (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
                    || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains($0)
            }
    }

    /// Creates a file or directory, and records it in the same step, so that ``removeAll()`` removes all. Does not
    /// return if the program is ending.
    ///
    /// - Parameter create: creates it. Returns a negative number, and sets `errno`, if that fails.
    /// - Returns: the result of `create`, or its error.
    static func create(_ path: FilePath, _ create: (UnsafePointer<CChar>) -> Int32) -> Result<Int32, Errno> {
        let created = paths.change { known -> Result<Int32, Errno>? in
            if isEnding.load(ordering: .sequentiallyConsistent) { return nil }
            let code = path.withPlatformString(create)
            guard code >= 0 else { return .failure(.current) }
            known.insert(path)
            return .success(code)
        }
        while true {
            if let created { return created }
            waitIfEnding()
        }
    }

    /// Does not return if the program is ending. Later failures are consequences of the cleanup, and must not be
    /// reported.
    package static func waitIfEnding() {
        while isEnding.load(ordering: .sequentiallyConsistent) { pause() }
    }

    /// Whether the program is ending, so that nothing more should be written.
    static var areBeingRemoved: Bool { isEnding.load(ordering: .relaxed) }

    static func forget(_ path: FilePath) { paths.change { _ = $0.remove(path) } }

    /// Removes all. Call it directly before the process ends, from a thread and not from a signal handler.
    package static func removeAll() {
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

    /// Removes the leftovers of killed runs: entries of a directory that have a temporary name and are not locked.
    ///
    /// - Parameters:
    ///   - prefix: the prefix of the temporary names.
    ///   - flags: how to open an entry. A symbolic link is not opened.
    ///   - remove: removes an entry. Gets its path and its descriptor, which has the lock.
    static func removeLeftovers(
        in directory: FilePath, prefix: String, _ flags: Int32, _ remove: (FilePath, Int32) -> Void
    ) {
        guard case .success(let names) = directory.withPlatformString({ DirectoryNames.read(path: $0) }) else { return }
        for name in names.texts where isName(name, prefix) {
            let path = directory.appending(name)
            let descriptor = path.withPlatformString { open($0, flags | O_NOFOLLOW | O_CLOEXEC) }
            guard descriptor >= 0 else { continue }
            if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { remove(path, descriptor) }
            close(descriptor)
        }
    }

    /// Removes a directory with its content, as far as possible. Symbolic links are removed, not followed.
    /// - Returns: whether it is gone.
    @discardableResult
    static func remove(directory: FilePath) -> Bool {
        let flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC
        let descriptor = directory.withPlatformString { open($0, flags) }
        if descriptor >= 0 {
            // Directories that were nested too deep are at the top in the next round.
            while case .success(let names) = DirectoryNames.read(descriptor),
                empty(descriptor, names, top: descriptor, level: 0)
            {}
            close(descriptor)
        }
        return directory.withPlatformString { rmdir($0) } == 0 || errno == ENOENT
    }

    /// The maximum number of levels below the top that are open at a time. (Deeper directories are moved to the top.
    /// That may fail on a full disk, so it is the exception.)
    private static let maximumDepth = 100
    /// The number of descriptors that suffice to remove any directory: the top, a directory in it, and the latter's
    /// names.
    static let descriptorsToRemove = 3

    /// Removes the content of a directory. Moves directories to the top if they are nested too deep, or cannot be
    /// opened because too many files are open.
    /// - Returns: whether any directory was moved.
    private static func empty(_ directory: Int32, _ names: DirectoryNames, top: Int32, level: Int) -> Bool {
        fchmod(directory, 0o700)
        var hasMoved = false
        for index in 0..<names.count {
            names.withName(at: index) { name, _ in
                // fchmodat(2) follows symbolic links, so it is only safe on a directory.
                guard unlinkat(directory, name, 0) != 0, errno == EISDIR else { return }
                // Its mode may forbid even its owner to read or move it.
                fchmodat(directory, name, 0o700, 0)
                let flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC
                let child = level < maximumDepth ? openat(directory, name, flags) : -1
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
