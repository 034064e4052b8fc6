import Glibc
import SystemPackage

/// One walk over a host directory.
///
/// Directories are read whole, one at a time and without recursion, so neither the depth of a tree nor the number of open files
/// matters: first all that is in a directory but other directories, by names in the open directory, which need no walk from the root;
/// then one directory in it after the other.
struct HostScanner {
    var tree: FileTree
    let rules: FileTree.ScanRules
    var links: FileTree.HostLinks
    let progress: Progress?
    /// What is scanned, and the names seen of it so far.
    private var top = FilePath()
    private var visited = 0
    /// For a link's target, or a file's first block.
    private let buffer = ScanBuffer()

    init(tree: FileTree, rules: FileTree.ScanRules, links: FileTree.HostLinks, progress: Progress?) {
        self.tree = tree
        self.rules = rules
        self.links = links
        self.progress = progress
    }

    /// A directory some of whose directories have yet to be visited.
    private struct Level {
        /// Its index in the directory above.
        var index: Int
        var directory: HostFiles.DirectoryID
        var path: [UInt8]
        var status: stat
        var names: DirectoryNames
        /// What each name is.
        var nodes: [FileTree.NodeID] = []
        /// The directories in it that are still to be visited, and where they are; the last one first.
        var pending: [(index: Int, path: [UInt8])] = []
    }

    mutating func scan(_ top: FilePath) throws(ImageError) -> FileTree.NodeID {
        var status = stat()
        let path = try place(top.bytes, &status)
        guard status.st_mode & S_IFMT == S_IFDIR else { return try leaf(at: path, status) }
        self.top = top
        let directory = tree.hostFiles.addRoot(FilePath(bytes: path))
        var levels = [try enter(path, called: path, directory, index: 0, below: [])]
        while true {
            let depth = levels.count - 1
            if let (index, path) = levels[depth].pending.popLast() {
                try progress?.checkCancelled()
                let name = levels[depth].names[index]
                let named = Self.path(of: name, in: levels[depth].path)
                let directory =
                    path == named
                    ? tree.hostFiles.addDirectory(name, in: levels[depth].directory)
                    : tree.hostFiles.addRoot(FilePath(bytes: path))
                levels.append(try enter(path, called: named, directory, index: index, below: levels))
            } else {
                let level = levels.removeLast()
                let node = try tree.addDirectory(level.names, level.nodes, attributes(level.status))
                if levels.isEmpty { return node }
                levels[depth - 1].nodes[level.index] = node
            }
        }
    }

    /// Adds what is in a directory but the directories in it.
    ///
    /// - Parameter name: its path before links were followed.
    private mutating func enter(
        _ path: [UInt8], called name: [UInt8], _ directory: HostFiles.DirectoryID, index: Int, below levels: [Level]
    ) throws(ImageError) -> Level {
        let open: HostDirectory
        switch HostDirectory.adopt(Self.withCString(path) { opendir($0) }) {
        case .success(let opened): open = opened
        case .failure(let code): throw .system(code, "cannot read the folder", path: FilePath(bytes: path))
        }
        var status = stat()
        guard fstat(open.descriptor, &status) == 0 else { throw Self.unreadable(path) }
        if case .follow = rules.links, levels.contains(where: { $0.status.isSameFile(as: status) }) {
            throw ImageError(
                .invalidInput, "a symbolic link leads back to a folder it lies in", path: Self.string(name),
                remedy: "remove the link")
        }
        let names: DirectoryNames
        switch open.names() {
        case .success(let found): names = found
        case .failure(let code): throw .system(code, "cannot read the folder", path: FilePath(bytes: path))
        }
        visited += names.count
        guard visited <= rules.nameLimit else {
            throw ImageError(
                .invalidInput, "a folder holds too much, its links followed:", path: top.string,
                reason: "more than \(rules.nameLimit) names", remedy: "leave out what does not belong there")
        }
        var level = Level(index: index, directory: directory, path: path, status: status, names: names)
        level.nodes.reserveCapacity(names.count)
        for index in 0..<names.count {
            if index & 1023 == 1023 { try progress?.checkCancelled() }
            level.nodes.append(try visit(index, of: &level, in: open))
        }
        level.pending.reverse()
        progress?.advance(UInt64(names.count))
        return level
    }

