import Glibc
public import SystemPackage

/// What is laid over the generated root filesystem: host keys, secrets, configuration that is not in the store.
///
/// Directories come first, in their order, then the copies in theirs. Whatever comes later wins over what came before, and
/// over what is generated (such as U-Boot's menu), but for the store, the registration and the system profile: those are
/// what the first boot relies on.
public struct RootAdditions: Sendable, Hashable {
    /// Directories whose content is laid over `/`: owner 0:0, modes (07777), times in whole seconds, symbolic and hard
    /// links as they have them. Directories that are generated, `/` first of all, keep the modes that they have.
    public var directories: [FilePath] = []
    /// Single files and trees.
    public var copies: [RootCopy] = []

    /// Nothing.
    public init() {}

    var isEmpty: Bool { directories.isEmpty && copies.isEmpty }

    /// Throws when something is not there or cannot be taken, which is known before anything is scanned.
    func checkPresent(in store: StoreLocation) throws(ImageError) {
        for directory in directories { _ = try Self.directory(directory, in: store) }
        for copy in copies { _ = try Self.resolve(copy.source, "cannot copy", in: store) }
    }

    /// Lays everything over the tree.
    ///
    /// - Parameters:
    ///   - tree: has the generated root filesystem, and afterwards that with what is laid over it.
    ///   - store: where links into the store lead to that are named themselves.
    ///   - kept: what nothing may be laid over.
    /// - Returns: whether something was added that not everybody may read, and what should be known about it.
    /// - Throws: when something cannot be read, is no file, directory or link, lies on what is kept, is a file where there
    ///   is a generated directory (or the reverse), or is a private key that everybody could read.
    func lay(
        over tree: inout FileTree, in store: StoreLocation, keeping kept: [RootOverlay.Kept], progress: Progress?
    ) throws(ImageError) -> (isPrivate: Bool, warnings: [String]) {
        if isEmpty { return (false, []) }
        var overlay = RootOverlay(over: tree, keeping: kept)
        for directory in directories {
            let node = try Self.scan(Self.directory(directory, in: store), into: &tree, progress)
            try overlay.lay(node, of: tree, origin: "--root-files \(directory.string)")
        }
        var meant: [Range<Int>] = []
        for copy in copies {
            let first = tree.nodes.count
            let source = try Self.resolve(copy.source, "cannot copy", in: store)
            let node = try Self.scan(source, into: &tree, progress)
            for index in first..<tree.nodes.count { copy.apply(to: &tree.nodes[index]) }
            if copy.mode != nil { meant.append(first..<tree.nodes.count) }
            try overlay.put(node, of: tree, at: copy.destination, origin: "--copy \(copy.source.string)")
        }
        let secrets = SecretFiles(modesAreMeant: meant)
        let isPrivate = try secrets.check(overlay.added(to: tree), in: tree)
        // Where a mode was said, it is the files' too, and hides what it is meant to hide.
        let disclosed = overlay.disclosed.filter { !secrets.isMeant($0.node) }
        tree.root = try overlay.build(into: &tree)
        return (isPrivate || !disclosed.isEmpty, disclosed.map(\.warning))
    }

    /// Scans a file, link or directory. Hard links are kept within it, up to the number that ext4 allows.
    private static func scan(
        _ path: FilePath, into tree: inout FileTree, _ progress: Progress?
    ) throws(ImageError) -> FileTree.NodeID {
        // Links to files of the store or of another directory are other files here: they may have other modes.
        var links = FileTree.HostLinks()
        let node = try tree.scan(
            path, rules: FileTree.ScanRules(metadata: .host), links: &links, progress: progress)
        if tree.kind(of: node) == .directory { try tree.joinLinks(under: node, .asScanned) }
        return node
    }

    private static func directory(_ path: FilePath, in store: StoreLocation) throws(ImageError) -> FilePath {
        let resolved = try resolve(path, "cannot take root files from", in: store)
        guard HostPath.kind(of: resolved) == S_IFDIR else {
            throw ImageError(
                .invalidInput, "cannot take root files from", path: path.string, reason: "it is not a folder",
                remedy: "give --root-files a folder that is laid out like '/', or copy one file with --copy")
        }
        return resolved
    }

    /// Where a path that was named leads: a link that is named itself is followed, and one into the store leads to the
    /// store that is given.
    private static func resolve(
        _ path: FilePath, _ message: String, in store: StoreLocation
    ) throws(ImageError) -> FilePath {
        switch StoreWalk.status(of: path) {
        case .success(let mode): if mode & S_IFMT != S_IFLNK { return path }
        case .failure(let errno): throw .system(errno, message, path: path)
        }
        if let place = try? store.follow(path) { return place.physical }
        switch StoreWalk.real(path) {
        case .success(let resolved): return resolved
        case .failure(let errno): throw .system(errno, message, path: path)
        }
    }
}
