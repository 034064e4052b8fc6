import Glibc
public import SystemPackage

/// Files that overlay the generated root filesystem: host keys, secrets, configuration that is not in the store.
///
/// Directories are applied first, then copies, each in their order. A later addition replaces an earlier one, and
/// generated files such as U-Boot's menu. Nothing replaces the store, the registration or the system profile: the first
/// boot relies on them.
public struct RootAdditions: Sendable, Hashable {
    /// Directories whose content is added to `/`, with owner 0:0 and with the modes (07777), times (whole seconds),
    /// symbolic links and hard links of the host. Generated directories, such as `/`, keep their own modes.
    public var directories: [FilePath] = []
    /// Single files and trees.
    public var copies: [RootCopy] = []

    /// No additions.
    public init() {}

    var isEmpty: Bool { directories.isEmpty && copies.isEmpty }

    /// Throws when a source is missing or of the wrong kind. Nothing is scanned yet.
    func checkPresent(in store: StoreLocation) throws(ImageError) {
        for directory in directories { _ = try Self.directory(directory, in: store) }
        for copy in copies { _ = try Self.resolve(copy.source, "cannot copy", in: store) }
    }

    /// Adds everything to the tree.
    ///
    /// - Parameters:
    ///   - tree: the generated root filesystem, which is replaced by the one with the additions.
    ///   - store: where symbolic links into the store lead to, if a source is such a link.
    ///   - kept: paths that no addition may replace.
    /// - Returns: whether something was added that not everybody may read, and warnings about closed directories.
    /// - Throws: when something cannot be read, is no file, directory or link, would replace a kept path, is a file
    ///   where the image has a generated directory (or the reverse), or is a private key that everybody could read.
    func apply(
        to tree: inout FileTree, in store: StoreLocation, keeping kept: [RootOverlay.Kept], progress: Progress?
    ) throws(ImageError) -> (isPrivate: Bool, warnings: [Advice]) {
        if isEmpty { return (false, []) }
        var overlay = RootOverlay(over: tree, keeping: kept)
        for directory in directories {
            let node = try Self.scan(Self.directory(directory, in: store), into: &tree, progress)
            try overlay.merge(node, of: tree, origin: "\(.rootFiles, directory.string)")
        }
        var explicitModes: [Range<Int>] = []
        for copy in copies {
            let first = tree.nodes.count
            let source = try Self.resolve(copy.source, "cannot copy", in: store)
            let node = try Self.scan(source, into: &tree, progress)
            for index in first..<tree.nodes.count { copy.apply(to: &tree.nodes[index]) }
            if copy.mode != nil { explicitModes.append(first..<tree.nodes.count) }
            try overlay.put(node, of: tree, at: copy.destination, origin: "\(.copy, copy.source.string)")
        }
        let secrets = SecretFiles(explicitModes: explicitModes)
        let isPrivate = try secrets.check(overlay.additions(to: tree), in: tree)
        // An explicit mode also applies to the files in the directory, so it hides them still.
        let disclosed = overlay.disclosed.filter { !secrets.hasExplicitMode($0.node) }
        tree.root = try overlay.build(into: &tree)
        return (isPrivate || !disclosed.isEmpty, disclosed.map(\.warning))
    }

    /// Scans a file, link or directory. Hard links within it are kept, up to the number that ext4 allows.
    private static func scan(
        _ path: FilePath, into tree: inout FileTree, _ progress: Progress?
    ) throws(ImageError) -> FileTree.NodeID {
        // A file that another source has too becomes two files here, since the copies may have different modes.
        var links = FileTree.HostLinks()
        let node = try tree.scan(
            path, rules: FileTree.ScanRules(metadata: .host), links: &links, progress: progress)
        if tree.kind(of: node) == .directory { try tree.joinLinks(under: node, .asScanned) }
        return node
    }

    private static func directory(_ path: FilePath, in store: StoreLocation) throws(ImageError) -> FilePath {
        let resolved = try resolve(path, "cannot take root files from", in: store)
        guard FileStatus.type(of: resolved) == S_IFDIR else {
            throw ImageError(
                .invalidInput, "cannot take root files from", path: path.string, reason: "it is not a folder",
                remedy: "give \(.rootFiles) a folder that is laid out like '/', or copy one file with \(.copy)")
        }
        return resolved
    }

    /// The path that a source leads to: a source that is a symbolic link is followed, within the given store if it
    /// leads into a store.
    private static func resolve(
        _ path: FilePath, _ message: String, in store: StoreLocation
    ) throws(ImageError) -> FilePath {
        switch FileStatus.mode(of: path) {
        case .success(let mode): if mode & S_IFMT != S_IFLNK { return path }
        case .failure(let errno): throw .system(errno, message, path: path)
        }
        if let resolved = try? store.follow(path) { return resolved.physical }
        switch FileStatus.realPath(of: path) {
        case .success(let resolved): return resolved
        case .failure(let errno): throw .system(errno, message, path: path)
        }
    }
}
