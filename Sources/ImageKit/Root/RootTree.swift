import SystemPackage

/// The root filesystem of an image as a tree: the store, its registration for the first boot, and U-Boot's files.
///
/// ```
///   /nix/store/…                 the closure's paths, as Nix would have written them
///   /nix-path-registration       their hashes and references, for `nix-store --load-db`
///   /boot/extlinux/extlinux.conf
///   /boot/nixos/…                copies of kernel, initial RAM disk and device trees
/// ```
struct RootTree {
    private(set) var tree = FileTree()
    /// The order in which the tree's data is laid out.
    private(set) var hints = LayoutHints()
    /// The closure's paths in the order of their data on the disk.
    private(set) var paths: [PathInfo] = []
    /// What joining files of the same content saved.
    private(set) var savings = FileTree.LinkSavings()
    /// Whether something was added that not everybody may read.
    private(set) var isPrivate = false
    /// What a person should know about the additions.
    private(set) var warnings: [Advice] = []

    private static let file = FileAttributes(permissions: 0o444)

    init(
        _ closure: Closure, in store: StoreLocation, toplevel: Toplevel?, boot: BootOptions, registrationPath: String,
        deduplicates: Bool = true, keepsShortFiles: Bool = true, profile: StorePath? = nil,
        additions: RootAdditions = RootAdditions(),
        threads: Int = 1, progress: Progress?
    ) throws(ImageError) {
        var rules = FileTree.ScanRules(metadata: .store, joinsByContent: deduplicates)
        if keepsShortFiles { rules.kept = Monitor(FileTree.ScanRules.maximumKept) }
        let scanned = try addStore(closure, in: store, rules, threads: threads, progress: progress)
        let readAhead = ReadAhead(tree, hints, isCold: scanned.isCold)
        let readers = readAhead.isNeeded ? max(threads, ReadAhead.readers) : threads
        savings = try tree.joinLinks(
            under: scanned.node, deduplicates ? .byContent(threads: readers) : .asScanned, progress: progress)

        var builder = TreeBuilder()
        try builder.put(scanned.node, at: "/nix/store")
        try builder.put(tree.addFile(closure.registration.encoded(), Self.file), at: registrationPath)
        try addBootFiles(of: toplevel, boot, in: store, to: &builder)
        if let profile { try ProfileLinks.add(profile, to: &builder, of: &tree) }
        tree.root = try builder.build(into: &tree)

        let kept = Self.kept(registrationPath: registrationPath, hasProfile: profile != nil)
        (isPrivate, warnings) = try additions.apply(to: &tree, in: store, keeping: kept, progress: progress)
        try hints.gatherSimilar(in: tree, threads: readers, progress: progress)
        readAhead.stop()
    }

    /// The store's directory, after its scan.
    private struct ScannedStore {
        var node: FileTree.NodeID
        /// Whether files had to be read from a disk.
        var isCold: Bool
    }

    /// Scans the store paths into one directory, and orders their data on the disk by package name, so that a path
    /// whose hash changed keeps its position.
    private mutating func addStore(
        _ closure: Closure, in store: StoreLocation, _ rules: FileTree.ScanRules, threads: Int, progress: Progress?
    ) throws(ImageError) -> ScannedStore {
        try progress?.begin(.scan)
        // The longest scans come first, so that the threads end at about the same time.
        let infos = closure.paths.sorted { (Self.scanCost($1), $0.path) < (Self.scanCost($0), $1.path) }
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
        return ScannedStore(node: node, isCold: scanned.isCold)
    }

    /// An estimate of how long the scan of a path takes, in bytes. Paths with many references have many symbolic links,
    /// which take no bytes.
    private static func scanCost(_ info: PathInfo) -> UInt64 {
        info.narSize.addingClamping(UInt64(info.references.count) << 16)
    }

    /// A number that depends on a package's name only (FNV-1a, mixed so that all bits depend on all bytes).
    private static func key(of name: String) -> UInt64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in name.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        return hash.mixed
    }

    /// Adds U-Boot's menu and its files, if U-Boot boots the system.
    /// - Throws: when the image is to boot and there is no system.
    private mutating func addBootFiles(
        of toplevel: Toplevel?, _ boot: BootOptions, in store: StoreLocation, to builder: inout TreeBuilder
    ) throws(ImageError) {
        if boot.style == .none { return }
        guard let toplevel else {
            throw ImageError(
                .invalidInput, "none of the closures can boot",
                reason: "none has 'init', 'nixos-version' and 'kernel'",
                remedy: "give a NixOS system's toplevel, or leave booting out with '\(.boot, "none")'")
        }
        if boot.style == .extlinux { try ExtlinuxFiles.add(toplevel, boot, in: store, to: &tree, &builder) }
    }

    /// The paths that additions may not replace.
    private static func kept(registrationPath: String, hasProfile: Bool) -> [RootOverlay.Kept] {
        let store = RootOverlay.Kept(
            StorePath.directory, "the store", remedy: "leave it out, and add store paths with \(.closure)")
        let registration = RootOverlay.Kept(
            registrationPath, "the registration that the first boot loads",
            remedy: "leave it out, or move the registration with \(.registrationPath)")
        let profile = ProfileLinks.paths.map {
            RootOverlay.Kept($0, "the system profile", remedy: "leave it or \(.profile) out")
        }
        return [store, registration] + (hasProfile ? profile : [])
    }
}
