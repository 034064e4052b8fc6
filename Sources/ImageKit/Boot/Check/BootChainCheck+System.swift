/// The check of the files and filesystems that the kernel and the system look for.
extension BootChainCheck {
    /// Checks a kernel's command line: the root filesystem and the `init` that it names.
    ///
    /// - Parameters:
    ///   - path: the path of the file that has the command line, for findings.
    ///   - entry: the label of the menu entry, if the file is a menu.
    func checkCommandLine(
        _ line: String, _ path: String, on filesystem: Filesystem, _ boot: inout Chain, entry: String? = nil
    ) {
        let start = entry.map { "the entry '\($0)' has '" } ?? "it has '"
        let line = KernelCommandLine(line)
        var system = system
        if let root = line.values(of: "root").last {
            switch find(root) {
            case .found(let found): system = found ?? system
            case .missing:
                report(.bootRoot, "\(start)root=\(root)', and no filesystem here is that", path, on: filesystem)
            case .unknown: break
            }
        }
        guard let program = line.initPath else { return }
        guard let system, !system.isFAT else {
            return report(.bootNoRoot, "\(start)init=\(program)'", path, on: filesystem)
        }
        let node = node(at: program, on: system)
        if node == nil || node.map({ system.tree.kind(of: $0) }) != .file {
            report(.bootInit, "\(start)init=\(program)', which is not there", path, on: filesystem)
        } else if let node, system.tree.attributes(of: node).permissions & 0o111 == 0 {
            report(.bootInit, "\(start)init=\(program)', which nobody may execute", path, on: filesystem)
        }
        if program.hasPrefix(StorePath.directory + "/"), let end = program.lastIndex(of: "/") {
            boot.toplevels.insert(String(program[..<end]))
        }
    }

    /// The result of a search for the filesystem that a kernel parameter or a mount names.
    private enum Search {
        /// The image has it. `nil` if its partition could not be read.
        case found(Filesystem?)
        /// The image does not have it.
        case missing
        /// It may be outside the image (a network address, or a device name that depends on the order of detection), or
        /// on a partition that could not be read.
        case unknown
    }

    private func find(_ source: String) -> Search {
        if let identity = FilesystemTable.identity(of: source) {
            if let found = filesystems.first(where: { $0.matches(identity) }) { return .found(found) }
            if case .partitionUUID(let name) = identity, unreadIDs.contains(name.lowercased()) { return .found(nil) }
            // A label or UUID may belong to a filesystem that could not be read.
            return unreadIDs.isEmpty ? .missing : isPartition(identity) ? .missing : .unknown
        }
        // A partition of an SD card. The number in the name is the partition's number in the table.
        if source.hasPrefix("/dev/mmcblk"), let mark = source.lastIndex(of: "p"),
            let number = Int(source[source.index(after: mark)...])
        {
            guard partitions.contains(number) else { return .missing }
            return .found(filesystems.first { $0.partition == number })
        }
        return .unknown
    }

    private func isPartition(_ identity: FilesystemTable.Identity) -> Bool {
        if case .partitionUUID = identity { true } else { false }
    }

    // MARK: fstab

    /// Checks the filesystems in the `fstab` of each toplevel, or in `/etc/fstab` if the boot chain leads to none.
    func checkMounts(of toplevels: Set<String>) throws(ImageError) {
        guard let system else { return }
        let paths = toplevels.isEmpty ? ["/etc/fstab"] : toplevels.sorted().map { $0 + "/etc/fstab" }
        var seen: Set<FileTree.NodeID> = []
        for path in paths.prefix(Self.maximumEntries) {
            guard let node = node(at: path, on: system), system.tree.kind(of: node) == .file,
                seen.insert(node).inserted,
                let text = try text(of: node, path, on: system, orReport: .bootMount)
            else { continue }
            for mount in FilesystemTable(text).mounts.prefix(Self.maximumEntries) { check(mount, path, on: system) }
        }
    }

    private func check(_ mount: FilesystemTable.Mount, _ path: String, on system: Filesystem) {
        let subject = "'\(mount.mountPoint)' is mounted from '\(mount.source)'"
        let isNeeded = ["/", "/nix", "/nix/store"].contains(mount.mountPoint)
        switch find(mount.source) {
        case .missing:
            report(
                isNeeded ? .bootMount : .bootMountElsewhere, "\(subject), which is not in the image", path, on: system)
        case .found(let found?):
            let kinds = found.isFAT ? ["vfat", "msdos", "fat", "auto"] : ["ext4", "ext3", "ext2", "auto"]
            guard isNeeded, !kinds.contains(mount.type) else { return }
            report(.bootMount, "\(subject) as \(mount.type), and it is \(found.type)", path, on: system)
        case .found(nil), .unknown: break
        }
    }
}
