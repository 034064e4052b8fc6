import Glibc
import SystemPackage

/// An open directory of the host, so that the files in it can be opened by their names alone.
struct HostDirectory: ~Copyable {
    private let stream: OpaquePointer

    /// Takes ownership of the result of opendir(3), which may be a failure. Must directly follow the call (`errno`).
    static func adopt(_ stream: OpaquePointer?) -> Result<HostDirectory, Errno> {
        guard let stream else { return .failure(.current) }
        return .success(HostDirectory(stream: stream))
    }

    /// Takes ownership of a directory's descriptor, or of a failure to open one. Must directly follow that call
    /// (`errno`).
    static func adopt(_ descriptor: Int32) -> Result<HostDirectory, Errno> {
        guard descriptor >= 0 else { return .failure(.current) }
        guard let stream = fdopendir(descriptor) else {
            let code = Errno.current
            close(descriptor)
            return .failure(code)
        }
        return .success(HostDirectory(stream: stream))
    }

    private init(stream: OpaquePointer) { self.stream = stream }

    deinit { closedir(stream) }

    /// The descriptor, for system calls that take a directory and a name.
    var descriptor: Int32 { dirfd(stream) }

    /// Reads the names of its entries. Can be called once only.
    func names() -> Result<DirectoryNames, Errno> {
        // A record ends with its name, so the name is never read as an array of 256 bytes, which is its declared type.
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

/// The names of a directory's entries, sorted by their bytes, in one buffer.
struct DirectoryNames {
    private struct Entry {
        /// The offset of the name in ``bytes``.
        var start: Int
        /// The file type that readdir(3) reports (`d_type`).
        var type: UInt8
    }

    private var bytes: [CChar] = []
    private var entries: [Entry] = []

    /// Reads an open directory. The descriptor stays open, and its position does not change.
    static func read(_ descriptor: Int32) -> Result<DirectoryNames, Errno> {
        // Opens the same directory again, because closedir(3) closes the descriptor that fdopendir(3) got.
        switch HostDirectory.adopt(openat(descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
        case .success(let directory): directory.names()
        case .failure(let code): .failure(code)
        }
    }

    /// Reads the directory at a path.
    static func read(path: UnsafePointer<CChar>) -> Result<DirectoryNames, Errno> {
        switch HostDirectory.adopt(opendir(path)) {
        case .success(let directory): directory.names()
        case .failure(let code): .failure(code)
        }
    }

    /// Reads the directory at a path.
    static func read(directory: FilePath) throws(ImageError) -> DirectoryNames {
        switch directory.withPlatformString({ read(path: $0) }) {
        case .success(let names): return names
        case .failure(let code): throw .system(code, "cannot read the folder", path: directory)
        }
    }

    mutating func append(_ name: UnsafePointer<CChar>, type: UInt8) {
        entries.append(Entry(start: bytes.count, type: type))
        bytes.append(contentsOf: UnsafeBufferPointer(start: name, count: strlen(name) + 1))
    }

    mutating func sort() {
        bytes.withUnsafeBufferPointer { bytes in
            guard let base = bytes.baseAddress else { return }
            entries.sort { strcmp(base + $0.start, base + $1.start) < 0 }  // strcmp compares as unsigned bytes
        }
    }

    var count: Int { entries.count }

    /// The names as text. Bytes that are not UTF-8 are replaced.
    var texts: [String] { (0..<count).map { String(decoding: self[$0], as: UTF8.self) } }

    /// The type of the entry at `index`: `DT_DIR` and so on. Some filesystems report `DT_UNKNOWN`.
    func type(at index: Int) -> UInt8 { entries[index].type }

    /// Calls `body` with the name at `index` as a C string, and its length in bytes.
    func withName<Value, Failure>(
        at index: Int, _ body: (UnsafePointer<CChar>, Int) throws(Failure) -> Value
    ) throws(Failure) -> Value {
        try bytes.withUnsafeBufferPointer { (bytes) throws(Failure) -> Value in
            // Every name ends in a zero, so the buffer is not empty and has an address.
            guard let start = bytes.baseAddress.map({ $0 + entries[index].start }) else { return try body("", 0) }
            return try body(start, strlen(start))
        }
    }

    /// Whether the names at two indices are equal.
    func isSame(_ first: Int, _ second: Int) -> Bool {
        withName(at: first) { first, _ in withName(at: second) { second, _ in strcmp(first, second) == 0 } }
    }

    /// The bytes of the name at `index`, without the final zero.
    subscript(index: Int) -> [UInt8] {
        withName(at: index) { start, length in Array(UnsafeRawBufferPointer(start: start, count: length)) }
    }
}
