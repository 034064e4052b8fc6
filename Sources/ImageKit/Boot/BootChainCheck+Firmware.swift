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
        guard let node = firmware.node(at: place) else { return }
        let config: ConfigText
        do {
            config = try ConfigText.load(tree.read(node, atMost: ConfigText.maximumSize), in: tree)
        } catch {
            guard error.isDamage else { throw error }
            boot.isReported = true
            return report(.bootConfig, "it cannot be read: \(error.seen)", place, on: firmware)
        }
        let paths = try Self.paths(of: tree)
        let settings = config.settings
        checkFamilies(config, paths, on: firmware)
        for file in ConfigText.missingFiles(of: settings, has: { paths[Self.name($0)] != nil }) {
            if file.isOverlay {
                report(.bootOverlay, "it names the overlay '\(file.name)', which is not there", place, on: firmware)
            } else {
                if file.key == "kernel" { boot.isReported = true }
                report(.bootConfig, "'\(file.key)' names '\(file.name)', which is not there", place, on: firmware)
            }
        }
        try checkEnvironment(paths, on: firmware)

        // Kernels: those that are named, or what the firmware takes otherwise.
        let prefixes = ConfigText.prefixes(in: settings)
        let named = settings.filter { $0.key == "kernel" }.map(\.value)
        var started: [String] = []
        for name in Set(named.isEmpty ? ConfigText.usualKernels : named).sorted() {
            started += prefixes.map { $0 + name }.filter { paths[Self.name($0)] != nil }
        }
        if started.isEmpty, named.isEmpty {
            boot.isReported = true
            report(
                .bootKernel,
                "it names no kernel, and '\(ConfigText.usualKernels.joined(separator: "', '"))' are not there",
                place, on: firmware)
        }
        let initial = settings.filter { $0.key == "initramfs" || $0.key == "ramfsfile" }
            .flatMap { ConfigText.initramfsFiles(of: $0.value) }
        for path in Set(started + initial.flatMap { name in prefixes.map { $0 + name } }).sorted() {
            if let node = paths[Self.name(path)] { try checkContent(node, "/" + path, on: firmware) }
        }
        for path in started where try isUBoot(path, paths, on: firmware) { boot.hasUBoot = true }

        // Where the firmware starts Linux, its command line lies beside it.
        let lines = settings.filter { $0.key == "cmdline" }.map(\.value) + ["cmdline.txt"]
        for path in Set(prefixes.flatMap { prefix in lines.map { prefix + $0 } }).sorted() {
            guard let node = paths[Self.name(path)], tree.kind(of: node) == .file,
                let text = try text(of: node, "/" + path, on: firmware, orReport: .bootConfig)
            else { continue }
            boot.commandLines += 1
            let line = text.split(whereSeparator: \.isNewline).first.map(String.init) ?? ""
            checkCommandLine(line, "/" + path, on: firmware, &boot)
        }
    }

    /// All paths of the partition, in lower case and without a leading slash.
    private static func paths(of tree: FileTree) throws(ImageError) -> [String: FileTree.NodeID] {
        var paths: [String: FileTree.NodeID] = [:]
        try tree.walk(from: tree.root) { (path, node) throws(ImageError) in
            paths[String(decoding: path, as: UTF8.self).lowercased()] = node
        }
        return paths
    }

    /// A path as those are written.
    private static func name(_ path: String) -> String {
        path.split(separator: "/").joined(separator: "/").lowercased()
    }

    /// Makes sure that the firmware of boards which have some of it, or which `config.txt` is for, is all there.
    private func checkFamilies(_ config: ConfigText, _ paths: [String: FileTree.NodeID], on firmware: Filesystem) {
        let there = Self.families.map { family in family.files.filter { paths[$0] != nil } }
        guard there.contains(where: { !$0.isEmpty }) else {
            return report(
                .bootNoFirmware, "neither 'start.elf' nor 'start4.elf' is there", "/", on: firmware)
        }
        // A file of one's own may take the place of these.
        guard !config.settings.contains(where: { ["start_file", "fixup_file"].contains($0.key) }) else { return }
        let filters = Set(config.sections.flatMap(\.filter))
        for (family, present) in zip(Self.families, there) {
            guard !present.isEmpty || !family.filters.isDisjoint(with: filters) else { continue }
            for name in family.files where paths[name] == nil {
                report(.bootFirmware, "it is not there", "/" + name, on: firmware)
            }
        }
    }

    private func checkEnvironment(
        _ paths: [String: FileTree.NodeID], on firmware: Filesystem
    ) throws(ImageError) {
        let name = UBootEnvironment.fileName
        guard let node = paths[name], firmware.tree.kind(of: node) == .file else { return }
        do {
            let bytes = try firmware.tree.read(node, atMost: 1 << 20)
            // An empty one is as good as none.
            guard bytes.contains(where: { $0 != 0 && $0 != 0xFF }), !UBootEnvironment.isSound(bytes) else { return }
            report(.bootEnvironment, "its sum is wrong", "/" + name, on: firmware)
        } catch {
            guard error.isDamage else { throw error }
            report(.bootEnvironment, "it cannot be read: \(error.seen)", "/" + name, on: firmware)
        }
    }

    /// Whether a file is U-Boot, by its name or by the variables that it has in it.
    private func isUBoot(
        _ path: String, _ paths: [String: FileTree.NodeID], on firmware: Filesystem
    ) throws(ImageError) -> Bool {
        guard let node = paths[Self.name(path)], firmware.tree.kind(of: node) == .file else { return false }
        if Self.name(path).split(separator: "/").last?.hasPrefix("u-boot") == true { return true }
        // U-Boot has less than a MiB, and kernels more than some.
        guard firmware.tree.size(of: node) <= 2 << 20 else { return false }
        do {
            return UBootEnvironment(builtInto: try firmware.tree.read(node, atMost: 2 << 20)) != nil
        } catch {
            guard error.isDamage else { throw error }
            return false
        }
    }
}
