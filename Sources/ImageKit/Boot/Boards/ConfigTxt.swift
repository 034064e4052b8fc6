/// What stands in a `config.txt`, for whoever wants to know what a board does with it. (`ConfigTxtWriter` writes one.)
///
/// ```
///   kernel=u-boot.bin              no filter: for every board
///   [pi4]                          a filter, which holds until one of the same kind takes its place
///   armstub=armstub8-gic.bin
///   [gpio4=1]                      one of another kind: both have to be met
///   enable_uart=1
///   [all]                          no filters any more
///   initramfs initrd followkernel  two settings are written without '='
/// ```
///
/// Source: Raspberry Pi documentation, "config.txt": "File format" and "Conditional filters".
public struct ConfigTxt: Sendable, Hashable {
    /// A line `key=value`.
    public struct Setting: Sendable, Hashable {
        /// Its name, as it is written.
        public var key: String
        /// All that follows, without spaces at its end.
        public var value: String
    }

    /// Lines that hold under the same filters.
    public struct Section: Sendable, Hashable {
        /// The filters that all have to be met, in lower case, like `pi4`; none where the lines are for every board.
        public var filter: [String]
        /// The settings in their order.
        public var settings: [Setting]
    }

    /// The sections in their order; those without settings are left out.
    public private(set) var sections: [Section] = []

