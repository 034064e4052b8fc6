/// The check of the files that the firmware of a Raspberry Pi reads.
extension BootChainCheck {
    /// The firmware's files for each family of boards, and the filters of `config.txt` that apply to its boards. A
    /// Raspberry Pi 5 has its firmware on the board and needs no such files.
    private static let families: [(files: [String], filters: Set<String>)] = [
        (
            ["bootcode.bin", "start.elf", "fixup.dat"],
            ["pi0", "pi0w", "pi02", "pi1", "pi2", "pi3", "pi3+", "cm1", "cm3", "cm3+"]
        ),
        (["start4.elf", "fixup4.dat"], ["pi4", "pi400", "cm4", "cm4s"]),
    ]

    /// Checks `config.txt`, the files that it names, and U-Boot's stored variables.
    func checkFirmware(_ firmware: Filesystem, _ boot: inout Chain) throws(ImageError) {
        let path = "/config.txt"
        guard let node = node(at: path, on: firmware) else { return }
        let config: ConfigTxt
        do {
            config = try ConfigTxt.load(firmware.tree.read(node, atMost: ConfigTxt.maximumSize), in: firmware.tree) {
                self.node(at: $0, on: firmware)
            }
        } catch {
            guard error.blame.isInput else { throw error }
            boot.isReported = true
            return report(.bootConfig, "it cannot be read: \(error.fault)", path, on: firmware)
        }
        checkFamilies(config, on: firmware)
        for file in ConfigTxt.missingFiles(of: config.settings, has: { has($0, on: firmware) }) {
            if file.isOverlay {
                report(.bootOverlay, "it names the overlay '\(file.name)', which is not there", path, on: firmware)
            } else {
                if file.key == "kernel" { boot.isReported = true }
                report(.bootConfig, "'\(file.key)' names '\(file.name)', which is not there", path, on: firmware)
            }
        }
        try checkEnvironment(on: firmware)
        try checkKernels(config.settings, path, on: firmware, &boot)
        try checkCommandLines(config.settings, on: firmware, &boot)
    }

    /// Checks the kernels that settings name, or else the firmware's default kernels, and the initial RAM disks that
    /// settings name.
    private func checkKernels(
        _ settings: [ConfigTxt.Setting], _ configPath: String, on firmware: Filesystem, _ boot: inout Chain
    ) throws(ImageError) {
        let prefixes = ConfigTxt.prefixes(in: settings)
        let named = settings.filter { $0.key == "kernel" }.map(\.value)
        let kernels = files(named.isEmpty ? ConfigTxt.usualKernels : named, below: prefixes, on: firmware)
        if kernels.isEmpty, named.isEmpty {
            boot.isReported = true
            report(
                .bootKernel,
                "it names no kernel, and '\(ConfigTxt.usualKernels.joined(separator: "', '"))' are not there",
                configPath, on: firmware)
        }
        let ramDisks = settings.filter { $0.key == "initramfs" || $0.key == "ramfsfile" }
            .flatMap { ConfigTxt.initramfsFiles(of: $0.value) }
        for (path, node) in kernels + files(ramDisks, below: prefixes, on: firmware) {
            try checkContent(node, "/" + path, on: firmware)
        }
        for (path, node) in kernels where try isUBoot(node, path, on: firmware) { boot.hasUBoot = true }
    }

    /// Checks the command lines of kernels that the firmware starts. They are in files beside the kernels; the first
    /// line with text counts.
    private func checkCommandLines(
        _ settings: [ConfigTxt.Setting], on firmware: Filesystem, _ boot: inout Chain
    ) throws(ImageError) {
        let names = settings.filter { $0.key == "cmdline" }.map(\.value) + ["cmdline.txt"]
        for (path, node) in files(names, below: ConfigTxt.prefixes(in: settings), on: firmware) {
            guard firmware.tree.kind(of: node) == .file,
                let text = try text(of: node, "/" + path, on: firmware, orReport: .bootConfig)
            else { continue }
            boot.commandLines += 1
            let line = text.split(whereSeparator: \.isNewline).first.map(String.init) ?? ""
            checkCommandLine(line, "/" + path, on: firmware, &boot)
        }
    }

