import SystemPackage

/// Finds reasons why a system would not boot from an image, before the image is made.
struct BootPreflight {
    /// The names by which the image's filesystems can be mounted.
    struct Identities {
        var firmwareLabel: String, rootLabel: String
        /// The root filesystem's UUID as text.
        var rootUUID: String
        /// The disk's identifier, which is also the firmware filesystem's serial number.
        var diskID: UInt32
    }

    private let toplevel: Toplevel
    private let options: BootOptions
    private let store: StoreLocation

    init(_ toplevel: Toplevel, _ options: BootOptions, in store: StoreLocation) {
        self.toplevel = toplevel
        self.options = options
        self.store = store
    }

    /// Warnings about the system and its specialisations.
    func warnings() -> [Advice] {
        var warnings: [Advice] = []
        if let warning = architectureWarning() { warnings.append(warning) }
        for (name, system) in [(nil, toplevel)] + toplevel.specialisations.map({ (Optional($0.name), $0.toplevel) }) {
            let prefix = name.map { "in the specialisation '\($0)', " } ?? ""
            warnings += commandLineWarnings(system).map { "\(prefix)\($0)" }
        }
        return warnings
    }

    /// Warns if a chosen board cannot run the system.
    private func architectureWarning() -> Advice? {
        guard let system = toplevel.system else { return nil }
        let architecture = system.split(separator: "-").first.map(String.init) ?? system
        // Newer 32-bit boards run the systems of older ones. 64-bit boards are started in 64 bits, so they do not.
        let generations = ["armv5tel", "armv6l", "armv7l"]
        let generation = generations.firstIndex(of: architecture)
        if architecture != "aarch64", architecture != "arm", generation == nil {
            return "the system is for \(system): no Raspberry Pi can run it"
        }
        let unfit = options.boards.first { board in
            guard let generation else { return board.is64Bit != (architecture == "aarch64") }
            return generations.firstIndex(of: board.architecture).map { $0 < generation } ?? true
        }
        guard let unfit else { return nil }
        let fitting = Board.combinations.contains(architecture) ? architecture : "armv6l"
        return "the system is for \(system), which \(unfit.name) does not run in \(unfit.is64Bit ? 64 : 32) bits: "
            + "choose boards with \(.board), such as \(.board, fitting)"
    }

    /// Warns if the command line is too long, or if messages of init would show on the screen but not on the serial
    /// console.
    private func commandLineWarnings(_ system: Toplevel) -> [Advice] {
        var warnings: [Advice] = []
        let line = (options.parameters(of: system) + ["init=\(system.initPath)"]).joined(separator: " ")
        // U-Boot's buffer for a line of the menu has 1024 bytes (CONFIG_SYS_CBSIZE of Raspberry Pi's configurations).
        // Linux's buffer (COMMAND_LINE_SIZE) has 1024 bytes on ARM and 2048 on arm64. Each includes a final zero.
        let is64Bit = options.boards.allSatisfy(\.is64Bit)
        let limit = options.style == .extlinux || !is64Bit ? 1024 : 2048
        if line.utf8.count >= limit {
            warnings.append(
                "the kernel's command line has \(line.utf8.count) bytes, and "
                    + (options.style == .extlinux
                        ? "U-Boot of the Raspberry Pi starts nothing with more than \(limit - 1)"
                        : "Linux takes \(limit - 1)"))
        }
        let consoles = KernelCommandLine(line).values(of: "console").map { String($0.prefix { $0 != "," }) }
        func isScreen(_ name: String) -> Bool { name.hasPrefix("tty") && name.dropFirst(3).allSatisfy(\.isNumber) }
        let serial = consoles.filter { !isScreen($0) }
        if let last = consoles.last, isScreen(last), !serial.isEmpty {
            warnings.append(
                "console=\(last) comes last: the kernel's messages show on \(serial.joined(separator: ", ")) too, what "
                    + "init says on the screen only (\(.kernelParameter, "console=…") adds another)")
        }
        return warnings
    }

    // MARK: fstab

    /// Throws if a system mounts the root or the firmware partition by a name that the image's partition does not have,
    /// or the root as another filesystem than ext4.
    func checkMounts(_ image: Identities) throws(ImageError) {
        for system in [toplevel] + toplevel.specialisations.map(\.toplevel) { try checkMounts(of: system, image) }
    }

    private func checkMounts(of system: Toplevel, _ image: Identities) throws(ImageError) {
        guard let file = try? store.follow(store.physical(system.path).appending("etc/fstab")) else { return }
        let bytes = try WholeFile.read(file.physical, atMost: 1 << 20)
        for mount in FilesystemTable(String(decoding: bytes, as: UTF8.self)).mounts {
            if mount.mountPoint == "/" {
                try check(mount, in: file, .root, image)
                if !["ext4", "ext3", "ext2", "auto", "tmpfs", "overlay"].contains(mount.type) {
                    throw ImageError(
                        .invalidInput, "the system would not find its root: it says in",
                        path: file.physical.string,
                        reason: "that it is \(mount.type), and the image's is ext4",
                        remedy: "set fileSystems.\"/\".fsType to \"ext4\", or use '\(.boot, "none")'")
                }
            } else if mount.mountPoint.hasPrefix("/boot"), mount.type == "vfat" || mount.type == "msdos" {
                try check(mount, in: file, .firmware, image)
            }
        }
    }
    /// A partition of the image, by its number.
    private enum Partition: Int { case firmware = 1, root = 2 }

    /// Throws if a mount names another filesystem than that of a partition. Device names are not checked.
    private func check(
        _ mount: FilesystemTable.Mount, in file: ResolvedStorePath, _ partition: Partition, _ image: Identities
    ) throws(ImageError) {
        let isRoot = partition == .root
        let actual: String, wanted: String, remedy: Advice
        switch FilesystemTable.identity(of: mount.source) {
        case nil: return
        case .label(let name):
            let label = isRoot ? image.rootLabel : image.firmwareLabel
            // FAT has no lower case.
            if name == label || !isRoot && name.uppercased() == label.uppercased() { return }
            (actual, wanted) = ("label \(label)", "label \(name)")
            remedy = isRoot ? "\(.rootLabel, "'\(name)'")" : "\(.firmwareLabel, "'\(name)'")"
        case .uuid(let name):
            let uuid = isRoot ? image.rootUUID : FATSerial.text(image.diskID)
            if name.lowercased() == uuid.lowercased() { return }
            (actual, wanted) = ("UUID \(uuid)", "UUID \(name)")
            remedy = isRoot ? "\(.rootUUID, name)" : "\(.diskID, "0x\(name.filter { $0 != "-" })")"
        case .partitionUUID(let name):
            let uuid = image.diskID.digits(width: 8) + "-0\(partition.rawValue)"
            if name.lowercased() == uuid { return }
            (actual, wanted) = ("partition UUID \(uuid)", "partition UUID \(name)")
            remedy = "\(.diskID, "0x\(name.prefix { $0 != "-" })")"
        }
        throw ImageError(
            .invalidInput, "the system would not find what it mounts at '\(mount.mountPoint)': it says in",
            path: file.physical.string, reason: "\(wanted), and the image's has \(actual)",
            remedy: "use \(remedy), or change fileSystems.\"\(mount.mountPoint)\".device")
    }
}
