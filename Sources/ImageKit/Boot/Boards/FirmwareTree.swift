import SystemPackage

/// The content of the firmware partition, in three layers:
///
/// ```
///   generated     config.txt, uboot.env                       where no directory brings them
///   directories   those that the user gave, copied whole      each over the ones before it
///   picked        what the boards need of the packages        in the closure or given by the user
/// ```
struct FirmwareTree {
    var tree = FileTree()
    /// The packages and directories that it was made of.
    let sources: [FilePath]
    /// What a person should know about it.
    var warnings: [Advice]
    /// Whether a directory outside the store brought a file that not everybody may read. (Everybody may read a store.)
    let isPrivate: Bool

    private let rules: FileTree.ScanRules
    static let file = FileAttributes(permissions: 0o644)

    init(
        _ options: BootOptions, closure: Closure, in store: StoreLocation, toplevel: Toplevel?, progress: Progress?
    ) throws(ImageError) {
        rules = Self.rules(store)
        let found = try FirmwareSources(options, closure: closure, in: store, toplevel: toplevel)
        sources = found.paths
        let directories = try Self.merge(found.directories, rules, in: store, into: &tree, progress)
        let secrets = try FirmwareSecrets(in: directories.hostNodes, below: directories.root, of: tree)
        isPrivate = secrets.isPrivate
        warnings = secrets.warnings
        // Paths are looked up in the directories until the whole partition is built.
        tree.root = directories.root

        var files = BoardFiles(
            options, hasInitrd: toplevel?.initrd != nil, packages: found.packages, present: lowercasedNames())
        var builder = TreeBuilder()
        try addPicks(of: files, to: &builder)
        let config = try config(files, options)
        try addOverlays(of: config, options, toplevel, found.packages, in: store, missing: &files, to: &builder)
        if options.style != .none, !config.isFromUser, !files.missing.isEmpty {
            throw files.missingError(chosenFrom: options.boards)
        }
        try build(&builder, with: config, options)
        checkNames(in: config.settings, options)
        if options.style == .extlinux, let toplevel {
            try addEnvironment(for: toplevel, files.uboots, config.settings)
        }
    }

    // MARK: Directories

    /// Directories that were merged into one.
    private struct MergedDirectories {
        var root: FileTree.NodeID
        /// The nodes that came from outside the store.
        var hostNodes: [Range<Int>] = []
    }

    /// Scans directories and merges each into those before it.
    private static func merge(
        _ directories: [FilePath], _ rules: FileTree.ScanRules, in store: StoreLocation, into tree: inout FileTree,
        _ progress: Progress?
    ) throws(ImageError) -> MergedDirectories {
        var merged = MergedDirectories(root: try tree.addDirectory([], FileAttributes(permissions: 0o755)))
        for directory in directories {
            let first = tree.nodes.count
            var links = FileTree.HostLinks()
            let node = try tree.scan(directory, rules: rules, links: &links, progress: progress)
            if (try? store.follow(directory)) == nil { merged.hostNodes.append(first..<tree.nodes.count) }
            merged.root = try tree.merge(merged.root, with: node)
        }
        return merged
    }

    /// The names in the top directory, in lower case.
    private func lowercasedNames() -> Set<String> {
        Set(tree.children(of: tree.root).map { String(decoding: $0.name, as: UTF8.self).lowercased() })
    }

    // MARK: Picked files

    private mutating func addPicks(of files: BoardFiles, to builder: inout TreeBuilder) throws(ImageError) {
        for (name, path) in files.picks.sorted(by: { $0.key < $1.key }) {
            try add(path, as: "/" + name, to: &builder)
        }
    }

    /// Adds the overlays that `config.txt` names; with ``BootStyle/kernel``, also the kernel and its files.
    private mutating func addOverlays(
        of config: Config, _ options: BootOptions, _ toplevel: Toplevel?, _ packages: FirmwarePackages,
        in store: StoreLocation, missing files: inout BoardFiles, to builder: inout TreeBuilder
    ) throws(ImageError) {
        let overlays = ConfigTxt.overlays(in: config.settings)
        if options.style == .kernel, let toplevel {
            var kernel = DirectKernel(options, packages: packages, store: store, rules: rules)
            try kernel.add(toplevel, overlays: overlays, to: &tree, &builder)
            files.addMissing(kernel.missing)
        } else {
            let prefix = ConfigTxt.overlayPrefix(in: config.settings)
            for (name, path) in Self.overlayFiles(overlays, packages) {
                try add(path, as: "/" + prefix + name, to: &builder)
            }
        }
    }

    private mutating func add(_ source: FilePath, as path: String, to builder: inout TreeBuilder) throws(ImageError) {
        var links = FileTree.HostLinks()
        let node = try tree.scan(source, rules: rules, links: &links)
        guard tree.kind(of: node) == .file else {
            throw ImageError(
                .invalidInput, "cannot take firmware from", path: source.string, reason: "it is not a regular file",
                remedy: "build the package anew")
        }
        try builder.put(node, at: path)
    }

    // MARK: The partition

    /// Merges the directories over the picked files, with the right `config.txt`.
    private mutating func build(
        _ builder: inout TreeBuilder, with config: Config, _ options: BootOptions
    ) throws(ImageError) {
        let directories = tree.root
        if !config.isFromUser, options.style != .none || !options.configLines.isEmpty {
            try builder.put(tree.addFile(config.bytes, Self.file), at: "/config.txt")
        }
        tree.root = try tree.merge(builder.build(into: &tree), with: directories)
        if config.isFromUser, !options.configLines.isEmpty { try replaceConfig(with: config.bytes) }
    }

    /// Rules for reading directories: FAT has no links, so they are followed.
    static func rules(_ store: StoreLocation) -> FileTree.ScanRules {
        var storePrefixes = [store.directory]
        if case .success(let path) = FileStatus.realPath(of: store.directory) { storePrefixes.append(path) }
        return FileTree.ScanRules(
            metadata: .host,
            links: .follow { [storePrefixes] (link) throws(ImageError) in
                // A link in the store leads to the given store and nowhere else, whatever the host has at that path.
                if storePrefixes.contains(where: link.starts(with:)) { return try store.follow(link).physical }
                return store.hostPath(of: link) ?? link
            }, maximumNames: 65_536)
    }

    /// The node at a path, whose names may differ in case as they may on FAT.
    func node(at path: String) -> FileTree.NodeID? { tree.node(ignoringCaseAt: path) }
}
