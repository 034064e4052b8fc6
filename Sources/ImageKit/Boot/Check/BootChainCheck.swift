/// Checks whether an image has all files between a board's firmware and the system.
///
/// ```
///   config.txt ──▶ U-Boot ──▶ extlinux.conf ──▶ kernel, initrd, device trees
///       │                            └────────▶ init= ──▶ toplevel ──▶ etc/fstab ──▶ filesystems
///       └────────▶ kernel, cmdline.txt ───────▶ root= ─────────────────────────────────▲
/// ```
///
/// Files outside the image's filesystems, and other ways to boot (EFI, a script for U-Boot), are not checked.
struct BootChainCheck {
    /// A filesystem of the image.
    struct Filesystem {
        /// The number of its partition.
        var partition: Int
        /// The identifier of its partition (`PARTUUID`); `nil` if it has none.
        var partitionID: String?
        /// Its type as `fstab` names it, such as `vfat` or `ext4`.
        var type: String
        var label: String?
        var uuid: String?
        var tree: FileTree

        var isFAT: Bool { type == "vfat" }

        /// Whether it has the identity that a mount or the kernel asks for.
        func matches(_ identity: FilesystemTable.Identity) -> Bool {
            switch identity {
            // FAT stores labels in upper case.
            case .label(let name): label == name || isFAT && label?.uppercased() == name.uppercased()
            case .uuid(let name): uuid?.lowercased() == name.lowercased()
            case .partitionUUID(let name): partitionID?.lowercased() == name.lowercased()
            }
        }
    }

    let filesystems: [Filesystem]
    /// The numbers of all partitions, whatever their content.
    let partitions: Set<Int>
    /// The identifiers of the partitions that could not be read, in lower case.
    let unreadIDs: Set<String>
    /// Called with each finding, which has the number of its partition.
    private let onFinding: (Finding) -> Void

    /// The budget for the check of the whole image.
    let effort: BootEffort
    /// The lookup of files in each filesystem, by the number of its partition.
    private let files: [Int: BootFiles]

    /// The longest text that is read (menu, command line, `fstab`), in bytes.
    static let maximumTextLength = 1 << 20
    /// The limit for the entries of a menu, the mounts of an `fstab`, and the `fstab` files; real systems have fewer.
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

    /// The state of the check: the parts of the boot chain that were found so far.
    struct Chain {
        /// Whether the firmware starts U-Boot.
        var hasUBoot = false
        var menus: UInt64 = 0, entries: UInt64 = 0
        /// The number of command-line files for kernels that the firmware starts itself.
        var commandLines: UInt64 = 0
        /// Whether a finding already gives the reason why nothing starts.
        var isReported = false
        /// The systems that command lines start: the directories of `init=`, if they are in the store.
        var toplevels: Set<String> = []
    }

    /// Whether there is a file or directory from which U-Boot can boot without an `extlinux.conf`.
    private var hasOtherMenu: Bool {
        let names = ["boot.scr", "boot.scr.uimg", "efi/boot", "pxelinux.cfg"]
        return filesystems.contains { filesystem in
            names.contains { name in
                node(at: "/" + name, on: filesystem) != nil || node(at: "/boot/" + name, on: filesystem) != nil
            }
        }
    }

    /// The root filesystem: the first with a Nix store, else the first with `/etc`, else the first that is not FAT.
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
    /// - Returns: whether this is the first time.
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

    /// The length of the part of a boot file that is checked for zeros, in bytes.
    private static let headLength = 512

    /// A file's text, up to ``maximumTextLength``. `nil` if it cannot be read, which is reported as `kind`, or if the
    /// effort budget is spent.
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
