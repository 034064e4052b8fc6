import Glibc
import SystemPackage

/// A directory of the host that is open, so that what is in it can be had by its name alone.
struct HostDirectory: ~Copyable {
    private let stream: OpaquePointer

    /// Takes over what opendir(3) gave just now.
    static func take(_ stream: OpaquePointer?) -> Result<HostDirectory, Errno> {
        guard let stream else { return .failure(.current) }
        return .success(HostDirectory(stream: stream))
    }

    /// Takes over a descriptor of a directory.
    static func take(_ descriptor: Int32) -> Result<HostDirectory, Errno> {
        guard descriptor >= 0 else { return .failure(.current) }
        guard let stream = fdopendir(descriptor) else {
            let code = errno
            close(descriptor)
            return .failure(Errno(rawValue: code))
        }
        return .success(HostDirectory(stream: stream))
    }

    private init(stream: OpaquePointer) { self.stream = stream }

    deinit { closedir(stream) }

    /// For the calls that take a directory and a name.
    var descriptor: Int32 { dirfd(stream) }

    /// The names in it. To be asked once.
    func names() -> Result<DirectoryNames, Errno> {
        // The record is only as long as its name, so the name is never read as the 256 bytes that its type has.
        guard let nameOffset = MemoryLayout<dirent>.offset(of: \.d_name) else { return .failure(.notSupported) }
        var names = DirectoryNames()
        while true {
            errno = 0
            guard let record = readdir(stream) else { break }
            let name = (UnsafeRawPointer(record) + nameOffset).assumingMemoryBound(to: CChar.self)
            if strcmp(name, ".") == 0 || strcmp(name, "..") == 0 { continue }
            names.append(name, type: record.pointee.d_type)
        }
        guard errno == 0 else { return .failure(.current) }
        names.sort()
        return .success(names)
    }
}
