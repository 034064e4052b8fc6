import SystemPackage

/// Looks for what would keep a system from booting from an image, before the image is made.
struct BootPreflight {
    /// What the image's filesystems can be found by.
    struct Identities {
        var firmwareLabel: String, rootLabel: String
        /// The root filesystem's UUID, in its usual form.
        var rootUUID: String
        /// The disk's identifier, and the firmware filesystem's serial number.
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

    /// What should be known about the system.
    func warnings() -> [String] {
        var warnings: [String] = []
        if let system = toplevel.system {
            let architecture = system.split(separator: "-").first.map(String.init) ?? system
            // Newer ones run what older ones do, but 64-bit boards are started in 64 bits.
            let generations = ["armv5tel", "armv6l", "armv7l"]
            let generation = generations.firstIndex(of: architecture)
            if architecture != "aarch64", architecture != "arm", generation == nil {
                warnings.append("the system is for \(system): no Raspberry Pi can run it")
            } else if let board = options.boards.first(where: { board in
                guard let generation else { return board.is64Bit != (architecture == "aarch64") }
                return generations.firstIndex(of: board.architecture).map { $0 < generation } ?? true
            }) {
                let fitting = Board.combinations.contains(architecture) ? architecture : "armv6l"
                warnings.append(
                    "the system is for \(system), which \(board.name) does not run in \(board.is64Bit ? 64 : 32) bits: "
                        + "choose boards with --board, such as --board \(fitting)")
            }
        }
        for (name, system) in [(nil, toplevel)] + toplevel.specialisations.map({ (Optional($0.name), $0.toplevel) }) {
            let place = name.map { "in the specialisation '\($0)', " } ?? ""
            warnings += commandLineWarnings(system).map { place + $0 }
        }
        return warnings
    }

    private func commandLineWarnings(_ system: Toplevel) -> [String] {
        var warnings: [String] = []
        let line = (options.parameters(of: system) + ["init=\(system.initPath)"]).joined(separator: " ")
        // What U-Boot puts a menu's line into (CONFIG_SYS_CBSIZE of the Raspberry Pi's configurations), what Linux takes
        // on ARM and on arm64 (COMMAND_LINE_SIZE), with a final zero.
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
                    + "init says on the screen only (--kernel-param console=… adds another)")
        }
        return warnings
    }

    // MARK: fstab

    /// Throws when the system mounts its root or its firmware partition by a name that this image's do not have.
    func checkMounts(_ image: Identities) throws(ImageError) {
        for system in [toplevel] + toplevel.specialisations.map(\.toplevel) { try checkMounts(of: system, image) }
    }

    private func checkMounts(of system: Toplevel, _ image: Identities) throws(ImageError) {
        guard let place = try? store.follow(store.physical(system.path).appending("etc/fstab")) else { return }
        let bytes = try WholeFile.read(place.physical, atMost: 1 << 20)
        for mount in FilesystemTable(String(decoding: bytes, as: UTF8.self)).mounts {
            if mount.place == "/" {
                try check(
                    mount, in: place, label: image.rootLabel, option: "root", uuid: image.rootUUID, partition: 2, image)
                if !["ext4", "ext3", "ext2", "auto", "tmpfs", "overlay"].contains(mount.type) {
                    throw ImageError(
                        .invalidInput, "the system would not find its root: it says in",
                        path: place.physical.string,
                        reason: "that it is \(mount.type), and the image's is ext4",
                        remedy: "set fileSystems.\"/\".fsType to \"ext4\", or use '--boot none'")
                }
            } else if mount.place.hasPrefix("/boot"), mount.type == "vfat" || mount.type == "msdos" {
                try check(
                    mount, in: place, label: image.firmwareLabel, option: "firmware",
                    uuid: FATSerial.text(image.diskID), partition: 1, image)
            }
        }
    }

    private func check(
        _ mount: FilesystemTable.Mount, in place: StorePlace, label: String, option: String, uuid: String,
        partition: Int, _ image: Identities
    ) throws(ImageError) {
        let own: String, said: String, remedy: String
        switch FilesystemTable.identity(of: mount.source) {
        case nil: return
        case .label(let name):
            // FAT knows no lower case.
            if name == label || option == "firmware" && name.uppercased() == label.uppercased() { return }
            (own, said, remedy) = ("label \(label)", "label \(name)", "--\(option)-label '\(name)'")
        case .uuid(let name):
            if name.lowercased() == uuid.lowercased() { return }
            (own, said) = ("UUID \(uuid)", "UUID \(name)")
            remedy = option == "root" ? "--root-uuid \(name)" : "--disk-id 0x\(name.filter { $0 != "-" })"
        case .partitionUUID(let name):
            let number = image.diskID.digits(width: 8) + "-0\(partition)"
            if name.lowercased() == number { return }
            (own, said) = ("partition UUID \(number)", "partition UUID \(name)")
            remedy = "--disk-id 0x\(name.prefix { $0 != "-" })"
        }
        throw ImageError(
            .invalidInput, "the system would not find what it mounts at '\(mount.place)': it says in",
            path: place.physical.string, reason: "\(said), and the image's has \(own)",
            remedy: "use \(remedy), or change fileSystems.\"\(mount.place)\".device")
    }
}
