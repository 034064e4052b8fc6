/// Checks whether an image has all files between a board's firmware and the system.
///
/// ```
///   config.txt ──▶ U-Boot ──▶ extlinux.conf ──▶ kernel, initrd, device trees
///       │                            └────────▶ init= ──▶ toplevel ──▶ etc/fstab ──▶ filesystems
///       └────────▶ kernel, cmdline.txt ───────▶ root= ─────────────────────────────────▲
/// ```
///
/// Files that are on no filesystem of the image and other ways to boot (EFI, a script for U-Boot) are not checked.
struct BootChainCheck {
    /// A filesystem of the image.
    struct Filesystem {
        /// The number of its partition.
        var partition: Int
        /// The identifier of its partition.
        var partitionID: String?
        /// Its type, as in fstab.
        var type: String
        var label: String?
        var uuid: String?
        var tree: FileTree

        var isFAT: Bool { type == "vfat" }

        /// Whether it has the identity that a mount or the kernel asks for.
        func matches(_ identity: FilesystemTable.Identity) -> Bool {
            switch identity {
            // FAT has no lower case.
            case .label(let name): label == name || isFAT && label?.uppercased() == name.uppercased()
            case .uuid(let name): uuid?.lowercased() == name.lowercased()
            case .partitionUUID(let name): partitionID?.lowercased() == name.lowercased()
            }
        }
    }

    let filesystems: [Filesystem]
    /// The numbers of all partitions, whatever their content.
    let partitions: Set<Int>
    /// The identifiers of partitions that could not be read.
    let unreadIDs: Set<String>
    /// Called for each finding, with the number of its partition.
    private let onFinding: (Finding) -> Void

    /// The effort that is left.
    let effort: BootEffort
    /// Finds files, by the number of the partition.
    private let files: [Int: BootFiles]

    /// The longest text that is read (menu, command line, fstab), in bytes.
    static let maximumTextLength = 1 << 20
    /// How many entries of a menu and lines of an fstab are checked; more do not occur in practice.
    static let maximumEntries = 1000

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

    /// Checks every way to boot.
    /// - Returns: the number of menu entries and command lines that were followed.
    func run() throws(ImageError) -> UInt64 {
        let firmware = filesystems.first { $0.isFAT && node(at: "config.txt", on: $0) != nil }
        var boot = Chain()
        if let firmware { try checkFirmware(firmware, &boot) }
        for filesystem in filesystems {
            for path in ExtlinuxConfig.menuPaths {
                guard let node = node(at: path, on: filesystem), filesystem.tree.kind(of: node) == .file else {
                    continue
                }
                try checkMenu(node, at: path, on: filesystem, &boot)
            }
        }
        // A menu may be on a filesystem that could not be read.
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

    /// What the check has found out about the way to boot.
    struct Chain {
        /// Whether the firmware starts U-Boot.
        var hasUBoot = false
        var menus: UInt64 = 0, entries: UInt64 = 0
        /// Kernels that the firmware starts itself.
        var commandLines: UInt64 = 0
        /// Whether a finding already says why nothing starts.
        var isReported = false
        /// The systems that are started: directories that have `init`.
        var toplevels: Set<String> = []
    }

    /// Whether there is another file or directory that U-Boot boots from.
    private var hasOtherMenu: Bool {
        let names = ["boot.scr", "boot.scr.uimg", "efi/boot", "pxelinux.cfg"]
        return filesystems.contains { filesystem in
            names.contains { name in
                node(at: "/" + name, on: filesystem) != nil || node(at: "/boot/" + name, on: filesystem) != nil
            }
        }
    }

    /// The filesystem of the system: the one with a store, or with `/etc`, or the first that is not FAT.
    var system: Filesystem? {
        let candidates = filesystems.filter { !$0.isFAT }
        return candidates.first { $0.tree.node(at: StorePath.directory) != nil }
            ?? candidates.first { $0.tree.node(at: "/etc") != nil } ?? candidates.first
    }

    // MARK: Files

    /// The node at a path: on FAT without regard to case, elsewhere by following links.
    func node(at path: String, on filesystem: Filesystem) -> FileTree.NodeID? {
        files[filesystem.partition]?.node(at: path)
    }

    /// Marks a file as checked.
    /// - Returns: whether it was not checked before.
    private func markChecked(_ node: FileTree.NodeID, on filesystem: Filesystem) -> Bool {
        files[filesystem.partition]?.markChecked(node) ?? false
    }

    /// Whether there is a device tree in a directory or below it.
    func hasDeviceTree(in directory: FileTree.NodeID, on filesystem: Filesystem) -> Bool {
        files[filesystem.partition]?.hasDeviceTree(in: directory) ?? false
    }

    // MARK: Findings

    /// Reports a finding, unless the effort budget is spent: from then on, absence proves nothing.
    func report(_ kind: Finding.Kind, _ detail: String, _ path: String? = nil, on filesystem: Filesystem) {
        guard !effort.isExhausted else { return }
        var finding = Finding(kind, detail, path: path)
        finding.partition = filesystem.partition
        onFinding(finding)
    }

    /// Reports a boot file that is empty, begins with zeros, or cannot be read. Checks each file once.
    /// - Returns: whether the node is a file.
    @discardableResult
    func checkContent(_ node: FileTree.NodeID, _ path: String, on filesystem: Filesystem) throws(ImageError) -> Bool {
        let tree = filesystem.tree
        guard tree.kind(of: node) == .file else { return false }
        guard markChecked(node, on: filesystem), effort.spend(fileOf: UInt64(Self.headLength)) else { return true }
        do {
            let head = try tree.read(node, atMost: Self.headLength)
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

    /// How much of a boot file is checked for zeros, in bytes.
    private static let headLength = 512

    /// A file's text. `nil` if it cannot be read, which is reported as `kind`, or if the effort budget is spent.
    func text(
        of node: FileTree.NodeID, _ path: String, on filesystem: Filesystem, orReport kind: Finding.Kind
    ) throws(ImageError) -> String? {
        guard effort.spend(fileOf: min(filesystem.tree.size(of: node), UInt64(Self.maximumTextLength))) else {
            return nil
        }
        do {
            return String(decoding: try filesystem.tree.read(node, atMost: Self.maximumTextLength), as: UTF8.self)
        } catch {
            guard error.blame.isInput else { throw error }
            report(kind, "it cannot be read: \(error.fault)", path, on: filesystem)
            return nil
        }
    }
}
