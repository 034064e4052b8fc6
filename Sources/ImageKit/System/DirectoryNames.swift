import Glibc
import SystemPackage

/// The names in a directory, sorted by their bytes, kept in one buffer.
struct DirectoryNames {
    private struct Entry {
        var start: Int
        /// What readdir(3) says of it (`d_type`), which may be that it does not know.
        var type: UInt8
    }

    private var bytes: [CChar] = []
    private var entries: [Entry] = []

    /// Reads an open directory. The descriptor stays open, and its position is not touched.
    static func read(_ descriptor: Int32) -> Result<DirectoryNames, Errno> {
        // Another open file of the same directory, since closedir closes what it was given.
        switch HostDirectory.take(openat(descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
        case .success(let directory): directory.names()
        case .failure(let code): .failure(code)
        }
    }

    /// Reads the directory at a path.
    static func read(path: UnsafePointer<CChar>) -> Result<DirectoryNames, Errno> {
        switch HostDirectory.take(opendir(path)) {
        case .success(let directory): directory.names()
        case .failure(let code): .failure(code)
        }
    }

    /// Reads a directory.
    static func read(directory: FilePath) throws(ImageError) -> DirectoryNames {
        switch directory.withPlatformString({ read(path: $0) }) {
        case .success(let names): return names
        case .failure(let errno): throw .system(errno, "cannot read the folder", path: directory)
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

    /// The names as texts; what is not UTF-8 in them is replaced.
    var texts: [String] { (0..<count).map { String(decoding: self[$0], as: UTF8.self) } }

    /// What the directory says that is of the name at `index` (`DT_DIR` and so on; `DT_UNKNOWN` from some filesystems).
    func type(at index: Int) -> UInt8 { entries[index].type }

    /// Calls `body` with the name at `index` as a C string, and its length.
    func withName<Value, Failure>(
        at index: Int, _ body: (UnsafePointer<CChar>, Int) throws(Failure) -> Value
    ) throws(Failure) -> Value {
        try bytes.withUnsafeBufferPointer { (bytes) throws(Failure) -> Value in
            // Every name ends in a zero, so there is always something to point at.
            guard let start = bytes.baseAddress.map({ $0 + entries[index].start }) else { return try body("", 0) }
            return try body(start, strlen(start))
        }
    }

    /// Whether two names are the same.
    func isSame(_ index: Int, _ other: Int) -> Bool {
        withName(at: index) { name, _ in withName(at: other) { other, _ in strcmp(name, other) == 0 } }
    }

    /// The bytes of the name at `index`, without the zero.
    subscript(index: Int) -> [UInt8] {
        withName(at: index) { start, length in Array(UnsafeRawBufferPointer(start: start, count: length)) }
    }
}
