/// The settings of a `config.txt`, and which of them a board uses. (`ConfigTxtWriter` writes one.)
///
/// ```
///   kernel=u-boot.bin              no filter: for every board
///   [pi4]                          a filter, which holds until one of the same kind replaces it
///   armstub=armstub8-gic.bin
///   [gpio4=1]                      a filter of another kind: both must be met
///   enable_uart=1
///   [all]                          ends all filters
///   initramfs initrd followkernel  two settings are written without '='
/// ```
///
/// Source: Raspberry Pi documentation, "config.txt": "File format" and "Conditional filters".
struct ConfigTxt: Sendable, Hashable {
    /// A line `key=value`.
    struct Setting: Sendable, Hashable {
        /// Its name, as written.
        var key: String
        /// The rest of the line, without trailing spaces.
        var value: String
    }

    /// Lines under the same filters.
    struct Section: Sendable, Hashable {
        /// The filters, in lower case, like `pi4`; all must be met. Empty if the lines are for every board.
        var filter: [String]
        /// The settings in their order.
        var settings: [Setting]
    }

    /// The sections that have settings, in their order.
    private(set) var sections: [Section] = []

    /// Parses a file. Lines that are no settings are ignored, as the firmware does.
    static func parse(_ text: String) -> ConfigTxt {
        var config = ConfigTxt()
        var section = Section(filter: [], settings: [])
        for line in text.split(whereSeparator: \.isNewline) {
            let line = line.drop(while: \.isWhitespace)
            if line.hasPrefix("#") { continue }
            if line.hasPrefix("["), let end = line.firstIndex(of: "]") {
                config.add(section)
                let name = line[line.index(after: line.startIndex)..<end]
                // The firmware does not read the end of such a long line, so no board meets the filter.
                let filter = name.utf8.count <= ConfigTxtWriter.maximumLineLength ? name.lowercased() : "none"
                section = Section(filter: Self.filter(section.filter, and: filter), settings: [])
                continue
            }
            guard let split = line.firstIndex(where: { $0 == "=" || $0 == " " }) else { continue }
            let key = String(line[..<split])
            guard line[split] == "=" || ["initramfs", "include"].contains(key) else { continue }
            let value = line[line.index(after: split)...].trimmingSuffix(while: \.isWhitespace)
            section.settings.append(Setting(key: key, value: String(value)))
        }
        config.add(section)
        return config
    }

    private mutating func add(_ section: Section) {
        if !section.settings.isEmpty { sections.append(section) }
    }

    /// Parses a file of a firmware partition, with the settings of included files where they are included.
    ///
    /// - Parameter find: returns the node at a path of the partition.
    /// - Throws: when a file cannot be read.
    static func load(
        _ bytes: [UInt8], in tree: FileTree, find: (String) -> FileTree.NodeID?
    ) throws(ImageError) -> ConfigTxt {
        var budget = IncludeBudget()
        return try parse(String(decoding: bytes, as: UTF8.self))
            .including(from: tree, under: [], depth: 0, &budget, find: find)
    }

    /// The longest file that is read, in bytes. The firmware reads longer ones, which do not occur in practice.
    static let maximumSize = 1 << 20
    /// How deep files may include each other. The firmware's own maximum is higher, which no file needs.
    private static let maximumDepth = 4

    /// How many lines that include files are followed, and how many bytes the files may have in total.
    private struct IncludeBudget {
        var lines = 32, bytes: UInt64 = 2 << 20
    }

    private func including(
        from tree: FileTree, under filter: [String], depth: Int, _ budget: inout IncludeBudget,
        find: (String) -> FileTree.NodeID?
    ) throws(ImageError) -> ConfigTxt {
        var whole = ConfigTxt()
        for section in sections {
            let filter = section.filter.reduce(filter) { Self.filter($0, and: $1) }
            var pending = Section(filter: filter, settings: [])  // the lines since the last included file
            for setting in section.settings {
                pending.settings.append(setting)
                guard setting.key == "include", depth < Self.maximumDepth, budget.lines > 0 else { continue }
                // A line that names a missing file also costs a search.
                budget.lines -= 1
                guard let node = find(setting.value), tree.size(of: node) <= budget.bytes else { continue }
                budget.bytes -= tree.size(of: node)
                whole.add(pending)
                pending.settings = []
                let text = String(decoding: try tree.read(node, atMost: Self.maximumSize), as: UTF8.self)
                whole.sections += try Self.parse(text)
                    .including(from: tree, under: filter, depth: depth + 1, &budget, find: find).sections
            }
            whole.add(pending)
        }
        return whole
    }

    /// The filters that hold after another one.
    private static func filter(_ filters: [String], and name: String) -> [String] {
        if name == "all" { return [] }
        let next = filters.filter { kind(ofFilter: $0) != kind(ofFilter: name) } + [name]
        // No file has so many in practice. Without a maximum, a hostile file would take time in the square of its
        // length.
        return next.count <= 16 ? next : ["none"]
    }

