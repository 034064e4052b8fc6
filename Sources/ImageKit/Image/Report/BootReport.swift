/// How an image boots, as far as its files say: the firmware's settings, who starts the kernel, and what can be chosen.
public struct BootReport: Sendable, Encodable {
    /// What the firmware does on one board.
    public struct Firmware: Sendable, Encodable {
        /// The board's name, as `--board` takes it, and what it is.
        public var board: String, title: String
        /// What it runs in the settings that ``Board`` has: `aarch64`, `armv7l`, `armv6l`.
        public var architecture: String
        /// The file that is started (U-Boot or a kernel), and whether it is there.
        public var kernel: String, exists: Bool
        /// Its size in bytes.
        public var size: UInt64?
        /// U-Boot's version, where it is that.
        public var uboot: String?
        /// What runs before it, if anything is named.
        public var armstub: String?
        /// The RAM disk that the firmware loads, if any.
        public var initramfs: String?
        /// The overlays that are named.
        public var overlays: [String]
    }

    /// Something that can be booted.
    public struct Entry: Sendable, Encodable {
        /// The label in the menu, and what the menu shows; `nil` where the firmware starts the kernel.
        public var label: String?, title: String?
        /// Paths of files, with their sizes in bytes where they are there.
        public var kernel: String?, kernelSize: UInt64?
        public var initrd: String?, initrdSize: UInt64?
        public var deviceTrees: String?
        /// What `init=` names, and whether it is in the image.
        public var initPath: String?, initExists: Bool?
        /// The rest of the command line.
        public var parameters: [String]
        /// The kernel's version, as the system's store path says it.
        public var kernelVersion: String?

        private enum CodingKeys: String, CodingKey {
            case label, title, kernel, kernelSize, initrd, initrdSize, deviceTrees, initExists, parameters,
                kernelVersion
            case initPath = "init"
        }
    }

    /// `U-Boot`, by its menu, or `firmware`.
    public var starter: String
    /// The menu's file.
    public var menu: String?
    /// Seconds until the default boots; `nil` where nothing is said, or it waits for ever.
    public var timeout: Double?
    /// The label of the entry that boots by itself.
    public var defaultLabel: String?
    /// The boards whose start file is there (all that the settings name, where none is).
    public var boards: [Firmware]
    public var entries: [Entry]

    /// What boots when nobody chooses.
    public var defaultEntry: Entry? { entries.first { $0.label == defaultLabel } ?? entries.first }

    /// No menu has more entries; each is looked for in the filesystem.
    private static let entryLimit = 1000

    /// Reads menus and settings; `nil` where there are none.
    init?(root: ImageVolume?, firmware: ImageVolume?) throws(ImageError) {
        let config = try firmware?.text(at: "/config.txt", atMost: BootChoice.limit)
            .map { ConfigTxt.parse(String(decoding: $0, as: UTF8.self)) }
        boards = []
        if let firmware {
            let all = try Board.all.map { board throws(ImageError) in
                try Firmware(board, config ?? ConfigTxt.parse(""), firmware)
            }
            boards = all.filter(\.exists)
        }
        entries = []
        if let (menu, path, volume) = try ExtlinuxConfig.find(in: [root, firmware]) {
            starter = "U-Boot"
            self.menu = path
            timeout = menu.timeout.flatMap { $0 == 0 ? nil : Double($0) / 10 }
            defaultLabel = menu.defaultEntry?.label
            let directory = String(path.dropLast("/extlinux.conf".count))
            entries = try menu.entries.prefix(Self.entryLimit).map { entry throws(ImageError) in
                try Entry(entry, in: directory, volume, root: root ?? volume)
            }
            return
        }
        guard let choice = try BootChoice.read(firmware: firmware), let firmware else {
            if boards.isEmpty { return nil }
            starter = "firmware"
            return
        }
        starter = choice.starter
        var entry = Entry(
            kernel: choice.kernel ?? boards.first?.kernel, initrd: choice.initrd,
            initPath: choice.commandLine.initPath, parameters: choice.commandLine.wordsWithoutInit)
        try entry.look(in: firmware, root: root)
        entries = [entry]
    }
}