    /// Reads a file. What is no setting is passed over, as the firmware does.
    public static func parse(_ text: String) -> ConfigTxt {
        var config = ConfigTxt()
        var section = Section(filter: [], settings: [])
        for line in text.split(whereSeparator: \.isNewline) {
            let line = line.drop(while: \.isWhitespace)
            if line.hasPrefix("#") { continue }
            if line.hasPrefix("["), let end = line.firstIndex(of: "]") {
                config.add(section)
                let name = line[line.index(after: line.startIndex)..<end]
                // What is longer than any line that the firmware reads, no board meets.
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

    /// Reads a file of a firmware partition, with the files that it includes in their places.
    /// - Parameter find: gives what is at a path there.
    static func load(
        _ bytes: [UInt8], in tree: FileTree, find: (String) -> FileTree.NodeID?
    ) throws(ImageError) -> ConfigTxt {
        var left = Included()
        return try parse(String(decoding: bytes, as: UTF8.self))
            .including(from: tree, under: [], depth: 0, &left, find: find)
    }

    /// No file is longer, and no more of them are included: the firmware goes further, but nobody does.
    static let maximumSize = 1 << 20
    private static let depthLimit = 4

    /// What may still be included.
    private struct Included {
        var lines = 32, bytes: UInt64 = 2 << 20
    }

    private func including(
        from tree: FileTree, under filter: [String], depth: Int, _ left: inout Included,
        find: (String) -> FileTree.NodeID?
    ) throws(ImageError) -> ConfigTxt {
        var whole = ConfigTxt()
        for section in sections {
            let filter = section.filter.reduce(filter) { Self.filter($0, and: $1) }
            var part = Section(filter: filter, settings: [])
            for setting in section.settings {
                part.settings.append(setting)
                guard setting.key == "include", depth < Self.depthLimit, left.lines > 0 else { continue }
                // Those that lead to nothing cost a search, too.
                left.lines -= 1
                guard let node = find(setting.value), tree.size(of: node) <= left.bytes else { continue }
                left.bytes -= tree.size(of: node)
                whole.add(part)
                part.settings = []
                let text = String(decoding: try tree.read(node, atMost: Self.maximumSize), as: UTF8.self)
                whole.sections += try Self.parse(text)
                    .including(from: tree, under: filter, depth: depth + 1, &left, find: find).sections
            }
            whole.add(part)
        }
        return whole
    }

    /// The filters that hold after one more.
    private static func filter(_ filters: [String], and name: String) -> [String] {
        if name == "all" { return [] }
        let next = filters.filter { kind(ofFilter: $0) != kind(ofFilter: name) } + [name]
        // Nobody asks so much at once; without a bound, a file made for it would take the square of its length.
        return next.count <= 16 ? next : ["none"]
    }

    /// What a filter asks about. Of what asks about the same, the last one holds.
    private static func kind(ofFilter name: String) -> String {
        if name == "none" || name.hasPrefix("pi") || name.hasPrefix("cm") || name.hasPrefix("board-type") {
            return "model"
        }
        return name.hasPrefix("0x") ? "serial" : String(name.prefix { $0.isLetter || $0 == "_" })
    }

    // MARK: Looking

    /// All settings, whatever they are for.
    public var settings: [Setting] { sections.flatMap(\.settings) }

    /// The settings that stand under a filter, like `pi4`; `all` for those that stand under none.
    public func settings(filter name: String) -> [Setting] {
        sections.filter { name == "all" ? $0.filter.isEmpty : $0.filter.contains(name.lowercased()) }
            .flatMap(\.settings)
    }

    /// The settings that hold on a board, in their order: the last one of a key counts, unless it is one to be repeated.
    ///
    /// The board is the one that gives its family the name (`pi4` is a Raspberry Pi 4 B). Filters that ask for what no image
    /// can know (a serial number, a pin, a screen) are not met.
    public func settings(for board: Board) -> [Setting] {
        let met = board.filters
        return sections.filter { section in
            section.filter.allSatisfy { met.contains($0) || $0.hasPrefix("hdmi:") }
        }.flatMap(\.settings)
    }

    /// The directory that overlays are taken from, or rather what is put before their names.
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

    /// The files that an `initramfs` line names: one or, with commas, several.
    static func initramfsFiles(of value: String) -> [String] {
        value.prefix { $0 != " " }.split(separator: ",").map(String.init)
    }

    /// What is put before the names of an operating system's files, each once; always also nothing, as the firmware falls
    /// back to that.
    static func prefixes(in settings: [Setting]) -> [String] {
        let named = Set(settings.filter { $0.key == "os_prefix" }.map(\.value)).sorted().prefix(prefixLimit)
        return [""] + named.filter(isShort)
    }

    /// Whether something can be put before names: the firmware reads no line that is longer.
    private static func isShort(_ prefix: String) -> Bool {
        !prefix.isEmpty && prefix.utf8.count <= ConfigTxtWriter.maximumLineLength
    }

    private static let prefixLimit = 16

    /// What the firmware starts when no kernel is named, on one board or another.
    static let usualKernels = ["kernel.img", "kernel7.img", "kernel7l.img", "kernel8.img", "kernel_2712.img"]

    /// A file that a setting names and that is not there.
    struct MissingFile: Hashable {
        var key: String
        /// The file's name, or the overlay's.
        var name: String
        var isOverlay: Bool { key == "dtoverlay" }
    }

    /// The files that settings name and that are not there, each once.
    /// - Parameter has: whether there is a file of this path on the partition.
    static func missingFiles(of settings: [Setting], has: (String) -> Bool) -> [MissingFile] {
        var missing: [MissingFile] = []
        var seen: Set<MissingFile> = []
        let prefixes = prefixes(in: settings)
        func look(_ key: String, _ name: String, _ paths: [String]) {
            let file = MissingFile(key: key, name: name)
            guard !name.isEmpty, seen.insert(file).inserted else { return }
            if !paths.contains(where: { path in prefixes.contains { has($0 + path) } }) { missing.append(file) }
        }
        for setting in settings {
            switch setting.key {
            case "kernel", "armstub", "device_tree", "include", "start_file", "fixup_file":
                look(setting.key, setting.value, [setting.value])
            case "initramfs", "ramfsfile":
                for name in initramfsFiles(of: setting.value) { look("initramfs", name, [name]) }
            default: break
            }
        }
        // Kernels find theirs below os_prefix.
        let directories = Set([overlayPrefix(in: settings), "overlays/"]).sorted()
        for name in overlays(in: settings) {
            look("dtoverlay", name, directories.flatMap { ["\($0)\(name).dtbo", "\($0)\(name)-overlay.dtb"] })
        }
        return missing
    }
}

extension Board {
    /// The model filters that it meets.
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