    /// The property that a filter tests. Of filters that test the same property, the last one holds.
    private static func kind(ofFilter name: String) -> String {
        if name == "none" || name.hasPrefix("pi") || name.hasPrefix("cm") || name.hasPrefix("board-type") {
            return "model"
        }
        return name.hasPrefix("0x") ? "serial" : String(name.prefix { $0.isLetter || $0 == "_" })
    }

    // MARK: Settings

    /// All settings, whatever their filters.
    var settings: [Setting] { sections.flatMap(\.settings) }

    /// The settings under a filter, like `pi4`; `all` for those without a filter.
    func settings(filter name: String) -> [Setting] {
        sections.filter { name == "all" ? $0.filter.isEmpty : $0.filter.contains(name.lowercased()) }
            .flatMap(\.settings)
    }

    /// The settings that a board uses, in their order. Of most keys the last setting counts; some are meant to be
    /// repeated.
    ///
    /// The board is the one that its family is named after (`pi4` is a Raspberry Pi 4 B). Filters for properties of a
    /// single device (a serial number, a pin, a screen) are not met.
    func settings(for board: Board) -> [Setting] {
        let filters = board.filters
        return sections.filter { section in
            section.filter.allSatisfy { filters.contains($0) || $0.hasPrefix("hdmi:") }
        }.flatMap(\.settings)
    }

    /// The prefix of overlays' file names, usually a directory.
    static func overlayPrefix(in settings: [Setting]) -> String {
        guard let prefix = settings.last(where: { $0.key == "overlay_prefix" })?.value, isShort(prefix),
            !prefix.hasPrefix("/"), !prefix.split(separator: "/").contains("..")
        else { return "overlays/" }
        return prefix
    }

    /// The overlays that `dtoverlay` settings name, without their parameters, each once.
    static func overlays(in settings: [Setting]) -> [String] {
        var names: [String] = []
        var seen: Set<Substring> = []
        for setting in settings where setting.key == "dtoverlay" || setting.key == "device_tree_overlay" {
            let name = setting.value.prefix { $0 != "," && $0 != ":" }
            if !name.isEmpty, seen.insert(name).inserted { names.append(String(name)) }
        }
        return names
    }

    /// The files that an `initramfs` line names, separated by commas.
    static func initramfsFiles(of value: String) -> [String] {
        value.prefix { $0 != " " }.split(separator: ",").map(String.init)
    }

    /// The prefixes of an operating system's files, each once. The empty one is always among them: the firmware falls
    /// back to it.
    static func prefixes(in settings: [Setting]) -> [String] {
        let named = Set(settings.filter { $0.key == "os_prefix" }.map(\.value)).sorted().prefix(maximumPrefixes)
        return [""] + named.filter(isShort)
    }

    /// Whether a prefix fits into a line that the firmware reads, and is not empty.
    private static func isShort(_ prefix: String) -> Bool {
        !prefix.isEmpty && prefix.utf8.count <= ConfigTxtWriter.maximumLineLength
    }

    private static let maximumPrefixes = 16

    /// The kernels that the firmware of the different boards starts if no setting names one.
    static let usualKernels = ["kernel.img", "kernel7.img", "kernel7l.img", "kernel8.img", "kernel_2712.img"]

    /// A file that a setting names and that the partition lacks.
    struct MissingFile: Hashable {
        var key: String
        /// The file's name, or the overlay's.
        var name: String
        var isOverlay: Bool { key == "dtoverlay" }
    }

    /// The files that settings name and that the partition lacks, each once.
    /// - Parameter has: whether the partition has a file at a path.
    static func missingFiles(of settings: [Setting], has: (String) -> Bool) -> [MissingFile] {
        var missing: [MissingFile] = []
        var seen: Set<MissingFile> = []
        let prefixes = prefixes(in: settings)
        func check(_ key: String, _ name: String, _ paths: [String]) {
            let file = MissingFile(key: key, name: name)
            guard !name.isEmpty, seen.insert(file).inserted else { return }
            if !paths.contains(where: { path in prefixes.contains { has($0 + path) } }) { missing.append(file) }
        }
        for setting in settings {
            switch setting.key {
            case "kernel", "armstub", "device_tree", "include", "start_file", "fixup_file":
                check(setting.key, setting.value, [setting.value])
            case "initramfs", "ramfsfile":
                for name in initramfsFiles(of: setting.value) { check("initramfs", name, [name]) }
            default: break
            }
        }
        // The overlays of a kernel are below its os_prefix.
        let directories = Set([overlayPrefix(in: settings), "overlays/"]).sorted()
        for name in overlays(in: settings) {
            check("dtoverlay", name, directories.flatMap { ["\($0)\(name).dtbo", "\($0)\(name)-overlay.dtb"] })
        }
        return missing
    }
}

extension Board {
    /// The model filters that the board meets.
    var filters: Set<String> {
        switch name {
        case "pi3-32": ["pi3"]
        case "zero2w": ["pi0", "pi0w", "pi02"]
        default: [name]
        }
    }
}

extension Substring {
    fileprivate func trimmingSuffix(while isDropped: (Character) -> Bool) -> Substring {
        var end = endIndex
        while end > startIndex, isDropped(self[index(before: end)]) { end = index(before: end) }
        return self[..<end]
    }
}
