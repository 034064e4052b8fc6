import Glibc
import SystemPackage

/// One walk over a host directory.
///
/// Directories are read one at a time and without recursion, so neither the depth of a tree nor the number of open
/// files matters. The files and links of a directory come first, by their names relative to its descriptor, which saves
/// a walk from the root; then its subdirectories, one by one.
struct HostScanner {
    var tree: FileTree
    let rules: FileTree.ScanRules
    var links: FileTree.HostLinks
    let progress: Progress?
    /// The path of the scan, for errors.
    private var top = FilePath()
    /// The number of names found so far.
    private var nameCount = 0
    /// For the target of a link, or the first block of a file.
    let buffer = ScanBuffer()

    init(tree: FileTree, rules: FileTree.ScanRules, links: FileTree.HostLinks, progress: Progress?) {
        self.tree = tree
        self.rules = rules
        self.links = links
        self.progress = progress
    }

    /// A directory with subdirectories that are still to be scanned.
    struct Level {
        /// Its index in the parent directory.
        var index: Int
        var directory: HostFiles.DirectoryID
        var path: [UInt8]
        var status: stat
        var names: DirectoryNames
        /// The node of each name.
        var nodes: [FileTree.NodeID] = []
        /// The subdirectories that are still to be scanned, by index and resolved path; the last one first.
        var pending: [(index: Int, path: [UInt8])] = []
    }

    /// Adds a path with everything below it; see ``FileTree/scan(_:rules:links:progress:)``.
    mutating func scan(_ top: FilePath) throws(ImageError) -> FileTree.NodeID {
        var status = stat()
        let path = try resolve(top.bytes, &status)
        guard status.st_mode & S_IFMT == S_IFDIR else { return try addLeaf(at: path, status) }
        self.top = top
        let directory = tree.hostFiles.addRoot(FilePath(bytes: path))
        var levels = [try enter(path, unresolved: path, directory, index: 0, below: [])]
        while true {
            let depth = levels.count - 1
            if let (index, path) = levels[depth].pending.popLast() {
                try progress?.checkCancelled()
                let name = levels[depth].names[index]
                let unresolved = Self.path(of: name, in: levels[depth].path)
                let directory =
                    path == unresolved
                    ? tree.hostFiles.addDirectory(name, in: levels[depth].directory)
                    : tree.hostFiles.addRoot(FilePath(bytes: path))
                levels.append(try enter(path, unresolved: unresolved, directory, index: index, below: levels))
            } else {
                let level = levels.removeLast()
                let node = try tree.addDirectory(level.names, level.nodes, attributes(level.status))
                if levels.isEmpty { return node }
                levels[depth - 1].nodes[level.index] = node
            }
        }
    }

    /// Adds the files and links of a directory.
    ///
    /// - Parameter unresolved: the directory's path before links were followed.
    private mutating func enter(
        _ path: [UInt8], unresolved: [UInt8], _ directory: HostFiles.DirectoryID, index: Int, below levels: [Level]
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
                .invalidInput, "a symbolic link leads back to a folder it lies in", path: Self.string(unresolved),
                remedy: "remove the link")
        }
        let names: DirectoryNames
        switch open.names() {
        case .success(let found): names = found
        case .failure(let code): throw .system(code, "cannot read the folder", path: FilePath(bytes: path))
        }
        nameCount += names.count
        guard nameCount <= rules.maximumNames else {
            throw ImageError(
                .invalidInput, "a folder holds too much, its links followed:", path: top.string,
                reason: "more than \(rules.maximumNames) names", remedy: "leave out what does not belong there")
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

    /// Adds the file or link of a name. A subdirectory becomes pending, and a placeholder is returned for its node.
    private mutating func visit(
        _ index: Int, of level: inout Level, in open: borrowing HostDirectory
    ) throws(ImageError) -> FileTree.NodeID {
        let placeholder = FileTree.NodeID(index: 0)
        var status = stat()
        let descriptor = open.descriptor
        func readStatus() throws(ImageError) {
            let code = level.names.withName(at: index) { name, _ in
                fstatat(descriptor, name, &status, AT_SYMLINK_NOFOLLOW)
            }
            if code != 0 { throw Self.unreadable(Self.path(of: level.names[index], in: level.path)) }
        }
        if case .follow = rules.links {
            let unresolved = Self.path(of: level.names[index], in: level.path)
            let path = try resolve(unresolved, &status)
            if status.st_mode & S_IFMT == S_IFDIR {
                level.pending.append((index, path))
                return placeholder
            }
            if path != unresolved { return try addLeaf(at: path, status) }
        } else {
            var type = level.names.type(at: index)
            if type == UInt8(DT_UNKNOWN) {
                try readStatus()
                type = UInt8(truncatingIfNeeded: (status.st_mode & S_IFMT) >> 12)  // as IFTODT of <dirent.h>
            }
            switch Int(type) {
            case Int(DT_DIR):
                level.pending.append((index, Self.path(of: level.names[index], in: level.path)))
                return placeholder
            case Int(DT_LNK) where rules.joinsByContent && rules.metadata == .store:
                let target = try readTarget(at: index, of: level, in: open)
                return tree.addSymlink(to: target, FileAttributes(permissions: 0o777))
            case Int(DT_REG) where rules.joinsByContent: return try readFile(at: index, of: level, in: open)
            default: try readStatus()
            }
        }
        if let known = knownNode(status) { return known }
        let node: FileTree.NodeID
        if status.st_mode & S_IFMT == S_IFLNK {
            node = tree.addSymlink(to: try readTarget(at: index, of: level, in: open), attributes(status))
        } else {
            node = try addFile(level.names[index], in: level.directory, status) {
                Self.path(of: level.names[index], in: level.path)
            }
        }
        remember(node, status)
        return node
    }

    /// The metadata of a file, by the rules.
    func attributes(_ status: stat) -> FileAttributes {
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

    // MARK: Paths

    /// The path of a file, with links followed if the rules say so, and its status.
    private func resolve(_ path: [UInt8], _ status: inout stat) throws(ImageError) -> [UInt8] {
        try Self.readStatus(of: path, into: &status)
        guard case .follow(let resolve) = rules.links, status.st_mode & S_IFMT == S_IFLNK else { return path }
        let target = try resolve(FilePath(bytes: path)).bytes
        try Self.readStatus(of: target, into: &status)
        return target
    }

    private static func readStatus(of path: [UInt8], into status: inout stat) throws(ImageError) {
        if withCString(path, { lstat($0, &status) }) != 0 { throw unreadable(path) }
    }

    /// The error of the last system call. The path is evaluated after `errno`.
    static func unreadable(_ path: @autoclosure () -> [UInt8]) -> ImageError {
        .system(.current, "cannot read", path: FilePath(bytes: path()))
    }

    static func path(of name: [UInt8], in directory: [UInt8]) -> [UInt8] {
        directory + (directory.last == 0x2F ? [] : [0x2F]) + name
    }

    static func withCString<Result>(_ bytes: [UInt8], _ body: (UnsafePointer<CChar>) -> Result) -> Result {
        (bytes + [0]).withUnsafeBufferPointer { buffer in
            buffer.withMemoryRebound(to: CChar.self) { text in
                guard let start = text.baseAddress else { return body("") }
                return body(start)
            }
        }
    }

    static func string(_ path: [UInt8]) -> String { String(decoding: path, as: UTF8.self) }
}

extension stat {
    fileprivate func isSameFile(as status: stat) -> Bool { st_dev == status.st_dev && st_ino == status.st_ino }
}
