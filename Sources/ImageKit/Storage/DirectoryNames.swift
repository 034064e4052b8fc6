import SystemPackage

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// The names in a folder, sorted by their bytes, kept in one buffer.
struct DirectoryNames {
    private var bytes: [CChar] = []
    private var starts: [Int] = []

    /// Reads an open folder. The descriptor stays open, and its position is not touched.
    static func read(_ descriptor: Int32) -> Result<DirectoryNames, Errno> {
        // Another open file of the same folder, since closedir closes what it was given.
        read(taking: openat(descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC))
    }

    /// Reads the folder at a path.
    static func read(path: UnsafePointer<CChar>) -> Result<DirectoryNames, Errno> {
        read(taking: open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC))
    }

    /// Reads a folder.
    static func read(folder: FilePath) throws(ImageError) -> DirectoryNames {
        switch folder.withPlatformString({ read(path: $0) }) {
        case .success(let names): return names
        case .failure(let errno): throw .system(errno, "cannot read the folder", path: folder)
        }
    }

    private static func read(taking own: Int32) -> Result<DirectoryNames, Errno> {
        guard own >= 0 else { return .failure(Errno(rawValue: errno)) }
        guard let stream = fdopendir(own) else {
            let code = errno
            close(own)
            return .failure(Errno(rawValue: code))
        }
        defer { closedir(stream) }
        // The record is only as long as its name, so the name is never read as the 256 bytes that its type has.
        guard let nameOffset = MemoryLayout<dirent>.offset(of: \.d_name) else { return .failure(.notSupported) }
        var names = DirectoryNames()
        while true {
            errno = 0
            guard let record = readdir(stream) else { break }
            let name = (UnsafeRawPointer(record) + nameOffset).assumingMemoryBound(to: CChar.self)
            if strcmp(name, ".") == 0 || strcmp(name, "..") == 0 { continue }
            names.starts.append(names.bytes.count)
            names.bytes.append(contentsOf: UnsafeBufferPointer(start: name, count: strlen(name) + 1))
        }
        guard errno == 0 else { return .failure(Errno(rawValue: errno)) }
        names.sort()
        return .success(names)
    }

    private mutating func sort() {
        bytes.withUnsafeBufferPointer { bytes in
            guard let base = bytes.baseAddress else { return }
            starts.sort { strcmp(base + $0, base + $1) < 0 }  // strcmp compares as unsigned bytes
        }
    }

    var count: Int { starts.count }

    /// The names as texts; what is not UTF-8 in them is replaced.
    var texts: [String] { (0..<count).map { String(decoding: self[$0], as: UTF8.self) } }

    /// Calls `body` with the name at `index` as a C string, and its length.
    func withName<Value>(at index: Int, _ body: (UnsafePointer<CChar>, Int) -> Value) -> Value {
        bytes[starts[index]...].withUnsafeBufferPointer { name in
            // Every name ends in a zero, so there is always something to point at.
            guard let start = name.baseAddress else { return withUnsafePointer(to: 0) { body($0, 0) } }
            return body(start, strlen(start))
        }
    }

    /// The bytes of the name at `index`, without the zero.
    subscript(index: Int) -> [UInt8] {
        withName(at: index) { start, length in Array(UnsafeRawBufferPointer(start: start, count: length)) }
    }
}
