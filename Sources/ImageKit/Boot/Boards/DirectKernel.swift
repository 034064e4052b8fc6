import Glibc
import SystemPackage

/// A kernel that the board's firmware starts without U-Boot: all its files are on the firmware partition.
///
/// ```
///   config.txt                      os_prefix=nixos/default/
///   nixos/default/kernel.img
///   nixos/default/initrd
///   nixos/default/cmdline.txt       kernel parameters init=/nix/store/…/init
///   nixos/default/*.dtb
///   nixos/default/overlays/README   if missing, the firmware takes overlays from the top directory
///   nixos/default/overlays/*.dtbo
///   nixos/default-<specialisation>/…
/// ```
///
/// Source: Raspberry Pi documentation, "config.txt", `os_prefix` and `overlay_prefix`. The names are those of the
/// community's NixOS modules for the Raspberry Pi, which continue with `nixos/<generation>-default`.
struct DirectKernel {
    static let directory = "nixos", defaultName = "default", kernelName = "kernel.img", initrdName = "initrd"

    /// Boards whose device tree is missing for the default system, with the name of that file.
    private(set) var missing: [(board: Board, files: [String])] = []

    private let options: BootOptions
    private let packages: FirmwarePackages
    private let store: StoreLocation
    private let rules: FileTree.ScanRules
    private static let file = FileAttributes(permissions: 0o644)

    /// - Parameter rules: the rules for scanning the store's files.
    init(_ options: BootOptions, packages: FirmwarePackages, store: StoreLocation, rules: FileTree.ScanRules) {
        self.options = options
        self.packages = packages
        self.store = store
        self.rules = rules
    }

    /// Adds the files of a system and of its specialisations to the firmware partition.
    /// - Parameter overlays: the names of the overlays in `config.txt`.
    mutating func add(
        _ toplevel: Toplevel, overlays: [String], to tree: inout FileTree, _ builder: inout TreeBuilder
    ) throws(ImageError) {
        try add(toplevel, named: Self.defaultName, overlays, &tree, &builder)
        for specialisation in toplevel.specialisations {
            try add(
                specialisation.toplevel, named: "\(Self.defaultName)-\(specialisation.name)", overlays, &tree, &builder)
        }
    }

    private mutating func add(
        _ toplevel: Toplevel, named name: String, _ overlays: [String], _ tree: inout FileTree,
        _ builder: inout TreeBuilder
    ) throws(ImageError) {
        let directory = "/\(Self.directory)/\(name)/"
        try builder.put(scan(toplevel.kernel.physical, &tree), at: directory + Self.kernelName)
        if let initrd = toplevel.initrd {
            try builder.put(scan(initrd.physical, &tree), at: directory + Self.initrdName)
        }
        let line = (options.parameters(of: toplevel) + ["init=\(toplevel.initPath)"]).joined(separator: " ")
        try builder.put(tree.addFile(Array((line + "\n").utf8), Self.file), at: directory + "cmdline.txt")

        for (name, path) in try deviceTrees(of: toplevel, isDefault: name == Self.defaultName) {
            try builder.put(scan(path, &tree), at: directory + name)
        }
        for (name, path) in try overlayFiles(of: toplevel, overlays) {
            try builder.put(scan(path, &tree), at: directory + "overlays/" + name)
        }
        let readme = "mkpiimg: with this file here, the firmware takes overlays from this folder.\n"
        try builder.put(tree.addFile(Array(readme.utf8), Self.file), at: directory + "overlays/README")
    }

    private func scan(_ path: FilePath, _ tree: inout FileTree) throws(ImageError) -> FileTree.NodeID {
        var links = FileTree.HostLinks()
        return try tree.scan(path, rules: rules, links: &links)
    }

    /// The device trees that the firmware may look for, sorted by name: the kernel's, the one that the options name,
    /// and the firmware's own with other names.
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
        // The kernel may lack a model's tree or name it differently. Without it, the firmware ignores `os_prefix`.
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

    /// All of the kernel's overlays; if it has none, those overlays of the firmware that `config.txt` names.
    private func overlayFiles(
        of toplevel: Toplevel, _ named: [String]
    ) throws(ImageError) -> [(name: String, path: FilePath)] {
        if let trees = toplevel.deviceTrees {
            let overlays = try files(in: trees.physical.appending("overlays"))
                .filter { $0.name.hasSuffix(".dtbo") || $0.name.hasSuffix(".dtb") }
            if !overlays.isEmpty { return overlays }
        }
        return FirmwareTree.overlayFiles(named, packages)
    }

    /// The names in a directory of the store, sorted, with their paths; empty if there is no such directory.
    private func files(in directory: FilePath) throws(ImageError) -> [(name: String, path: FilePath)] {
        // A link to a store path leads into the given store, not into the host's `/nix/store`.
        guard let path = try? store.follow(directory).physical, FileStatus.type(of: path) == S_IFDIR else { return [] }
        return try DirectoryNames.read(directory: path).texts.map { ($0, path.appending($0)) }
    }
}
