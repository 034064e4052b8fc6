/// Checks whether everything is there on the way from a board's firmware to the system.
///
/// ```
///   config.txt ──▶ U-Boot ──▶ extlinux.conf ──▶ kernel, initrd, device trees
///       │                            └────────▶ init= ──▶ toplevel ──▶ etc/fstab ──▶ filesystems
///       └────────▶ kernel, cmdline.txt ───────▶ root= ─────────────────────────────────▲
/// ```
///
/// What is on no filesystem of the image, or works in another way (EFI, a script for U-Boot), is not looked into.
struct BootChainCheck {
    /// A filesystem of the image.
    struct Filesystem {
        /// The number of the partition that it is in.
        var partition: Int
        /// That partition's identifier.
        var partitionID: String?
        /// Its type, as fstab calls it.
        var type: String
        var label: String?
        var uuid: String?
        var tree: FileTree

        var isFAT: Bool { type == "vfat" }

        /// Whether it is what a mount or the kernel asks for.
        func matches(_ identity: FilesystemTable.Identity) -> Bool {
            switch identity {
            // FAT knows no lower case.
            case .label(let name): label == name || isFAT && label?.uppercased() == name.uppercased()
            case .uuid(let name): uuid?.lowercased() == name.lowercased()
            case .partitionUUID(let name): partitionID?.lowercased() == name.lowercased()
            }
        }
    }

    let filesystems: [Filesystem]
    /// Numbers of all partitions, whatever is in them.
    let partitions: Set<Int>
    /// Identifiers of those in which nothing could be read.
    let unreadIDs: Set<String>
    /// Hears what is found, with the number of the partition that it is about.
    private let onFinding: (Finding) -> Void

    /// What it has cost so far.
    let effort: BootEffort
    /// Finds files, by the number of the partition.
    private let files: [Int: BootFiles]

    /// Texts are read up to here: menus, command lines, fstab.
    static let maximumText = 1 << 20
    /// As many entries of a menu and lines of an fstab are looked at; nobody has more.
    static let entryLimit = 1000

    init(
        _ filesystems: [Filesystem], partitions: Set<Int>, unreadIDs: Set<String> = [],
        effort: BootEffort = BootEffort(),
        onFinding: @escaping (Finding) -> Void
    ) {
        self.filesystems = filesystems
        self.partitions = partitions
        self.unreadIDs = unreadIDs
        self.effort = effort
        let files = filesystems.map {
            ($0.partition, BootFiles($0.tree, ignoringCase: $0.isFAT, effort: effort))
        }
        self.files = Dictionary(files) { first, _ in first }
        self.onFinding = onFinding
    }

    /// Checks all there is.
    /// - Returns: how many ways to boot were followed: menu entries and command lines.
    func run() throws(ImageError) -> UInt64 {
        let firmware = filesystems.first { $0.isFAT && node(at: "config.txt", on: $0) != nil }
        var boot = Chain()
        if let firmware { try checkFirmware(firmware, &boot) }
        for filesystem in filesystems {
            for path in ExtlinuxConfig.places {
                guard let node = node(at: path, on: filesystem), filesystem.tree.kind(of: node) == .file else {
                    continue
                }
                try checkMenu(node, at: path, on: filesystem, &boot)
            }
        }
        // What is on a filesystem that could not be read, nobody knows.
        if boot.hasUBoot, boot.menus == 0, unreadIDs.isEmpty, let firmware, !hasOtherMenu {
            report(
                .bootNoMenu, "there is no '/boot/extlinux/extlinux.conf', and nothing else that U-Boot looks for",
                on: firmware)
        }
        if !boot.hasUBoot, boot.menus == 0, boot.commandLines == 0, !boot.isReported, let first = filesystems.first {
            report(.bootNone, "there is neither a menu for U-Boot nor a kernel that firmware starts", on: first)
        }
        try checkMounts(of: boot.toplevels)
        if effort.isExhausted, let first = filesystems.first {
            var finding = Finding(.bootMany, "menus and settings name more than is followed here")
            finding.partition = (firmware ?? first).partition
            onFinding(finding)
        }
        return boot.entries + boot.commandLines
    }

