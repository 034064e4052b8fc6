import SystemPackage

/// `config.txt` on the firmware partition: where it comes from, and whether what it names is there.
extension FirmwareTree {
    /// The bytes of `config.txt`, and whether a directory brought it.
    func config(
        _ files: BoardFiles, _ options: BootOptions
    ) throws(ImageError) -> (bytes: [UInt8], isOwn: Bool) {
        let addition = Array(ConfigTxtWriter.addition(options.configLines).utf8)
        if let own = node(at: "config.txt") {
            var bytes = try tree.read(own, atMost: ConfigTxt.maximumSize)
            if !addition.isEmpty, let last = bytes.last, last != UInt8(ascii: "\n") { bytes.append(0x0A) }
            return (bytes + addition, true)
        }
        return ((options.style == .none ? [] : Array(files.config.text.utf8)) + addition, false)
    }

    private static func isConfig(_ name: [UInt8]) -> Bool {
        String(decoding: name, as: UTF8.self).lowercased() == "config.txt"
    }

    mutating func replaceConfig(
        in root: FileTree.NodeID, with config: [UInt8]
    ) throws(ImageError) -> FileTree.NodeID {
        var children = tree.children(of: root).map { (name: Array($0.name), node: $0.node) }
        let node = tree.addFile(config, Self.file)
        for index in children.indices where Self.isConfig(children[index].name) { children[index].node = node }
        return try tree.addDirectory(children, tree.attributes(of: root))
    }

    /// The settings of `config.txt`, with those of the files that it includes in their places.
    func settings(of config: [UInt8]) throws(ImageError) -> [ConfigTxt.Setting] {
        try ConfigTxt.load(config, in: tree) { node(at: $0) }.settings
    }

    /// Warns of files that `config.txt` names and that are not there, and where it starts nothing of this image's.
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

    /// An overlay's file, those of its variants for newer boards, and the table that says which variant is whose.
    static func overlayFiles(
        _ names: [String], _ packages: FirmwarePackages
    ) -> [(name: String, path: FilePath)] {
        // A name with a slash leads out of the directory.
        let wanted = names.filter { !$0.contains("/") }.flatMap { ["\($0).dtbo", "\($0)-pi4.dtbo", "\($0)-pi5.dtbo"] }
        let found = wanted.compactMap { name in packages.overlay(name).map { (name, $0) } }
        guard !found.isEmpty, let map = packages.overlay("overlay_map.dtb") else { return found }
        return found + [("overlay_map.dtb", map)]
    }
}
