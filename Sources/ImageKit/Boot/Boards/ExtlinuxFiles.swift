import SystemPackage

/// The files that U-Boot reads from the root partition: the menu, and copies of the files that it names.
///
/// ```
///   /boot/extlinux/extlinux.conf
///   /boot/nixos/<hash>-<name>-Image      copies, named after their store paths
///   /boot/nixos/<hash>-<name>-initrd
///   /boot/nixos/<hash>-<name>-dtbs/…
/// ```
///
/// They are copies and not links, so that a program that cleans up the directory leaves the store alone.
struct ExtlinuxFiles {
    private let options: BootOptions
    private let store: StoreLocation
    /// Names of the copies so far. Systems with the same kernel share its copy.
    private var copied: Set<String> = []

    private init(_ options: BootOptions, _ store: StoreLocation) {
        self.options = options
        self.store = store
    }

    /// Adds the menu of a system and its specialisations, and the files that it names.
    static func add(
        _ toplevel: Toplevel, _ options: BootOptions, in store: StoreLocation, to tree: inout FileTree,
        _ builder: inout TreeBuilder
    ) throws(ImageError) {
        var files = ExtlinuxFiles(options, store)
        var entries = [
            try files.entry(toplevel, label: "nixos-default", title: "NixOS - Default", &tree, &builder)
        ]
        for specialisation in toplevel.specialisations {
            entries.append(
                try files.entry(
                    specialisation.toplevel, label: "nixos-default-\(specialisation.name)",
                    title: "NixOS - Default (\(specialisation.name))", &tree, &builder))
        }
        let menu = ExtlinuxMenu(entries: entries, timeout: options.menuTimeout)
        let file = FileAttributes(permissions: 0o444)
        try builder.put(tree.addFile(menu.text.utf8, file), at: "/boot/extlinux/extlinux.conf")
    }

    private mutating func entry(
        _ toplevel: Toplevel, label: String, title: String, _ tree: inout FileTree, _ builder: inout TreeBuilder
    ) throws(ImageError) -> ExtlinuxMenu.Entry {
        var entry = ExtlinuxMenu.Entry(
            label: label, title: title, kernel: try copy(toplevel.kernel, &tree, &builder),
            commandLine: (["init=\(toplevel.initPath)"] + options.parameters(of: toplevel)).joined(separator: " "))
        if let initrd = toplevel.initrd { entry.initrd = try copy(initrd, &tree, &builder) }
        if options.deviceTree == .firmware { return entry }
        let file = try options.deviceTreeFile(of: toplevel, in: store)
        if let trees = toplevel.deviceTrees {
            let name = try copy(trees, &tree, &builder)
            entry.deviceTrees = file == nil ? .directory(name) : options.deviceTree.file.map { .file("\(name)/\($0)") }
        }
        return entry
    }

    /// Copies a file or directory of the store to `/boot/nixos`.
    /// - Returns: the name of the copy.
    private mutating func copy(
        _ source: ResolvedStorePath, _ tree: inout FileTree, _ builder: inout TreeBuilder
    ) throws(ImageError) -> String {
        let name = source.logical.string.dropFirst("\(StorePath.directory)/".count).split(separator: "/")
            .joined(separator: "-")
        guard copied.insert(name).inserted else { return name }
        var links = FileTree.HostLinks()
        let node = try tree.scan(source.physical, rules: FileTree.ScanRules(metadata: .store), links: &links)
        try builder.put(node, at: "/boot/nixos/\(name)")
        return name
    }
}
