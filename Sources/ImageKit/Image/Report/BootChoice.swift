/// What an image boots when nobody chooses anything else, as its menu or its firmware's settings say.
struct BootChoice: Equatable {
    /// Who starts the kernel: `U-Boot`, by its menu, or the `firmware`.
    var starter: String
    /// The label of the menu's entry.
    var label: String?
    /// The file names as they are written: relative to the menu, or to the firmware partition.
    var kernel: String?, initrd: String?, deviceTrees: String?
    /// The kernel's parameters.
    var commandLine: KernelCommandLine
    /// The labels of all entries.
    var labels: [String] = []

    /// More bytes than any settings have.
    static let limit = 1 << 20

    /// Reads what an image boots; `nil` where neither a menu nor a command line is.
    static func read(root: ImageVolume?, firmware: ImageVolume?) throws(ImageError) -> BootChoice? {
        if let found = try ExtlinuxConfig.find(in: [root, firmware]) { return BootChoice(menu: found.menu) }
        return try read(firmware: firmware)
    }

    /// The same, where there is no menu.
    static func read(firmware: ImageVolume?) throws(ImageError) -> BootChoice? {
        guard let firmware, let config = try firmware.text(at: "/config.txt", atMost: limit) else { return nil }
        let settings = ConfigTxt.parse(String(decoding: config, as: UTF8.self)).settings
        func value(_ key: String) -> String? { settings.last { $0.key == key }?.value }
        let prefix = value("os_prefix") ?? ""
        let line = value("cmdline") ?? "cmdline.txt"
        guard let text = try firmware.text(at: prefix + line, atMost: limit) else { return nil }
        var choice = BootChoice(starter: "firmware", commandLine: String(decoding: text, as: UTF8.self))
        choice.kernel = value("kernel").map { prefix + $0 }
        choice.initrd = value("initramfs").map {
            ConfigTxt.initramfsFiles(of: $0).map { prefix + $0 }.joined(separator: ",")
        }
        return choice
    }

    private init(menu: ExtlinuxConfig) {
        let entry = menu.defaultEntry
        self.init(starter: "U-Boot", commandLine: entry?.append ?? "")
        (label, kernel, initrd) = (entry?.label, entry?.kernel, entry?.initrd)
        deviceTrees = entry?.fdt ?? entry?.fdtDirectory
        labels = menu.entries.map(\.label)
    }

    private init(starter: String, commandLine: String) {
        self.starter = starter
        self.commandLine = KernelCommandLine(commandLine)
    }
}

extension BootChoice {
    /// What is not the same in two of them. Of the kernel's parameters and the menu's entries, each is told by itself.
    static func changes(_ old: BootChoice?, _ new: BootChoice?) -> [ImageDifference.FieldChange] {
        var changes: [ImageDifference.FieldChange] = []
        func add(_ field: String, _ one: String?, _ other: String?) {
            guard one != other else { return }
            changes.append(
                ImageDifference.FieldChange(
                    part: "boot", field: field, old: one.map { .text($0) }, new: other.map { .text($0) }))
        }
        func addEach(_ field: String, _ ones: [String], _ others: [String]) {
            if ones == others { return }
            // Comparing takes the square of the number, and no system has so many.
            guard ones.count <= 1000, others.count <= 1000 else {
                add("\(field)s", "\(ones.count) of them", "\(others.count) others")
                return
            }
            let difference = others.difference(from: ones)
            for case .remove(_, let element, _) in difference { add(field, element, nil) }
            for case .insert(_, let element, _) in difference { add(field, nil, element) }
        }
        add("started by", old?.starter, new?.starter)
        add("default entry", old?.label, new?.label)
        add("kernel", old?.kernel, new?.kernel)
        add("initrd", old?.initrd, new?.initrd)
        add("device trees", old?.deviceTrees, new?.deviceTrees)
        add("init", old?.commandLine.initPath, new?.commandLine.initPath)
        addEach("parameter", old?.commandLine.wordsWithoutInit ?? [], new?.commandLine.wordsWithoutInit ?? [])
        addEach("menu entry", old?.labels ?? [], new?.labels ?? [])
        return changes
    }
}

extension ExtlinuxConfig {
    /// The menu that U-Boot finds first, and where it is.
    static func find(
        in volumes: [ImageVolume?]
    ) throws(ImageError) -> (menu: ExtlinuxConfig, path: String, volume: ImageVolume)? {
        for volume in volumes.compactMap(\.self) {
            for path in menuPaths {
                guard let text = try volume.text(at: path, atMost: BootChoice.limit) else { continue }
                return (parse(String(decoding: text, as: UTF8.self)), path, volume)
            }
        }
        return nil
    }
}

extension ImageVolume {
    /// The bytes of a regular file, `limit` of them at most; `nil` where there is none.
    func text(at path: String, atMost limit: Int) throws(ImageError) -> [UInt8]? {
        guard let node = try node(at: path, followingLinks: true), node.kind == .file else { return nil }
        return try content(of: node).read(Int(min(node.size, UInt64(limit))), at: 0)
    }
}
