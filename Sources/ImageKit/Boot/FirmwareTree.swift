import SystemPackage

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// What lies on the firmware partition.
///
/// From the bottom up: what the boards need of the packages that the closure holds or `--firmware` names; the folders of
/// `--firmware`, one over the other; and what is generated where no folder has it (`config.txt`, `uboot.env`).
struct FirmwareTree {
    private(set) var tree = FileTree()
    /// The packages and folders it came from.
    private(set) var sources: [FilePath]
    /// What should be known about it.
    private(set) var warnings: [String] = []
    /// Whether a folder brought something that not everybody may read. (A store is for everybody.)
    private(set) var isPrivate = false

    private let store: StoreLocation
    private static let file = FileTree.Attributes(permissions: 0o644)

    init(
        _ options: BootOptions, closure: Closure, in store: StoreLocation, toplevel: Toplevel?, progress: Progress?
    ) throws(ImageError) {
        self.store = store
        var packages = FirmwarePackages()
        for info in closure.paths {
            _ = try packages.add(store.physical(info.path)) { try? store.follow($0).physical }
        }
        var folders: [FilePath] = []
        for folder in options.firmware {
            let place = Self.resolve(folder, store) ?? folder
            guard Self.isFolder(place) else {
                throw ImageError(
                    .notFound, "cannot take firmware from", path: folder.string, reason: "it is not a folder",
                    remedy: "give --firmware a folder with the files for the firmware partition")
            }
            if try !packages.add(place, follow: { Self.resolve($0, store) }) { folders.append(place) }
        }
        if options.firmware.isEmpty, packages.sources.isEmpty, let own = try Self.folder(of: toplevel, store) {
            folders = [own]
        }
        sources = packages.sources + folders

        var root = try tree.addDirectory([], FileTree.Attributes(permissions: 0o755))
        var own: [Range<Int>] = []
        for folder in folders {
            let first = tree.nodes.count
            var links = FileTree.HostLinks()
            let node = try tree.scan(folder, rules: Self.rules(store), links: &links, progress: progress)
            if (try? store.follow(folder)) == nil { own.append(first..<tree.nodes.count) }
            root = try tree.merge(root, with: node)
        }
        (isPrivate, warnings) = try SecretFiles.checkFirmware(own, below: root, in: tree)
        let names = Set(tree.children(of: root).map { String(decoding: $0.name, as: UTF8.self).lowercased() })
        var files = BoardFiles(
            options, hasInitrd: toplevel?.initrd != nil, packages: packages, present: names)
        var sketch = TreeSketch()
        for (name, path) in files.picks.sorted(by: { $0.key < $1.key }) {
            try put(path, at: "/" + name, in: &sketch)
        }
        let (config, isOwn) = try config(files, options, root, names)
        let overlays = ConfigTxt.overlays(in: ConfigTxt.settings(of: config))
        if options.style == .kernel, let toplevel {
            var kernel = DirectKernel(options, packages: packages, store: store)
            try kernel.add(toplevel, overlays: overlays, to: &tree, &sketch)
            files.addMissing(kernel.missing)
        } else {
            for (name, path) in Self.overlayFiles(overlays, packages) {
                try put(path, at: "/overlays/" + name, in: &sketch)
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
        checkNames(in: config, overlays, options)
        if options.style == .extlinux, let toplevel { try addEnvironment(for: toplevel, files.uboots, config) }
    }

    // MARK: config.txt

    /// The bytes of `config.txt`, and whether a folder brought it.
    private func config(
        _ files: BoardFiles, _ options: BootOptions, _ root: FileTree.NodeID, _ names: Set<String>
    ) throws(ImageError) -> (bytes: [UInt8], isOwn: Bool) {
        let addition = Array(ConfigTxt.addition(options.configLines).utf8)
        if names.contains("config.txt"),
            let own = tree.children(of: root).first(where: { Self.isConfig($0.name) })?.node
        {
            var bytes = try tree.read(own, atMost: Self.maximumConfig)
            if !addition.isEmpty, let last = bytes.last, last != UInt8(ascii: "\n") { bytes.append(0x0A) }
            return (bytes + addition, true)
        }
        return ((options.style == .none ? [] : Array(files.config.text.utf8)) + addition, false)
    }

    private static let maximumConfig = 1 << 20

    private static func isConfig(_ name: ArraySlice<UInt8>) -> Bool {
        String(decoding: name, as: UTF8.self).lowercased() == "config.txt"
    }

    private mutating func replaceConfig(
        in root: FileTree.NodeID, with config: [UInt8]
    ) throws(ImageError) -> FileTree.NodeID {
        var children = tree.children(of: root).map { (name: Array($0.name), node: $0.node) }
        let node = tree.addFile(config, Self.file)
        for index in children.indices where Self.isConfig(children[index].name[...]) { children[index].node = node }
        return try tree.addDirectory(children, tree.attributes(of: root))
    }

    /// Warns of files that `config.txt` names and that are not there. (Those below `os_prefix` are mkpiimg's own.)
    private mutating func checkNames(in config: [UInt8], _ overlays: [String], _ options: BootOptions) {
        let settings = ConfigTxt.settings(of: config)
        let prefixes = Set(settings.filter { $0.name == "os_prefix" }.map(\.value) + [""]).sorted()
        func has(_ name: String) -> Bool { prefixes.contains { tree.node(at: "/" + $0 + name) != nil } }
        for setting in settings where ["kernel", "armstub", "device_tree"].contains(setting.name) {
            guard !setting.value.isEmpty, !has(setting.value) else { continue }
            warnings.append("config.txt names '\(setting.value)', which is not on the firmware partition")
        }
        for name in overlays where !has("overlays/\(name).dtbo") {
            warnings.append("config.txt names the overlay '\(name)', which is not on the firmware partition")
        }
    }

    /// An overlay's file, those of its variants for newer boards, and the table that says which variant is whose.
    static func overlayFiles(
        _ names: [String], _ packages: FirmwarePackages
    ) -> [(name: String, path: FilePath)] {
        // A name with a slash leads out of the folder.
        let wanted = names.filter { !$0.contains("/") }.flatMap { ["\($0).dtbo", "\($0)-pi4.dtbo", "\($0)-pi5.dtbo"] }
        let found = wanted.compactMap { name in packages.overlay(name).map { (name, $0) } }
        guard !found.isEmpty, let map = packages.overlay("overlay_map.dtb") else { return found }
        return found + [("overlay_map.dtb", map)]
    }

    // MARK: uboot.env

    /// Where a kernel is too large for the addresses that U-Boot loads things to, moves them.
    private mutating func addEnvironment(
        for toplevel: Toplevel, _ uboots: [String], _ config: [UInt8]
    ) throws(ImageError) {
        // Somebody knows better.
        guard tree.node(at: "/" + UBootEnvironment.fileName) == nil else { return }
        var links = FileTree.HostLinks()
        var kernels: [KernelImage] = []
        for system in [toplevel] + toplevel.specialisations.map(\.toplevel) {
            let node = try tree.scan(system.kernel.physical, rules: Self.rules(store), links: &links)
            let head = try tree.read(node, atMost: KernelImage.headLength)
            if let kernel = KernelImage(head: head, fileSize: tree.size(of: node)) { kernels.append(kernel) }
        }
        let named = ConfigTxt.settings(of: config).filter { $0.name == "kernel" }.map(\.value)
        var environments: [UBootEnvironment] = []
        for name in named + uboots {
            guard let node = tree.node(at: "/" + name) else { continue }
            if let found = UBootEnvironment(builtInto: try tree.read(node, atMost: 16 << 20)) {
                environments.append(found)
            }
        }
        let rooms = environments.compactMap(\.room)
        func fits(_ kernel: KernelImage) -> Bool {
            (rooms.isEmpty ? [.usual] : rooms).allSatisfy { $0.holds(kernel) }
        }
        guard let large = kernels.filter({ !fits($0) }).max(by: { $0.memorySize < $1.memorySize }) else { return }
        let limit = (rooms.isEmpty ? [.usual] : rooms).map(\.limit).min() ?? 0
        let said =
            "the kernel takes \(ByteSize.format(large.memorySize)) of memory and U-Boot leaves "
            + "\(ByteSize.format(limit)) before what it loads next"
        if var environment = environments.first {
            environment.makeRoom()
            if let room = environment.room, kernels.allSatisfy(room.holds), let bytes = environment.encoded() {
                let node = tree.addFile(bytes, Self.file)
                var children = tree.children(of: tree.root).map { (name: Array($0.name), node: $0.node) }
                children.append((Array(UBootEnvironment.fileName.utf8), node))
                tree.root = try tree.addDirectory(children, tree.attributes(of: tree.root))
                warnings.append(said + ": \(UBootEnvironment.fileName) on the firmware partition moves that")
                return
            }
        }
        warnings.append(said + ": it will not boot (use a newer U-Boot, a smaller kernel, or '--boot kernel')")
    }

    // MARK: Host

    private mutating func put(_ path: FilePath, at place: String, in sketch: inout TreeSketch) throws(ImageError) {
        var links = FileTree.HostLinks()
        try sketch.put(tree.scan(path, rules: Self.rules(store), links: &links), at: place)
    }

    /// How folders are read: FAT has no links, so they are followed.
    static func rules(_ store: StoreLocation) -> FileTree.ScanRules {
        FileTree.ScanRules(
            metadata: .host,
            links: .follow { (link) throws(ImageError) in
                // A link in the store leads to the store that is given, whatever the host has at that path.
                if link.starts(with: store.directory) { return try store.follow(link).physical }
                return resolve(link, store) ?? link
            })
    }

    /// Where a link leads: into the store that is given, or elsewhere on the host.
    private static func resolve(_ path: FilePath, _ store: StoreLocation) -> FilePath? {
        if let place = try? store.follow(path) { return place.physical }
        guard let resolved = realpath(path.string, nil) else { return nil }
        defer { free(resolved) }
        return FilePath(platformString: resolved)
    }

    /// A toplevel's `firmware`, where that is made of boot files (usually it is what the kernel loads into devices).
    private static func folder(of toplevel: Toplevel?, _ store: StoreLocation) throws(ImageError) -> FilePath? {
        guard let toplevel else { return nil }
        let link = store.physical(toplevel.path).appending("firmware")
        guard exists(link) else { return nil }
        let folder = try store.follow(link).physical
        let signs = ["config.txt", "bootcode.bin", "start4.elf", "u-boot.bin"]
        return signs.contains { exists(folder.appending($0)) } ? folder : nil
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
