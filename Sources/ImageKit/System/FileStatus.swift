import Glibc
import SystemPackage

/// The type of a file of this machine, and where paths and symbolic links lead.
enum FileStatus {
    /// The type and permissions of a file (`st_mode`). A symbolic link is not followed.
    static func mode(of path: FilePath) -> Result<mode_t, Errno> {
        var status = stat()
        return path.withPlatformString { lstat($0, &status) } == 0 ? .success(status.st_mode) : .failure(.current)
    }

    /// The type (`S_IFDIR`, `S_IFREG`, …) of the file that a path leads to; `nil` if it does not exist.
    static func type(of path: FilePath) -> mode_t? {
        var status = stat()
        return path.withPlatformString { stat($0, &status) } == 0 ? status.st_mode & S_IFMT : nil
    }

    /// Whether a directory has an entry of this name. It may be a symbolic link that leads nowhere.
    static func exists(_ name: String, in directory: FilePath) -> Bool {
        if case .success = mode(of: directory.appending(name)) { true } else { false }
    }

    /// The target of a symbolic link, as it is stored.
    static func linkTarget(of path: FilePath) -> Result<FilePath, Errno> {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(PATH_MAX) + 1) { buffer in
            // One byte is left for the final zero; a target cannot be longer.
            guard let start = buffer.baseAddress else { return .failure(.noMemory) }
            let length = path.withPlatformString { readlink($0, start, buffer.count - 1) }
            guard length >= 0 else { return .failure(.current) }
            buffer[length] = 0
            return .success(FilePath(platformString: start))
        }
    }

    /// The absolute path of the same file without symbolic links.
    static func realPath(of path: FilePath) -> Result<FilePath, Errno> {
        path.withPlatformString { name in
            guard let resolved = realpath(name, nil) else { return .failure(.current) }
            defer { free(resolved) }
            return .success(FilePath(platformString: resolved))
        }
    }
}
