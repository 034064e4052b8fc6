/// What the firmware of a Raspberry Pi reads.
extension BootChainCheck {
    /// Files of the firmware that boards need, and the filters that such boards meet.
    private static let families: [(files: [String], filters: Set<String>)] = [
        (
            ["bootcode.bin", "start.elf", "fixup.dat"],
            ["pi0", "pi0w", "pi02", "pi1", "pi2", "pi3", "pi3+", "cm1", "cm3", "cm3+"]
        ),
        (["start4.elf", "fixup4.dat"], ["pi4", "pi400", "cm4", "cm4s"]),
    ]

    func checkFirmware(_ firmware: Filesystem, _ boot: inout Chain) throws(ImageError) {
        let tree = firmware.tree
        let place = "/config.txt"
        guard let node = node(at: place, on: firmware) else { return }
        let config: ConfigTxt
        do {
            config = try ConfigTxt.load(tree.read(node, atMost: ConfigTxt.maximumSize), in: tree) {
                self.node(at: $0, on: firmware)
            }
        } catch {
            guard error.blame.isInput else { throw error }
            boot.isReported = true
            return report(.bootConfig, "it cannot be read: \(error.fault)", place, on: firmware)
        }
        let settings = config.settings
        checkFamilies(config, on: firmware)
        for file in ConfigTxt.missingFiles(of: settings, has: { has($0, on: firmware) }) {
            if file.isOverlay {
                report(.bootOverlay, "it names the overlay '\(file.name)', which is not there", place, on: firmware)
            } else {
                if file.key == "kernel" { boot.isReported = true }
                report(.bootConfig, "'\(file.key)' names '\(file.name)', which is not there", place, on: firmware)
            }
        }
        try checkEnvironment(on: firmware)

        // Kernels: those that are named, or what the firmware takes otherwise.
        let prefixes = ConfigTxt.prefixes(in: settings)
        let named = settings.filter { $0.key == "kernel" }.map(\.value)
        let started = look(for: named.isEmpty ? ConfigTxt.usualKernels : named, below: prefixes, on: firmware)
        if started.isEmpty, named.isEmpty {
            boot.isReported = true
            report(
                .bootKernel,
                "it names no kernel, and '\(ConfigTxt.usualKernels.joined(separator: "', '"))' are not there",
                place, on: firmware)
        }
        let initial = settings.filter { $0.key == "initramfs" || $0.key == "ramfsfile" }
            .flatMap { ConfigTxt.initramfsFiles(of: $0.value) }
        for (path, node) in started + look(for: initial, below: prefixes, on: firmware) {
            try checkContent(node, "/" + path, on: firmware)
        }
        for (path, node) in started where try isUBoot(node, path, on: firmware) { boot.hasUBoot = true }

        // Where the firmware starts Linux, its command line lies beside it.
        let lines = settings.filter { $0.key == "cmdline" }.map(\.value) + ["cmdline.txt"]
        for (path, node) in look(for: lines, below: prefixes, on: firmware) {
            guard tree.kind(of: node) == .file,
                let text = try text(of: node, "/" + path, on: firmware, orReport: .bootConfig)
            else { continue }
            boot.commandLines += 1
            let line = text.split(whereSeparator: \.isNewline).first.map(String.init) ?? ""
            checkCommandLine(line, "/" + path, on: firmware, &boot)
        }
    }

    /// What files of these names lead to, each once, and the path that did.
    private func look(
        for names: [String], below prefixes: [String], on firmware: Filesystem
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

    /// Whether there is a file, as far as that is still looked at.
    private func has(_ path: String, on firmware: Filesystem) -> Bool {
        node(at: path, on: firmware) != nil || effort.isExhausted
    }

    /// Makes sure that the firmware of boards which have some of it, or which `config.txt` is for, is all there.
    private func checkFamilies(_ config: ConfigTxt, on firmware: Filesystem) {
        let there = Self.families.map { family in family.files.filter { has($0, on: firmware) } }
        guard there.contains(where: { !$0.isEmpty }) else {
            return report(
                .bootNoFirmware, "neither 'start.elf' nor 'start4.elf' is there", "/", on: firmware)
        }
        // A file of one's own may take the place of these.
        guard !config.settings.contains(where: { ["start_file", "fixup_file"].contains($0.key) }) else { return }
        let filters = Set(config.sections.flatMap(\.filter))
        for (family, present) in zip(Self.families, there) {
            guard !present.isEmpty || !family.filters.isDisjoint(with: filters) else { continue }
            for name in family.files where !has(name, on: firmware) {
                report(.bootFirmware, "it is not there", "/" + name, on: firmware)
            }
        }
    }

    private func checkEnvironment(on firmware: Filesystem) throws(ImageError) {
        let name = UBootEnvironment.fileName
        guard let node = node(at: name, on: firmware), firmware.tree.kind(of: node) == .file,
            effort.take(fileOf: 1 << 20)
        else { return }
        do {
            let bytes = try firmware.tree.read(node, atMost: 1 << 20)
            // An empty one is as good as none.
            guard bytes.contains(where: { $0 != 0 && $0 != 0xFF }), !UBootEnvironment.isSound(bytes) else { return }
            report(.bootEnvironment, "its sum is wrong", "/" + name, on: firmware)
        } catch {
            guard error.blame.isInput else { throw error }
            report(.bootEnvironment, "it cannot be read: \(error.fault)", "/" + name, on: firmware)
        }
    }

    /// Whether a file is U-Boot, by its name or by the variables that it has in it.
    private func isUBoot(
        _ node: FileTree.NodeID, _ path: String, on firmware: Filesystem
    ) throws(ImageError) -> Bool {
        guard firmware.tree.kind(of: node) == .file else { return false }
        if path.lowercased().split(separator: "/").last?.hasPrefix("u-boot") == true { return true }
        // U-Boot has less than a MiB, and kernels more than some.
        let size = firmware.tree.size(of: node)
        guard size <= 2 << 20, effort.take(fileOf: size) else { return false }
        do {
            return UBootEnvironment(builtInto: try firmware.tree.read(node, atMost: 2 << 20)) != nil
        } catch {
            guard error.blame.isInput else { throw error }
            return false
        }
    }
}