extension BootReport.Entry {
    fileprivate init(
        _ entry: ExtlinuxConfig.Entry, in directory: String, _ volume: ImageVolume, root: ImageVolume
    ) throws(ImageError) {
        func path(_ file: String) -> String { ExtlinuxConfig.path(of: file, inMenuAt: directory) }
        let line = KernelCommandLine(entry.append ?? "")
        self.init(
            label: entry.label, title: entry.menuLabel, kernel: entry.kernel.map(path),
            initrd: entry.initrd.map(path), deviceTrees: (entry.fdt ?? entry.fdtDirectory).map(path),
            initPath: line.initPath, parameters: line.wordsWithoutInit)
        try look(in: volume, root: root)
    }

    /// Looks for what the entry names.
    fileprivate mutating func look(in volume: ImageVolume, root: ImageVolume?) throws(ImageError) {
        func size(_ path: String?) throws(ImageError) -> UInt64? {
            guard let path, let node = try volume.node(at: path, followingLinks: true), node.kind == .file else {
                return nil
            }
            return node.size
        }
        kernelSize = try size(kernel)
        initrdSize = try size(initrd)
        guard let initPath, let root else { return }
        initExists = try root.node(at: initPath, followingLinks: true)?.kind == .file
        guard let top = initPath.range(of: "/init").map({ String(initPath[..<$0.lowerBound]) }),
            let link = try root.node(at: top + "/kernel"), link.kind == .symlink
        else { return }
        let parts = try root.target(of: link).split(separator: 0x2F)
        // nix, store, the kernel's store path
        guard parts.count > 2, let store = StorePath(entry: Array(parts[2])) else { return }
        kernelVersion = PackageName(store.name).version
    }
}

extension String {
    /// The range of the last occurrence of an ending.
    fileprivate func range(of suffix: String) -> Range<Index>? {
        guard hasSuffix(suffix) else { return nil }
        return index(endIndex, offsetBy: -suffix.count)..<endIndex
    }
}

extension BootReport.Firmware {
    /// What the firmware of a board would do.
    fileprivate init(_ board: Board, _ config: ConfigTxt, _ volume: ImageVolume) throws(ImageError) {
        let settings = config.settings(for: board)
        func value(_ key: String) -> String? { settings.last { $0.key == key }?.value }
        self.board = board.name
        title = board.title
        architecture = board.architecture
        let prefix = value("os_prefix") ?? ""
        let named = value("kernel")
        let candidates = named.map { [$0] } ?? Self.kernels(of: board, value("arm_64bit"))
        kernel = candidates.first ?? "kernel.img"
        exists = false
        armstub = value("armstub")
        initramfs = value("initramfs").map { ConfigTxt.initramfsFiles(of: $0).joined(separator: ",") }
        overlays = ConfigTxt.overlays(in: settings)
        // What is not below the prefix, the firmware looks for without it.
        for name in (prefix.isEmpty ? [""] : [prefix, ""]).flatMap({ prefix in candidates.map { prefix + $0 } }) {
            guard let node = try volume.node(at: "/" + name), node.kind == .file else { continue }
            kernel = name
            exists = true
            size = node.size
            uboot = try Self.version(in: try volume.content(of: node))
            break
        }
    }

    /// What the firmware looks for when it is told nothing. Source: Raspberry Pi documentation, "config.txt", "kernel".
    private static func kernels(of board: Board, _ is64Bit: String?) -> [String] {
        if board.name == "pi5" { return ["kernel_2712.img", "kernel8.img"] }
        if board.architecture == "aarch64", is64Bit != "0" { return ["kernel8.img"] }
        return board.architecture == "armv6l" ? ["kernel.img"] : ["kernel7l.img", "kernel7.img"]
    }

    /// U-Boot's version, which stands in it as text: `U-Boot 2023.07`.
    private static func version(in content: any ByteSource) throws(ImageError) -> String? {
        // No U-Boot for these boards is larger; kernels are.
        guard content.size <= 4 << 20 else { return nil }
        let bytes = try content.read(Int(content.size), at: 0)
        let mark = Array("U-Boot 20".utf8)
        guard bytes.count > mark.count else { return nil }
        var place = 0
        while place + mark.count <= bytes.count {
            guard let next = bytes[place...].firstIndex(of: mark[0]), next + mark.count <= bytes.count else {
                return nil
            }
            if bytes[next..<next + mark.count].elementsEqual(mark) {
                let version = bytes[(next + 7)...].prefix(40).prefix { $0 > 0x20 && $0 < 0x7F }
                return String(decoding: version, as: UTF8.self)
            }
            place = next + 1
        }
        return nil
    }
}
