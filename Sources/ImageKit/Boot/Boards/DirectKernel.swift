import Glibc
import SystemPackage

/// A kernel that the board's firmware starts by itself, without U-Boot: everything it needs is on the firmware partition.
///
/// ```
///   config.txt                      os_prefix=nixos/default/
///   nixos/default/kernel.img
///   nixos/default/initrd
///   nixos/default/cmdline.txt       kernel parameters init=/nix/store/…/init
///   nixos/default/*.dtb
///   nixos/default/overlays/README   without it, the firmware takes overlays from the top directory
///   nixos/default/overlays/*.dtbo
///   nixos/default-<specialisation>/…
/// ```
///
/// Source: Raspberry Pi documentation, "config.txt", `os_prefix` and `overlay_prefix`. The names are those that the
/// community's NixOS modules for the Raspberry Pi use, which go on with `nixos/<generation>-default`.
struct DirectKernel {
    static let directory = "nixos", defaultName = "default", kernelName = "kernel.img", initrdName = "initrd"

    /// Boards for which there is no device tree.
    private(set) var missing: [(board: Board, files: [String])] = []

    private let options: BootOptions
    private let packages: FirmwarePackages
    private let store: StoreLocation
    private let rules: FileTree.ScanRules
    private static let file = FileAttributes(permissions: 0o644)

    /// - Parameter rules: how files and directories are read.
    init(_ options: BootOptions, packages: FirmwarePackages, store: StoreLocation, rules: FileTree.ScanRules) {
        self.options = options
        self.packages = packages
        self.store = store
        self.rules = rules
    }

    /// Adds a system's files to the partition.
    /// - Parameter overlays: those that `config.txt` names.
    mutating func add(
        _ toplevel: Toplevel, overlays: [String], to tree: inout FileTree, _ sketch: inout TreeBuilder
    ) throws(ImageError) {
        try add(toplevel, named: Self.defaultName, overlays, &tree, &sketch)
        for specialisation in toplevel.specialisations {
            try add(
                specialisation.toplevel, named: "\(Self.defaultName)-\(specialisation.name)", overlays, &tree, &sketch)
        }
    }

    private mutating func add(
        _ toplevel: Toplevel, named name: String, _ overlays: [String], _ tree: inout FileTree,
        _ sketch: inout TreeBuilder
    ) throws(ImageError) {
        let place = "/\(Self.directory)/\(name)/"
        try sketch.put(scan(toplevel.kernel.physical, &tree), at: place + Self.kernelName)
        if let initrd = toplevel.initrd { try sketch.put(scan(initrd.physical, &tree), at: place + Self.initrdName) }
        let line = (options.parameters(of: toplevel) + ["init=\(toplevel.initPath)"]).joined(separator: " ")
        try sketch.put(tree.addFile(Array((line + "\n").utf8), Self.file), at: place + "cmdline.txt")

        for (name, path) in try deviceTrees(of: toplevel, isDefault: name == Self.defaultName) {
            try sketch.put(scan(path, &tree), at: place + name)
        }
        for (name, path) in try overlayFiles(of: toplevel, overlays) {
            try sketch.put(scan(path, &tree), at: place + "overlays/" + name)
        }
        let readme = "mkpiimg: with this file here, the firmware takes overlays from this folder.\n"
        try sketch.put(tree.addFile(Array(readme.utf8), Self.file), at: place + "overlays/README")
    }

    private func scan(_ path: FilePath, _ tree: inout FileTree) throws(ImageError) -> FileTree.NodeID {
        var links = FileTree.HostLinks()
        return try tree.scan(path, rules: rules, links: &links)
    }

    /// The device trees that the firmware may look for: the kernel's own, and the firmware's where that has none.
    private mutating func deviceTrees(
        of toplevel: Toplevel, isDefault: Bool
    ) throws(ImageError) -> [(name: String, path: FilePath)] {
        var found: [String: FilePath] = [:]
        if let trees = toplevel.deviceTrees, options.deviceTree != .firmware {
            for directory in [trees.physical.appending("broadcom"), trees.physical] {
                for (name, path) in try files(in: directory) where FirmwarePackages.matches(name, "bcm2*.dtb") {
                    found[name] = path
                }
            }
        }
        if let file = try options.deviceTreeFile(of: toplevel, in: store), let name = options.deviceTree.file {
            found[name.split(separator: "/").last.map(String.init) ?? name] = file.physical
        }
        // A model whose tree the kernel calls otherwise, or has not: without one the firmware gives up the whole directory.
        for board in options.boards {
            for pattern in [board.deviceTree] + board.deviceTrees {
                for (name, path) in packages.firmware(like: pattern) where found[name] == nil { found[name] = path }
            }
            if found[board.deviceTree] == nil, options.deviceTree.file == nil, isDefault {
                missing.append((board, [board.deviceTree]))
            }
        }
        return found.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    /// All of the kernel's overlays; where it brings none, those of the firmware's that are named.
    private func overlayFiles(
        of toplevel: Toplevel, _ named: [String]
    ) throws(ImageError) -> [(name: String, path: FilePath)] {
        if let trees = toplevel.deviceTrees {
            let own = try files(in: trees.physical.appending("overlays"))
                .filter { $0.name.hasSuffix(".dtbo") || $0.name.hasSuffix(".dtb") }
            if !own.isEmpty { return own }
        }
        return FirmwareTree.overlayFiles(named, packages)
    }

    /// What is in a directory of the store, sorted by name; nothing where there is no such directory.
    private func files(in directory: FilePath) throws(ImageError) -> [(name: String, path: FilePath)] {
        // A link leads to the store that is given, not to the host's.
        guard let place = try? store.follow(directory).physical, HostPath.kind(of: place) == S_IFDIR else { return [] }
        return try DirectoryNames.read(directory: place).texts.map { ($0, place.appending($0)) }
    }
}
