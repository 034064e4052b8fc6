public import SystemPackage

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

extension FileTree {
    /// How a folder of the host becomes part of a tree.
    public struct ScanRules: Sendable {
        /// Where nodes get their metadata from.
        public enum Metadata: Sendable {
            /// As Nix keeps its store: owner 0:0, time 1, 0555 for folders and executables, 0444 for other files.
            case store
            /// Owner 0:0; modes and times (whole seconds) as on the host.
            case host
        }
        /// What a symbolic link of the host becomes.
        public enum Links: Sendable {
            /// A symbolic link.
            case keep
            /// What it points to: for filesystems that have no links. The function says where a path with links in it
            /// leads on this machine, which is not what the system says for a store that lies elsewhere.
            case follow(@Sendable (FilePath) throws(ImageError) -> FilePath)
        }
        /// See ``Metadata``.
        public var metadata: Metadata
        /// See ``Links``.
        public var links: Links
        /// How many names may be seen: where links are followed, a small folder of links that lead to folders of links
        /// is large without bound.
        public var nameLimit: Int
        /// See the properties of the same names.
        public init(metadata: Metadata, links: Links = .keep, nameLimit: Int = .max) {
            self.metadata = metadata
            self.links = links
            self.nameLimit = nameLimit
        }
    }

    /// Files of the host that have several names, by device and inode, so that they become one node.
    public struct HostLinks: Sendable {
        struct Key: Hashable { var device: UInt64, inode: UInt64 }
        var nodes: [Key: NodeID] = [:]
        /// Nothing seen yet.
        public init() {}
    }

    /// Adds what lies at a host path (a folder with all that is in it, a file or a link) and gives its node.
    ///
    /// No file is read. Anything but folders, files and symbolic links is an error, and so is a folder's loop of links
    /// where links are followed.
    public mutating func scan(
        _ path: FilePath, rules: ScanRules, links: inout HostLinks, progress: Progress? = nil
    ) throws(ImageError) -> NodeID {
        var scanner = HostScanner(tree: self, rules: rules, links: links, progress: progress)
        // A second owner would make the scanner copy the whole tree before its first change.
        self = FileTree()
        links = HostLinks()
        defer {
            self = scanner.tree
            links = scanner.links
        }
        return try scanner.scan(path)
    }
}

/// One walk over a host folder. Folders are read whole, one at a time and without recursion, so neither the depth of a
/// tree nor the number of open files matters.
private struct HostScanner {
    var tree: FileTree
    let rules: FileTree.ScanRules
    var links: FileTree.HostLinks
    let progress: Progress?
    /// Names seen so far.
    private var visited = 0

    init(tree: FileTree, rules: FileTree.ScanRules, links: FileTree.HostLinks, progress: Progress?) {
        self.tree = tree
        self.rules = rules
        self.links = links
        self.progress = progress
    }

    /// A folder whose entries are being visited.
    struct Level {
        var folder: HostFiles.FolderID
        var pending: [[UInt8]]
        var children: [(name: [UInt8], node: FileTree.NodeID)] = []
        var status: stat
        var name: [UInt8]
        var path: [UInt8]
    }