    /// Adds what a name of a directory is; of a directory, only that it is one, and the node is to be set later.
    private mutating func visit(
        _ index: Int, of level: inout Level, in open: borrowing HostDirectory
    ) throws(ImageError) -> FileTree.NodeID {
        let later = FileTree.NodeID(index: 0)
        var status = stat()
        let descriptor = open.descriptor
        func readStatus() throws(ImageError) {
            let code = level.names.withName(at: index) { name, _ in
                fstatat(descriptor, name, &status, AT_SYMLINK_NOFOLLOW)
            }
            if code != 0 { throw Self.unreadable(Self.path(of: level.names[index], in: level.path)) }
        }
        if case .follow = rules.links {
            let named = Self.path(of: level.names[index], in: level.path)
            let path = try place(named, &status)
            if status.st_mode & S_IFMT == S_IFDIR {
                level.pending.append((index, path))
                return later
            }
            if path != named { return try leaf(at: path, status) }
        } else {
            var type = level.names.type(at: index)
            if type == UInt8(DT_UNKNOWN) {
                try readStatus()
                type = UInt8(truncatingIfNeeded: (status.st_mode & S_IFMT) >> 12)  // as IFTODT of <dirent.h>
            }
            switch Int(type) {
            case Int(DT_DIR):
                level.pending.append((index, Self.path(of: level.names[index], in: level.path)))
                return later
            case Int(DT_LNK) where rules.joinsByContent && rules.metadata == .store:
                let target = try target(at: index, of: level, in: open)
                return tree.addSymlink(to: target, FileAttributes(permissions: 0o777))
            case Int(DT_REG) where rules.joinsByContent: return try readFile(at: index, of: level, in: open)
            default: try readStatus()
            }
        }
        if let known = known(status) { return known }
        let node: FileTree.NodeID
        if status.st_mode & S_IFMT == S_IFLNK {
            node = tree.addSymlink(to: try target(at: index, of: level, in: open), attributes(status))
        } else {
            node = try file(level.names[index], in: level.directory, status) {
                Self.path(of: level.names[index], in: level.path)
            }
        }
        remember(node, status)
        return node
    }