    /// The nodes at these names after any of the prefixes, each once, with the path that led to it.
    private func files(
        _ names: [String], below prefixes: [String], on firmware: Filesystem
    ) -> [(path: String, node: FileTree.NodeID)] {
        var found: [(path: String, node: FileTree.NodeID)] = []
        var seen: Set<FileTree.NodeID> = []
        for name in Set(names).sorted() {
            for path in prefixes.map({ $0 + name }) {
                guard !effort.isExhausted else { return found }
                guard let node = node(at: path, on: firmware), seen.insert(node).inserted else { continue }
                found.append((path, node))
            }
        }
        return found
    }

    /// Whether there is a file. Always true once the effort budget is spent.
    private func has(_ path: String, on firmware: Filesystem) -> Bool {
        node(at: path, on: firmware) != nil || effort.isExhausted
    }

    /// Reports missing firmware files of a family if it has some of its files or a section in `config.txt`.
    private func checkFamilies(_ config: ConfigTxt, on firmware: Filesystem) {
        let present = Self.families.map { family in family.files.filter { has($0, on: firmware) } }
        guard present.contains(where: { !$0.isEmpty }) else {
            return report(
                .bootNoFirmware, "neither 'start.elf' nor 'start4.elf' is there", "/", on: firmware)
        }
        // With these settings, other files may replace the usual ones.
        guard !config.settings.contains(where: { ["start_file", "fixup_file"].contains($0.key) }) else { return }
        let filters = Set(config.sections.flatMap(\.filter))
        for (family, present) in zip(Self.families, present) {
            guard !present.isEmpty || !family.filters.isDisjoint(with: filters) else { continue }
            for name in family.files where !has(name, on: firmware) {
                report(.bootFirmware, "it is not there", "/" + name, on: firmware)
            }
        }
    }

    /// The longest part of `uboot.env` that is read, in bytes.
    private static let maximumEnvironmentSize = 1 << 20
    /// The largest file that is searched for U-Boot's variables, in bytes. U-Boot is smaller than 1 MiB, and a kernel
    /// has several MiB.
    private static let maximumUBootSize = 2 << 20

    /// Checks the checksum of U-Boot's stored variables.
    private func checkEnvironment(on firmware: Filesystem) throws(ImageError) {
        let name = UBootEnvironment.fileName
        guard let node = node(at: name, on: firmware), firmware.tree.kind(of: node) == .file,
            effort.spend(fileOf: UInt64(Self.maximumEnvironmentSize))
        else { return }
        do {
            let bytes = try firmware.tree.read(node, atMost: Self.maximumEnvironmentSize)
            // U-Boot ignores a file without variables: an empty one, or one of only 0x00 or 0xFF bytes.
            guard bytes.contains(where: { $0 != 0 && $0 != 0xFF }), !UBootEnvironment.isSound(bytes) else { return }
            report(.bootEnvironment, "its sum is wrong", "/" + name, on: firmware)
        } catch {
            guard error.blame.isInput else { throw error }
            report(.bootEnvironment, "it cannot be read: \(error.fault)", "/" + name, on: firmware)
        }
    }

    /// Whether a file is U-Boot, by its name or by the variables that are built into it.
    private func isUBoot(
        _ node: FileTree.NodeID, _ path: String, on firmware: Filesystem
    ) throws(ImageError) -> Bool {
        guard firmware.tree.kind(of: node) == .file else { return false }
        if path.lowercased().split(separator: "/").last?.hasPrefix("u-boot") == true { return true }
        let size = firmware.tree.size(of: node)
        guard size <= Self.maximumUBootSize, effort.spend(fileOf: size) else { return false }
        do {
            return UBootEnvironment(builtInto: try firmware.tree.read(node, atMost: Self.maximumUBootSize)) != nil
        } catch {
            guard error.blame.isInput else { throw error }
            return false
        }
    }
}
