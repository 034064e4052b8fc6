import Glibc
import SystemPackage

/// Files and links of a scan.
extension HostScanner {
    /// Files of at most this size are kept in memory, in bytes: opening a file again takes longer than all other work
    /// on it. (A limit of 4 KiB would need twice the memory.)
    static let maximumKeptSize = 2048

    /// The file may have been replaced with a pipe. Opening it must not wait for a writer.
    private static let openFlags = O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK

    /// Adds a file or link by its whole path: the path of the scan itself, or the target of a followed link.
    mutating func addLeaf(at path: [UInt8], _ status: stat) throws(ImageError) -> FileTree.NodeID {
        if let known = knownNode(status) { return known }
        let node: FileTree.NodeID
        if status.st_mode & S_IFMT == S_IFLNK {
            let count = Self.withCString(path) { buffer.readLink(AT_FDCWD, $0) }
            node = tree.addSymlink(to: try checkedTarget(ofLength: count, path: path), attributes(status))
        } else {
            func name() -> [UInt8] { path.split(separator: 0x2F).last.map { Array($0) } ?? [] }
            let directory = tree.hostFiles.addRoot(FilePath(bytes: path).removingLastComponent())
            if status.st_mode & S_IFMT == S_IFREG, rules.joinsByContent {
                return try readFile(Self.withCString(path) { open($0, Self.openFlags) }, in: directory, name: name) {
                    path
                }
            }
            node = try addFile(name(), in: directory, status) { path }
        }
        remember(node, status)
        return node
    }

    /// Adds the regular file of a name, and reads its first block.
    mutating func readFile(
        at index: Int, of level: Level, in open: borrowing HostDirectory
    ) throws(ImageError) -> FileTree.NodeID {
        let directory = open.descriptor
        let descriptor = level.names.withName(at: index) { name, _ in openat(directory, name, Self.openFlags) }
        return try readFile(descriptor, in: level.directory) {
            level.names[index]
        } path: {
            Self.path(of: level.names[index], in: level.path)
        }
    }

    /// Adds a regular file that will be joined by content: with all of its bytes if it is short, otherwise with the
    /// fingerprint of its first block.
    ///
    /// - Parameter descriptor: the open file, which is closed; or the result of failing to open it.
    private mutating func readFile(
        _ descriptor: Int32, in directory: HostFiles.DirectoryID, name: () -> [UInt8], path: () -> [UInt8]
    ) throws(ImageError) -> FileTree.NodeID {
        guard descriptor >= 0 else {
            throw .system(.current, "cannot open", path: FilePath(bytes: path()))
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw Self.unreadable(path()) }
        if let known = knownNode(status) { return known }
        var fingerprint: UInt64 = 0
        if status.st_mode & S_IFMT == S_IFREG {
            let length = min(max(0, Int(status.st_size)), Fingerprint.length)
            let count = try OpenFile.read(
                descriptor, into: UnsafeMutableRawBufferPointer(rebasing: buffer.memory[..<length]), at: 0,
                path: FilePath(bytes: path()))
            let bytes = UnsafeRawBufferPointer(rebasing: buffer.memory[..<count])
            // A file that changes now stays a host file, so that the later reader finds the change.
            if count == status.st_size, mayKeep(count), isUnchanged(descriptor, status) {
                let node = tree.addFile(bytes, attributes(status))
                remember(node, status)
                return node
            }
            fingerprint = Fingerprint.of(bytes)
        }
        let node = try addFile(name(), in: directory, status, fingerprint: fingerprint, path: path)
        remember(node, status)
        return node
    }

    /// Whether `count` bytes may be kept in memory. If so, they are subtracted from the number that is left.
    private func mayKeep(_ count: Int) -> Bool {
        guard count <= Self.maximumKeptSize, let kept = rules.kept else { return false }
        return kept.change { left in
            guard count <= left else { return false }
            left -= count
            return true
        }
    }

    private func isUnchanged(_ descriptor: Int32, _ before: stat) -> Bool {
        var after = stat()
        return fstat(descriptor, &after) == 0 && HostFiles.Identity(after) == HostFiles.Identity(before)
    }

    /// Adds a host file.
    /// - Throws: ``ImageError/Code/invalidInput`` for a pipe, socket or device.
    mutating func addFile(
        _ name: [UInt8], in directory: HostFiles.DirectoryID, _ status: stat, fingerprint: UInt64 = 0,
        path: () -> [UInt8]
    ) throws(ImageError) -> FileTree.NodeID {
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw ImageError(
                .invalidInput, "cannot put into an image", path: Self.string(path()),
                reason: "it is a \(Self.kindName(status.st_mode)), and only files, folders and symbolic links can be",
                remedy: "remove it")
        }
        let file = tree.hostFiles.addFile(
            name, in: directory, identity: HostFiles.Identity(status), fingerprint: fingerprint)
        return tree.addFile(file, attributes(status))
    }

    private static func kindName(_ mode: mode_t) -> String {
        switch mode & S_IFMT {
        case S_IFIFO: "named pipe"
        case S_IFSOCK: "socket"
        case S_IFBLK: "block device"
        case S_IFCHR: "character device"
        default: "file of an unknown kind"
        }
    }

    // MARK: Links

    /// The target of the link with a name, in the buffer.
    func readTarget(
        at index: Int, of level: Level, in open: borrowing HostDirectory
    ) throws(ImageError) -> UnsafeRawBufferPointer {
        let directory = open.descriptor
        let count = level.names.withName(at: index) { name, _ in buffer.readLink(directory, name) }
        return try checkedTarget(ofLength: count, path: Self.path(of: level.names[index], in: level.path))
    }

    /// The target of a link in the buffer, from the result of reading it.
    private func checkedTarget(
        ofLength count: Int, path: @autoclosure () -> [UInt8]
    ) throws(ImageError) -> UnsafeRawBufferPointer {
        if count < 0 {
            throw .system(.current, "cannot read the link", path: FilePath(bytes: path()))
        }
        guard count < ScanBuffer.length else {
            throw ImageError(
                .doesNotFit, "cannot store the link", path: Self.string(path()),
                reason: "its target is longer than 4,095 bytes, the longest that ext4 can hold")
        }
        return UnsafeRawBufferPointer(rebasing: buffer.memory[..<count])
    }

    /// The node of a file that another name led to.
    func knownNode(_ status: stat) -> FileTree.NodeID? {
        status.st_nlink > 1 ? links.nodes[FileTree.HostLinks.Key(status)] : nil
    }

    /// Records the node of a file with several names.
    mutating func remember(_ node: FileTree.NodeID, _ status: stat) {
        if status.st_nlink > 1 { links.nodes[FileTree.HostLinks.Key(status)] = node }
    }
}

extension FileTree.HostLinks.Key {
    fileprivate init(_ status: stat) {
        let identity = HostFiles.Identity(status)
        self.init(device: identity.device, inode: identity.inode)
    }
}
