import SystemPackage

/// `config.txt` on the firmware partition: its origin, and whether the files that it names are present.
extension FirmwareTree {
    /// `config.txt` as it will be on the partition.
    struct Config {
        /// The text, with the lines that the user added.
        var bytes: [UInt8]
        /// Whether the file comes from one of the user's directories. Otherwise it is generated.
        var isFromUser: Bool
        /// The settings, with those of included files.
        var settings: [ConfigTxt.Setting]
    }

    /// Reads the `config.txt` of the directories, or generates one.
    func config(_ files: BoardFiles, _ options: BootOptions) throws(ImageError) -> Config {
        let addition = Array(ConfigTxtWriter.addition(options.configLines).utf8)
        let bytes: [UInt8], isFromUser: Bool
        if let node = node(at: "config.txt") {
            var text = try tree.read(node, atMost: ConfigTxt.maximumSize)
            if !addition.isEmpty, let last = text.last, last != UInt8(ascii: "\n") { text.append(0x0A) }
            (bytes, isFromUser) = (text + addition, true)
        } else {
            let text = options.style == .none ? [] : Array(files.config.text.utf8)
            (bytes, isFromUser) = (text + addition, false)
        }
        let settings = try ConfigTxt.load(bytes, in: tree) { self.node(at: $0) }.settings
        return Config(bytes: bytes, isFromUser: isFromUser, settings: settings)
    }

    /// Replaces `config.txt` in the top directory, whatever the case of its name.
    mutating func replaceConfig(with bytes: [UInt8]) throws(ImageError) {
        var children = tree.children(of: tree.root).map { (name: Array($0.name), node: $0.node) }
        let node = tree.addFile(bytes, Self.file)
        for index in children.indices where Self.isConfig(children[index].name) { children[index].node = node }
        tree.root = try tree.addDirectory(children, tree.attributes(of: tree.root))
    }

    private static func isConfig(_ name: [UInt8]) -> Bool {
        String(decoding: name, as: UTF8.self).lowercased() == "config.txt"
    }

    /// Warns of files that `config.txt` names and the partition lacks, and of a `config.txt` that does not start the
    /// image.
    mutating func checkNames(in settings: [ConfigTxt.Setting], _ options: BootOptions) {
        for file in ConfigTxt.missingFiles(of: settings, has: { node(at: $0) != nil }) {
            let name = file.isOverlay ? "the overlay '\(file.name)'" : "'\(file.name)'"
            warnings.append("config.txt names \(name), which is not on the firmware partition")
        }
        let prefixes = ConfigTxt.prefixes(in: settings)
        func has(_ name: String) -> Bool { prefixes.contains { node(at: $0 + name) != nil } }
        switch options.style {
        case .none: break
        case .extlinux:
            if !settings.contains(where: { $0.key == "kernel" }), !ConfigTxt.usualKernels.contains(where: has) {
                warnings.append("config.txt starts nothing: no 'kernel=' names U-Boot")
            }
        case .kernel:
            let directory = "\(DirectKernel.directory)/\(DirectKernel.defaultName)/"
            if !settings.contains(where: { $0.key == "os_prefix" && $0.value == directory }) {
                warnings.append("config.txt does not start this system: it has no 'os_prefix=\(directory)'")
            }
        }
    }

    /// The files of overlays, those of their variants for newer boards, and the table that assigns variants to boards.
    static func overlayFiles(
        _ names: [String], _ packages: FirmwarePackages
    ) -> [(name: String, path: FilePath)] {
        // A name with a slash would lead out of the directory of the overlays.
        let wanted = names.filter { !$0.contains("/") }.flatMap { ["\($0).dtbo", "\($0)-pi4.dtbo", "\($0)-pi5.dtbo"] }
        let found = wanted.compactMap { name in packages.overlay(name).map { (name, $0) } }
        guard !found.isEmpty, let map = packages.overlay("overlay_map.dtb") else { return found }
        return found + [("overlay_map.dtb", map)]
    }
}