    /// What was met on the way.
    struct Chain {
        /// Whether the firmware starts U-Boot.
        var hasUBoot = false
        var menus: UInt64 = 0, entries: UInt64 = 0
        /// Kernels that the firmware starts itself.
        var commandLines: UInt64 = 0
        /// Whether something is said already about nothing being started.
        var isReported = false
        /// The systems that are started: directories that hold `init`.
        var toplevels: Set<String> = []
    }

    /// Whether there is something else that U-Boot starts.
    private var hasOtherMenu: Bool {
        let names = ["boot.scr", "boot.scr.uimg", "efi/boot", "pxelinux.cfg"]
        return filesystems.contains { filesystem in
            names.contains { name in
                node(at: "/" + name, on: filesystem) != nil || node(at: "/boot/" + name, on: filesystem) != nil
            }
        }
    }

    /// The filesystem that the system is on: the one with a store, or the one that has what systems have.
    var system: Filesystem? {
        let others = filesystems.filter { !$0.isFAT }
        return others.first { $0.tree.node(at: StorePath.directory) != nil }
            ?? others.first { $0.tree.node(at: "/etc") != nil } ?? others.first
    }

    // MARK: Files

    /// What is at a path: on FAT whatever the case is, elsewhere with links followed.
    func node(at path: String, on filesystem: Filesystem) -> FileTree.NodeID? {
        files[filesystem.partition]?.node(at: path)
    }

    /// Whether a file has not been examined yet. From then on it has.
    func isNew(_ node: FileTree.NodeID, on filesystem: Filesystem) -> Bool {
        files[filesystem.partition]?.isNew(node) ?? false
    }

    /// Whether there is a device tree in a directory or below it.
    func hasDeviceTree(in directory: FileTree.NodeID, on filesystem: Filesystem) -> Bool {
        files[filesystem.partition]?.hasDeviceTree(in: directory) ?? false
    }

    // MARK: Findings

    /// Says what was found, unless more was asked for than is looked at: then nobody knows any more what is there.
    func report(_ kind: Finding.Kind, _ what: String, _ path: String? = nil, on filesystem: Filesystem) {
        guard !effort.isExhausted else { return }
        var finding = Finding(kind, what, path: path)
        finding.partition = filesystem.partition
        onFinding(finding)
    }

    /// Makes sure that a file which is started is none of those that have lost their content. Each is looked at once.
    /// - Returns: whether there is a file.
    @discardableResult
    func checkContent(_ node: FileTree.NodeID, _ path: String, on filesystem: Filesystem) throws(ImageError) -> Bool {
        let tree = filesystem.tree
        guard tree.kind(of: node) == .file else { return false }
        guard isNew(node, on: filesystem), effort.take(fileOf: 512) else { return true }
        do {
            let head = try tree.read(node, atMost: 512)
            if head.allSatisfy({ $0 == 0 }) {
                report(
                    .bootEmpty, head.isEmpty ? "it is empty" : "its first \(head.count) bytes are zero", path,
                    on: filesystem)
            }
        } catch {
            guard error.blame.isInput else { throw error }
            report(.bootEmpty, "it cannot be read: \(error.fault)", path, on: filesystem)
        }
        return true
    }

    /// A file's text; `nil` where it cannot be read, which is reported as `kind`, or where enough has been read.
    func text(
        of node: FileTree.NodeID, _ path: String, on filesystem: Filesystem, orReport kind: Finding.Kind
    ) throws(ImageError) -> String? {
        guard effort.take(fileOf: min(filesystem.tree.size(of: node), UInt64(Self.maximumText))) else { return nil }
        do {
            return String(decoding: try filesystem.tree.read(node, atMost: Self.maximumText), as: UTF8.self)
        } catch {
            guard error.blame.isInput else { throw error }
            report(kind, "it cannot be read: \(error.fault)", path, on: filesystem)
            return nil
        }
    }
}
