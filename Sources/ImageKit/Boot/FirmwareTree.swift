import SystemPackage

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// What lies on the firmware partition: the folders that were named, one over the other, or what the closure brings.
struct FirmwareTree {
    private(set) var tree = FileTree()
    /// The folders it came from.
    let sources: [FilePath]

    /// - Parameter folders: later ones win. Symbolic links in them are followed, as FAT has none.
    init(
        folders: [FilePath], closure: Closure, in store: StoreLocation, toplevel: Toplevel?, boot: BootStyle,
        progress: Progress?
    ) throws(ImageError) {
        sources = try folders.isEmpty ? Self.foldersInClosure(closure, store, toplevel) : folders
        guard !sources.isEmpty || boot == .none else {
            throw ImageError(
                .notFound, "there is nothing to put on the firmware partition",
                reason:
                    "no path of the closure has 'share/raspberrypi/boot', and the toplevel's 'firmware' holds no boot files",
                remedy: "give a folder with --firmware, or leave booting out with '--boot none'")
        }
        var root = try tree.addDirectory([], FileTree.Attributes(permissions: 0o755))
        for folder in sources {
            guard Self.isFolder(folder) else {
                throw ImageError(
                    .notFound, "cannot take firmware from", path: folder.string, reason: "it is not a folder",
                    remedy: "give --firmware a folder with the files for the firmware partition")
            }
            var links = FileTree.HostLinks()
            // A link in the store leads to the store that is given, whatever the host has at that path.
            let isStores = folders.isEmpty
            let rules = FileTree.ScanRules(
                metadata: .host,
                links: .follow { (link) throws(ImageError) in
                    if isStores { return try store.follow(link).physical }
                    return (try? store.follow(link).physical) ?? Self.resolve(link)
                })
            let node = try tree.scan(folder, rules: rules, links: &links, progress: progress)
            root = try tree.merge(root, with: node)
        }
        tree.root = root
    }

    /// Folders of boot files that the closure itself holds: Raspberry Pi's firmware package, or a toplevel whose
    /// `firmware` is made of boot files (usually it is what the kernel loads into devices).
    private static func foldersInClosure(
        _ closure: Closure, _ store: StoreLocation, _ toplevel: Toplevel?
    ) throws(ImageError) -> [FilePath] {
        // Any part of that path may be a link into the store.
        let packaged = closure.paths.compactMap { info in
            try? store.follow(store.physical(info.path).appending("share/raspberrypi/boot")).physical
        }.filter(isFolder)
        if !packaged.isEmpty { return packaged }
        guard let toplevel else { return [] }
        let link = store.physical(toplevel.path).appending("firmware")
        guard exists(link) else { return [] }
        let folder = try store.follow(link).physical
        let signs = ["config.txt", "bootcode.bin", "start4.elf", "u-boot.bin"]
        return signs.contains { exists(folder.appending($0)) } ? [folder] : []
    }

    /// Where the system says that a path leads; the path itself where it leads nowhere.
    private static func resolve(_ path: FilePath) -> FilePath {
        guard let resolved = realpath(path.string, nil) else { return path }
        defer { free(resolved) }
        return FilePath(platformString: resolved)
    }

    private static func isFolder(_ path: FilePath) -> Bool {
        var status = stat()
        return stat(path.string, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    private static func exists(_ path: FilePath) -> Bool {
        var status = stat()
        return lstat(path.string, &status) == 0
    }
}