    mutating func scan(_ top: FilePath) throws(ImageError) -> FileTree.NodeID {
        var status = stat()
        let path = try place(top.bytes, &status)
        guard status.st_mode & S_IFMT == S_IFDIR else { return try leaf(path, status) }
        var levels = [
            Level(
                folder: tree.hostFiles.addRoot(FilePath(bytes: path)), pending: try Self.names(in: path),
                status: status,
                name: [], path: path)
        ]
        while true {
            let depth = levels.count - 1
            guard let name = levels[depth].pending.popLast() else {
                let level = levels.removeLast()
                let node = try tree.addDirectory(level.children, attributes(level.status))
                if levels.isEmpty { return node }
                levels[depth - 1].children.append((level.name, node))
                continue
            }
            let named = levels[depth].path + (levels[depth].path.last == 0x2F ? [] : [0x2F]) + name
            let path = try place(named, &status)
            progress?.advance()
            visited += 1
            guard visited <= rules.nameLimit else {
                throw ImageError(
                    .invalidInput, "a folder holds too much, its links followed:", path: Self.string(top.bytes),
                    reason: "more than \(rules.nameLimit) names", remedy: "leave out what does not belong there")
            }
            if status.st_mode & S_IFMT == S_IFDIR {
                if case .follow = rules.links, levels.contains(where: { $0.status.isSameFile(as: status) }) {
                    throw ImageError(
                        .invalidInput, "a symbolic link leads back to a folder it lies in", path: Self.string(named),
                        remedy: "remove the link")
                }
                try progress?.checkCancelled()
                let folder =
                    path == named
                    ? tree.hostFiles.addFolder(name, in: levels[depth].folder)
                    : tree.hostFiles.addRoot(FilePath(bytes: path))
                levels.append(
                    Level(
                        folder: folder, pending: try Self.names(in: path), status: status, name: name, path: path))
            } else {
                let node =
                    try path == named
                    ? leaf(name, in: levels[depth].folder, path: path, status) : leaf(path, status)
                levels[depth].children.append((name, node))
            }
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

    /// A file by its whole path.
    private mutating func leaf(_ path: [UInt8], _ status: stat) throws(ImageError) -> FileTree.NodeID {
        let whole = FilePath(bytes: path)
        let folder = tree.hostFiles.addRoot(whole.removingLastComponent())
        return try leaf(path.split(separator: 0x2F).last.map { Array($0) } ?? [], in: folder, path: path, status)
    }

    private mutating func leaf(
        _ name: [UInt8], in folder: HostFiles.FolderID, path: [UInt8], _ status: stat
    ) throws(ImageError) -> FileTree.NodeID {
        let identity = HostFiles.Identity(status)
        let key = FileTree.HostLinks.Key(device: identity.device, inode: identity.inode)
        if status.st_nlink > 1, let known = links.nodes[key] { return known }
        let node: FileTree.NodeID
        switch status.st_mode & S_IFMT {
        case S_IFREG:
            node = tree.addFile(tree.hostFiles.addFile(name, in: folder, identity: identity), attributes(status))
        case S_IFLNK:
            node = tree.addSymlink(to: try Self.target(of: path, size: Int(status.st_size)), attributes(status))
        default:
            throw ImageError(
                .invalidInput, "cannot put into an image", path: Self.string(path),
                reason: "it is a \(Self.kindName(status.st_mode)), and only files, folders and symbolic links can be",
                remedy: "remove it")
        }
        if status.st_nlink > 1 { links.nodes[key] = node }
        return node
    }

    private func attributes(_ status: stat) -> FileTree.Attributes {
        let isLink = status.st_mode & S_IFMT == S_IFLNK
        switch rules.metadata {
        case .store:
            let executable = status.st_mode & S_IFMT == S_IFDIR || status.st_mode & S_IXUSR != 0
            return FileTree.Attributes(permissions: isLink ? 0o777 : executable ? 0o555 : 0o444)
        case .host:
            return FileTree.Attributes(
                permissions: isLink ? 0o777 : UInt16(truncatingIfNeeded: status.st_mode),
                modified: Int64(status.st_mtim.tv_sec))
        }
    }

    // MARK: System calls

    private static func status(of path: [UInt8], into status: inout stat) throws(ImageError) {
        if withCString(path, { lstat($0, &status) }) != 0 {
            throw .system(Errno(rawValue: errno), "cannot read", path: FilePath(bytes: path))
        }
    }

    /// The names in a folder, the last one first.
    private static func names(in path: [UInt8]) throws(ImageError) -> [[UInt8]] {
        switch withCString(path, { DirectoryNames.read(path: $0) }) {
        case .success(let names): return (0..<names.count).reversed().map { names[$0] }
        case .failure(let code): throw .system(code, "cannot read the folder", path: FilePath(bytes: path))
        }
    }

    private static func target(of path: [UInt8], size: Int) throws(ImageError) -> [UInt8] {
        var code = 0
        let target = [UInt8](unsafeUninitializedCapacity: 4096) { buffer, count in
            code = withCString(path) { name in
                buffer.withMemoryRebound(to: CChar.self) { text in
                    text.baseAddress.map { readlink(name, $0, text.count) } ?? -1
                }
            }
            count = max(0, code)
        }
        if code < 0 { throw .system(Errno(rawValue: errno), "cannot read the link", path: FilePath(bytes: path)) }
        guard code < 4096 else {
            throw ImageError(
                .doesNotFit, "cannot store the link", path: string(path),
                reason: "its target is longer than 4,095 bytes, the longest that ext4 can hold")
        }
        return target
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

extension stat {
    fileprivate func isSameFile(as other: stat) -> Bool { st_dev == other.st_dev && st_ino == other.st_ino }
}
