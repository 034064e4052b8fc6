public import SystemPackage

/// A table of the host's files that an image contains: the path of each, and its identity when it was planned.
///
/// A closure has a hundred thousand files, so a path is stored as a directory and a name, and all names are in one
/// buffer. Directories and files are added while trees are scanned. Afterwards the table is only read.
public struct HostFiles: Sendable {
    /// A directory in the table.
    public struct DirectoryID: Hashable, Sendable { let index: UInt32 }
    /// A file in the table.
    public struct FileID: Hashable, Sendable { let index: UInt32 }

    /// Identifies a file, to check later that it is still the one that was planned.
    ///
    /// (The change time is not part of it. Optimising a store and collecting garbage add and remove hard links, which
    /// updates the change time.)
    public struct Identity: Hashable, Sendable {
        /// Device and inode number.
        public var device: UInt64, inode: UInt64
        /// Size in bytes.
        public var size: UInt64
        /// The modification time in nanoseconds since 1970. In a store it is 1 s, unless the file was written to.
        public var modified: Int64
    }

    struct Directory: Sendable {
        var parent: UInt32  // its own index for a root
        var name: UInt32
        var nameLength: UInt32
    }

    struct File: Sendable {
        var directory: UInt32
        var name: UInt32
        var nameLength: UInt32
        var identity: Identity
        var fingerprint: UInt64
    }

    private var names: [UInt8] = []
    private var directories: [Directory] = []
    private var files: [File] = []

    /// An empty table.
    public init() {}

    /// The number of files.
    public var count: Int { files.count }

    /// Adds a directory by its full path.
    public mutating func addRoot(_ path: FilePath) -> DirectoryID {
        let index = UInt32(directories.count)
        let (name, length) = appendName(path.bytes)
        directories.append(Directory(parent: index, name: name, nameLength: length))
        return DirectoryID(index: index)
    }

    /// Adds a directory inside another.
    public mutating func addDirectory(_ name: some Collection<UInt8>, in parent: DirectoryID) -> DirectoryID {
        let (offset, length) = appendName(name)
        directories.append(Directory(parent: parent.index, name: offset, nameLength: length))
        return DirectoryID(index: UInt32(directories.count - 1))
    }

    /// Adds a file inside a directory.
    public mutating func addFile(
        _ name: some Collection<UInt8>, in directory: DirectoryID, identity: Identity
    ) -> FileID {
        addFile(name, in: directory, identity: identity, fingerprint: 0)
    }

    /// Adds a file inside a directory.
    ///
    /// - Parameter fingerprint: its ``Fingerprint``; 0 if its first block was not read.
    mutating func addFile(
        _ name: some Collection<UInt8>, in directory: DirectoryID, identity: Identity, fingerprint: UInt64
    ) -> FileID {
        let (offset, length) = appendName(name)
        files.append(
            File(
                directory: directory.index, name: offset, nameLength: length, identity: identity,
                fingerprint: fingerprint))
        return FileID(index: UInt32(files.count - 1))
    }

    /// Adds all directories and files of another table.
    ///
    /// - Returns: the index of its first file in this table.
    mutating func append(_ other: HostFiles) -> UInt32 {
        let firstDirectory = UInt32(directories.count), firstFile = UInt32(files.count), firstName = UInt32(names.count)
        for var directory in other.directories {
            directory.parent += firstDirectory
            directory.name += firstName
            directories.append(directory)
        }
        for var file in other.files {
            file.directory += firstDirectory
            file.name += firstName
            files.append(file)
        }
        names += other.names
        return firstFile
    }

    /// The file's identity when it was added.
    public func identity(of file: FileID) -> Identity { files[Int(file.index)].identity }

    /// The file's ``Fingerprint``; 0 if its first block was not read.
    func fingerprint(of file: FileID) -> UInt64 { files[Int(file.index)].fingerprint }

    /// The file's path.
    public func path(of file: FileID) -> FilePath {
        FilePath(platformString: pathBytes(of: file))
    }

    /// The file's path as bytes with a final zero, for system calls.
    func pathBytes(of file: FileID) -> [CChar] {
        let entry = files[Int(file.index)]
        var components: [(UInt32, UInt32)] = [(entry.name, entry.nameLength)]
        var directory = entry.directory
        while true {
            let next = directories[Int(directory)]
            components.append((next.name, next.nameLength))
            if next.parent == directory { break }
            directory = next.parent
        }
        var path: [CChar] = []
        path.reserveCapacity(192)
        for (offset, length) in components.reversed() {
            if let last = path.last, last != 0x2F { path.append(0x2F) }
            for byte in names[Int(offset)..<Int(offset) + Int(length)] { path.append(CChar(bitPattern: byte)) }
        }
        path.append(0)
        return path
    }

    private mutating func appendName(_ name: some Collection<UInt8>) -> (UInt32, UInt32) {
        let offset = UInt32(names.count)
        names.append(contentsOf: name)
        return (offset, UInt32(names.count) - offset)
    }
}
