import Glibc
import SystemPackage

/// What lies on the firmware partition.
///
/// From the bottom up: what the boards need of the packages that the closure holds or `--firmware` names; the directories of
/// `--firmware`, one over the other; and what is generated where no directory has it (`config.txt`, `uboot.env`).
struct FirmwareTree {
    var tree = FileTree()
    /// The packages and directories it came from.
    private(set) var sources: [FilePath]
    /// What should be known about it.
    var warnings: [String] = []
    /// Whether a directory brought something that not everybody may read. (A store is for everybody.)
    private(set) var isPrivate = false

    private let store: StoreLocation
    private let rules: FileTree.ScanRules
    static let file = FileAttributes(permissions: 0o644)

    init(
        _ options: BootOptions, closure: Closure, in store: StoreLocation, toplevel: Toplevel?, progress: Progress?
    ) throws(ImageError) {
        self.store = store
        rules = Self.rules(store)
        var packages = FirmwarePackages()
        for info in closure.paths {
            _ = try packages.add(store.physical(info.path)) { try? store.follow($0).physical }
        }
        var directories: [FilePath] = []
        for directory in options.firmware {
            let place = HostPath.named(directory, in: store) ?? directory
            guard HostPath.kind(of: place) == S_IFDIR else {
                throw ImageError(
                    .notFound, "cannot take firmware from", path: directory.string, reason: "it is not a folder",
                    remedy: "give --firmware a folder with the files for the firmware partition")
            }
            // A directory that somebody filled for this is laid down whole, be it a store path.
            if try FirmwarePackages.isWhole(place) {
                directories.append(place)
            } else if try !packages.add(place, follow: { HostPath.named($0, in: store) }) {
                directories.append(place)
            }
        }
        if options.firmware.isEmpty, packages.sources.isEmpty, let own = try Self.directory(of: toplevel, store) {
            directories = [own]
        }
        sources = packages.sources + directories

        var root = try tree.addDirectory([], FileAttributes(permissions: 0o755))
        var own: [Range<Int>] = []
        for directory in directories {
            let first = tree.nodes.count
            var links = FileTree.HostLinks()
            let node = try tree.scan(directory, rules: rules, links: &links, progress: progress)
            if (try? store.follow(directory)) == nil { own.append(first..<tree.nodes.count) }
            root = try tree.merge(root, with: node)
        }
        (isPrivate, warnings) = try SecretFiles.checkFirmware(own, below: root, in: tree)
        let names = Set(tree.children(of: root).map { String(decoding: $0.name, as: UTF8.self).lowercased() })
        var files = BoardFiles(
            options, hasInitrd: toplevel?.initrd != nil, packages: packages, present: names)
        var sketch = TreeBuilder()
        for (name, path) in files.picks.sorted(by: { $0.key < $1.key }) {
            try put(path, at: "/" + name, in: &sketch)
        }
        tree.root = root
        let (config, isOwn) = try config(files, options)
        let settings = try settings(of: config)
        let overlays = ConfigTxt.overlays(in: settings)
        if options.style == .kernel, let toplevel {
            var kernel = DirectKernel(options, packages: packages, store: store, rules: rules)
            try kernel.add(toplevel, overlays: overlays, to: &tree, &sketch)
            files.addMissing(kernel.missing)
        } else {
            for (name, path) in Self.overlayFiles(overlays, packages) {
                try put(path, at: "/" + ConfigTxt.overlayPrefix(in: settings) + name, in: &sketch)
            }
        }
        if options.style != .none, !isOwn, !files.missing.isEmpty {
            throw files.missingError(chosenFrom: options.boards)
        }
        if !isOwn, options.style != .none || !options.configLines.isEmpty {
            try sketch.put(tree.addFile(config, Self.file), at: "/config.txt")
        }
        root = try tree.merge(sketch.build(into: &tree), with: root)
        if isOwn, !options.configLines.isEmpty { root = try replaceConfig(in: root, with: config) }
        tree.root = root
        checkNames(in: settings, options)
        if options.style == .extlinux, let toplevel { try addEnvironment(for: toplevel, files.uboots, settings) }
    }

    // MARK: Host

    private mutating func put(_ path: FilePath, at place: String, in sketch: inout TreeBuilder) throws(ImageError) {
        var links = FileTree.HostLinks()
        let node = try tree.scan(path, rules: rules, links: &links)
        guard tree.kind(of: node) == .file else {
            throw ImageError(
                .invalidInput, "cannot take firmware from", path: path.string, reason: "it is not a regular file",
                remedy: "build the package anew")
        }
        try sketch.put(node, at: place)
    }

    /// How directories are read: FAT has no links, so they are followed.
    static func rules(_ store: StoreLocation) -> FileTree.ScanRules {
        var inStore = [store.directory]
        if case .success(let real) = StoreWalk.real(store.directory) { inStore.append(real) }
        return FileTree.ScanRules(
            metadata: .host,
            links: .follow { [inStore] (link) throws(ImageError) in
                // A link in the store leads to the store that is given, and nowhere else, whatever the host has there.
                if inStore.contains(where: link.starts(with:)) { return try store.follow(link).physical }
                return HostPath.named(link, in: store) ?? link
            }, maximumNames: 65_536)
    }

    /// A toplevel's `firmware`, where that is made of boot files (usually it is what the kernel loads into devices).
    private static func directory(of toplevel: Toplevel?, _ store: StoreLocation) throws(ImageError) -> FilePath? {
        guard let toplevel else { return nil }
        let top = store.physical(toplevel.path)
        guard HostPath.has("firmware", in: top) else { return nil }
        let directory = try store.follow(top.appending("firmware")).physical
        let signs = ["config.txt", "bootcode.bin", "start4.elf", "u-boot.bin"]
        return signs.contains { HostPath.has($0, in: directory) } ? directory : nil
    }

    /// The node at a path of names, which may differ in upper and lower case as they may on FAT.
    func node(at path: String) -> FileTree.NodeID? { tree.node(ignoringCaseAt: path) }
}
