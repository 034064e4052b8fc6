/// What the kernel and the system look for.
extension BootChainCheck {
    /// Follows a kernel's command line.
    ///
    /// - Parameters:
    ///   - place: the file that it stands in.
    ///   - entry: the menu's entry that it is of.
    func checkCommandLine(
        _ line: String, _ place: String, on filesystem: Filesystem, _ boot: inout Chain, entry: String? = nil
    ) {
        let said = entry.map { "the entry '\($0)' has '" } ?? "it has '"
        let line = KernelCommandLine(line)
        var system = system
        if let root = line.values(of: "root").last {
            switch find(root) {
            case .found(let found): system = found ?? system
            case .missing:
                report(.bootRoot, "\(said)root=\(root)', and no filesystem here is that", place, on: filesystem)
            case .unknown: break
            }
        }
        guard let program = line.initPath else { return }
        guard let system, !system.isFAT else {
            return report(.bootNoRoot, "\(said)init=\(program)'", place, on: filesystem)
        }
        let node = node(at: program, on: system)
        if node == nil || node.map({ system.tree.kind(of: $0) }) != .file {
            report(.bootInit, "\(said)init=\(program)', which is not there", place, on: filesystem)
        } else if let node, system.tree.attributes(of: node).permissions & 0o111 == 0 {
            report(.bootInit, "\(said)init=\(program)', which nobody may execute", place, on: filesystem)
        }
        if program.hasPrefix(StorePath.directory + "/"), let end = program.lastIndex(of: "/") {
            boot.toplevels.insert(String(program[..<end]))
        }
    }

    /// What a kernel parameter or a mount asks for.
    private enum Search {
        /// It is there; what it is is known where it can be read.
        case found(Filesystem?)
        case missing
        /// It says nothing of the image: a network's address, or a device by the order in which it was found.
        case unknown
    }

    private func find(_ source: String) -> Search {
        if let identity = FilesystemTable.identity(of: source) {
            if let found = filesystems.first(where: { $0.matches(identity) }) { return .found(found) }
            if case .partitionUUID(let name) = identity, unreadIDs.contains(name.lowercased()) { return .found(nil) }
            // A label or UUID may be that of a filesystem that is not read here.
            return unreadIDs.isEmpty ? .missing : isPartition(identity) ? .missing : .unknown
        }
        // A card's partition: its number is its place in the table.
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

    /// Makes sure of the filesystems that the systems mount, or the one system's where it is no NixOS.
    func checkMounts(of toplevels: Set<String>) throws(ImageError) {
        guard let system else { return }
        let places = toplevels.isEmpty ? ["/etc/fstab"] : toplevels.sorted().map { $0 + "/etc/fstab" }
        var seen: Set<FileTree.NodeID> = []
        for place in places.prefix(Self.entryLimit) {
            guard let node = node(at: place, on: system), system.tree.kind(of: node) == .file,
                seen.insert(node).inserted,
                let text = try text(of: node, place, on: system, orReport: .bootMount)
            else { continue }
            for mount in FilesystemTable(text).mounts.prefix(Self.entryLimit) { check(mount, place, on: system) }
        }
    }

    private func check(_ mount: FilesystemTable.Mount, _ place: String, on system: Filesystem) {
        let said = "'\(mount.place)' is mounted from '\(mount.source)'"
        let isNeeded = ["/", "/nix", "/nix/store"].contains(mount.place)
        switch find(mount.source) {
        case .missing:
            report(
                isNeeded ? .bootMount : .bootMountElsewhere, "\(said), which is not in the image", place, on: system)
        case .found(let found?):
            let kinds = found.isFAT ? ["vfat", "msdos", "fat", "auto"] : ["ext4", "ext3", "ext2", "auto"]
            guard isNeeded, !kinds.contains(mount.type) else { return }
            report(.bootMount, "\(said) as \(mount.type), and it is \(found.type)", place, on: system)
        case .found(nil), .unknown: break
        }
    }
}