    private mutating func readFile(
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

    /// Should it have become a pipe meanwhile, opening must not wait for a writer.
    private static let openFlags = O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK
    /// Files up to this size, in bytes, are kept in memory: to open one again takes longer than all else that is done with it.
    /// (With those up to 4 KiB, it would be twice the memory.)
    static let longestKept = 2048

    /// A regular file that is to be joined by content: all of it, where it is short; else the fingerprint of its first block.
    ///
    /// - Parameter descriptor: the file, which is closed; or what failed to open it.
    private mutating func readFile(
        _ descriptor: Int32, in directory: HostFiles.DirectoryID, name: () -> [UInt8], path: () -> [UInt8]
    ) throws(ImageError) -> FileTree.NodeID {
        guard descriptor >= 0 else {
            throw .system(Errno(rawValue: errno), "cannot open", path: FilePath(bytes: path()))
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw Self.unreadable(path()) }
        if let known = known(status) { return known }
        var fingerprint: UInt64 = 0
        if status.st_mode & S_IFMT == S_IFREG {
            let length = min(max(0, Int(status.st_size)), Fingerprint.length)
            let count = try OpenFile.read(
                descriptor, into: UnsafeMutableRawBufferPointer(rebasing: buffer.memory[..<length]), at: 0,
                path: FilePath(bytes: path()))
            let bytes = UnsafeRawBufferPointer(rebasing: buffer.memory[..<count])
            // What changes while it is read is left to whoever reads it later, who will tell.
            if count == status.st_size, mayKeep(count), isUnchanged(descriptor, status) {
                let node = tree.addFile(bytes, attributes(status))
                remember(node, status)
                return node
            }
            fingerprint = Fingerprint.of(bytes)
        }
        let node = try file(name(), in: directory, status, fingerprint: fingerprint, path: path)
        remember(node, status)
        return node
    }

    private func mayKeep(_ count: Int) -> Bool {
        guard count <= Self.longestKept, let kept = rules.kept else { return false }
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

    /// A file or a link by its whole path: what was asked for itself, or what a link leads to.
    private mutating func leaf(at path: [UInt8], _ status: stat) throws(ImageError) -> FileTree.NodeID {
        if let known = known(status) { return known }
        let node: FileTree.NodeID
        if status.st_mode & S_IFMT == S_IFLNK {
            let count = Self.withCString(path) { buffer.readLink(AT_FDCWD, $0) }
            node = tree.addSymlink(to: try target(ofLength: count, path: path), attributes(status))
        } else {
            func name() -> [UInt8] { path.split(separator: 0x2F).last.map { Array($0) } ?? [] }
            let directory = tree.hostFiles.addRoot(FilePath(bytes: path).removingLastComponent())
            if status.st_mode & S_IFMT == S_IFREG, rules.joinsByContent {
                return try readFile(Self.withCString(path) { open($0, Self.openFlags) }, in: directory, name: name) {
                    path
                }
            }
            node = try file(name(), in: directory, status) { path }
        }
        remember(node, status)
        return node
    }

    private mutating func file(
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

    // MARK: Names of the same inode

    private func known(_ status: stat) -> FileTree.NodeID? {
        status.st_nlink > 1 ? links.nodes[FileTree.HostLinks.Key(status)] : nil
    }

    private mutating func remember(_ node: FileTree.NodeID, _ status: stat) {
        if status.st_nlink > 1 { links.nodes[FileTree.HostLinks.Key(status)] = node }
    }

    // MARK: What the host says

    private func attributes(_ status: stat) -> FileAttributes {
        let isLink = status.st_mode & S_IFMT == S_IFLNK
        switch rules.metadata {
        case .store:
            let executable = status.st_mode & S_IFMT == S_IFDIR || status.st_mode & S_IXUSR != 0
            return FileAttributes(permissions: isLink ? 0o777 : executable ? 0o555 : 0o444)
        case .host:
            return FileAttributes(
                permissions: isLink ? 0o777 : UInt16(truncatingIfNeeded: status.st_mode),
                modified: Int64(status.st_mtim.tv_sec))
        }
    }

    /// Where a path really is, with links followed where the rules say so, and what is there.
    private func place(_ path: [UInt8], _ status: inout stat) throws(ImageError) -> [UInt8] {
        try Self.status(of: path, into: &status)
        guard case .follow(let resolve) = rules.links, status.st_mode & S_IFMT == S_IFLNK else { return path }
        let target = try resolve(FilePath(bytes: path)).bytes
        try Self.status(of: target, into: &status)
        return target
    }

    private func target(
        at index: Int, of level: Level, in open: borrowing HostDirectory
    ) throws(ImageError) -> UnsafeRawBufferPointer {
        let directory = open.descriptor
        let count = level.names.withName(at: index) { name, _ in buffer.readLink(directory, name) }
        return try target(ofLength: count, path: Self.path(of: level.names[index], in: level.path))
    }

    /// What was read of a link, which must be whole.
    private func target(
        ofLength count: Int, path: @autoclosure () -> [UInt8]
    ) throws(ImageError) -> UnsafeRawBufferPointer {
        if count < 0 {
            throw .system(Errno(rawValue: errno), "cannot read the link", path: FilePath(bytes: path()))
        }
        guard count < ScanBuffer.length else {
            throw ImageError(
                .doesNotFit, "cannot store the link", path: Self.string(path()),
                reason: "its target is longer than 4,095 bytes, the longest that ext4 can hold")
        }
        return UnsafeRawBufferPointer(rebasing: buffer.memory[..<count])
    }

    private static func status(of path: [UInt8], into status: inout stat) throws(ImageError) {
        if withCString(path, { lstat($0, &status) }) != 0 { throw unreadable(path) }
    }

    /// The error of the call before; the path is only asked for once that is known.
    private static func unreadable(_ path: @autoclosure () -> [UInt8]) -> ImageError {
        .system(Errno(rawValue: errno), "cannot read", path: FilePath(bytes: path()))
    }

    private static func path(of name: [UInt8], in directory: [UInt8]) -> [UInt8] {
        directory + (directory.last == 0x2F ? [] : [0x2F]) + name
    }

    private static func withCString<Result>(_ bytes: [UInt8], _ body: (UnsafePointer<CChar>) -> Result) -> Result {
        (bytes + [0]).withUnsafeBufferPointer { buffer in
            buffer.withMemoryRebound(to: CChar.self) { text in
                guard let start = text.baseAddress else { return body("") }
                return body(start)
            }
        }
    }

    private static func string(_ path: [UInt8]) -> String { String(decoding: path, as: UTF8.self) }

    private static func kindName(_ mode: mode_t) -> String {
        switch mode & S_IFMT {
        case S_IFIFO: "named pipe"
        case S_IFSOCK: "socket"
        case S_IFBLK: "block device"
        case S_IFCHR: "character device"
        default: "file of an unknown kind"
        }
    }
}

/// Memory for what a scan reads of a file or a link at a time.
private final class ScanBuffer {
    /// A link's target is shorter.
    static let length = 4096
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: length, alignment: 64)

    deinit { memory.deallocate() }

    /// The length of a link's target, which is then in the buffer; negative where there is none.
    func readLink(_ directory: Int32, _ name: UnsafePointer<CChar>) -> Int {
        memory.withMemoryRebound(to: CChar.self) { text in
            text.baseAddress.map { readlinkat(directory, name, $0, text.count) } ?? -1
        }
    }
}

extension stat {
    fileprivate func isSameFile(as other: stat) -> Bool { st_dev == other.st_dev && st_ino == other.st_ino }
}

extension FileTree.HostLinks.Key {
    fileprivate init(_ status: stat) {
        let identity = HostFiles.Identity(status)
        self.init(device: identity.device, inode: identity.inode)
    }
}
