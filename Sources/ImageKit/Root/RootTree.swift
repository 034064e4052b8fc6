import SystemPackage

/// The root filesystem of an image as a tree: the store, the registration that the first boot loads, and what boots.
///
/// ```
///   /nix/store/…                 the closure's paths, as Nix would have written them
///   /nix-path-registration       what they are, for `nix-store --load-db`
///   /boot/extlinux/extlinux.conf
///   /boot/nixos/…                copies of kernel, initial RAM disk and device trees
/// ```
struct RootTree {
    private(set) var tree = FileTree()
    /// The order in which the tree's data is laid out.
    private(set) var hints = LayoutHints()
    /// The closure's paths in the order in which their data lies on the disk.
    private(set) var paths: [PathInfo] = []
    /// What joining files of the same content saved.
    private(set) var savings = FileTree.LinkSavings()
    /// Whether something was added that not everybody may read.
    private(set) var isPrivate = false
    /// What should be known about what was added.
    private(set) var warnings: [String] = []

    private static let file = FileAttributes(permissions: 0o444)

    init(
        _ closure: Closure, in store: StoreLocation, toplevel: Toplevel?, boot: BootOptions, registrationPath: String,
        deduplicates: Bool = true, keepsShortFiles: Bool = true, profile: StorePath? = nil,
        additions: RootAdditions = RootAdditions(),
        threads: Int = 1, progress: Progress?
    ) throws(ImageError) {
        var rules = FileTree.ScanRules(metadata: .store, joinsByContent: deduplicates)
        if keepsShortFiles { rules.kept = Monitor(FileTree.ScanRules.maximumKept) }
        let (storeNode, isCold) = try addStore(closure, in: store, rules, threads: threads, progress: progress)
        let ahead = ReadAhead(tree, hints, isCold: isCold)
        let readers = ahead.isNeeded ? max(threads, ReadAhead.readers) : threads
        savings = try tree.joinLinks(
            under: storeNode, deduplicates ? .byContent(threads: readers) : .asScanned, progress: progress)
        var sketch = TreeBuilder()
        try sketch.put(storeNode, at: "/nix/store")
        try sketch.put(tree.addFile(closure.registration.encoded(), Self.file), at: registrationPath)
        if boot.style != .none {
            guard let toplevel else {
                throw ImageError(
                    .invalidInput, "none of the closures can boot",
                    reason: "none has 'init', 'nixos-version' and 'kernel'",
                    remedy: "give a NixOS system's toplevel, or leave booting out with '--boot none'")
            }
            if boot.style == .extlinux { try ExtlinuxFiles.add(toplevel, boot, in: store, to: &tree, &sketch) }
        }
        if let profile { try ProfileLinks.put(profile, into: &sketch, of: &tree) }
        tree.root = try sketch.build(into: &tree)
        var kept = [
            RootOverlay.Kept(
                StorePath.directory, "the store", remedy: "leave it out, and add store paths with --closure"),
            RootOverlay.Kept(
                registrationPath, "the registration that the first boot loads",
                remedy: "leave it out, or move the registration with --registration-path"),
        ]
        if profile != nil {
            kept += ProfileLinks.paths.map {
                RootOverlay.Kept($0, "the system profile", remedy: "leave it or --profile out")
            }
        }
        (isPrivate, warnings) = try additions.lay(over: &tree, in: store, keeping: kept, progress: progress)
        try hints.gatherSimilar(in: tree, threads: readers, progress: progress)
        ahead.stop()
    }

    /// Scans the store paths into one directory, and says in which order their data lies on the disk: by package name, so
    /// that a path whose hash changed stays where it was.
    private mutating func addStore(
        _ closure: Closure, in store: StoreLocation, _ rules: FileTree.ScanRules, threads: Int, progress: Progress?
    ) throws(ImageError) -> (node: FileTree.NodeID, isCold: Bool) {
        try progress?.begin(.scan)
        // What takes long first, so that nothing waits for one last path.
        let infos = closure.paths.sorted { (Self.size($1), $0.path) < (Self.size($0), $1.path) }
        let scan = ParallelScan(
            paths: infos.map { store.physical($0.path) }, rules: rules, progress: progress)
        let scanned = try scan.run(threads: threads, into: &tree)
        let children = zip(infos, scanned.nodes).map { (name: Array($0.path.baseName.utf8), node: $1) }
        let node = try tree.addDirectory(children, FileAttributes(permissions: 0o755))
        let ordered = zip(infos, scanned.nodes).map { info, node in
            (name: String(info.path.name), info: info, node: node)
        }.sorted {
            ($0.name, $0.info.path) < ($1.name, $1.info.path)
        }
        paths = ordered.map(\.info)
        hints.units = ordered.map { LayoutHints.Unit(node: $0.node, key: Self.key(of: $0.name)) }
        return (node, scanned.isCold)
    }

    /// How long a path probably takes to scan, in bytes. (Where much is referred to, there are many links, which take none.)
    private static func size(_ info: PathInfo) -> UInt64 {
        info.narSize.addingClamping(UInt64(info.references.count) << 16)
    }

    /// A number that depends on a package's name alone (FNV-1a, mixed so that all bits do).
    private static func key(of name: String) -> UInt64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in name.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        return hash.mixed
    }
}
