/// How an image boots, as far as its files tell: the firmware's settings, the program that starts the kernel, and the
/// choices of the menu.
public struct BootReport: Sendable, Encodable {
    /// What the firmware does on one board.
    public struct Firmware: Sendable, Encodable {
        /// The board's ``Board/name`` and ``Board/title``.
        public var board: String, title: String
        /// The architecture of the system that it starts with the settings of ``Board``: `aarch64`, `armv7l`, `armv6l`.
        public var architecture: String
        /// The file that the firmware starts (U-Boot or a kernel), and whether it exists.
        public var kernel: String, exists: Bool
        /// That file's size in bytes; `nil` where it does not exist.
        public var size: UInt64?
        /// U-Boot's version; `nil` where the file is not U-Boot.
        public var uboot: String?
        /// The file that runs before the kernel, if the settings name one.
        public var armstub: String?
        /// The RAM disk that the firmware loads, if the settings name one.
        public var initramfs: String?
        /// The overlays that the settings name.
        public var overlays: [String]
    }

    /// One choice of the menu, or the only kernel of an image without a menu.
    public struct Entry: Sendable, Encodable {
        /// The entry's label, and its title in the menu; `nil` where the firmware starts the kernel.
        public var label: String?, title: String?
        /// The kernel. Paths have the sizes of their files in bytes, which are `nil` where a file does not exist.
        public var kernel: String?, kernelSize: UInt64?
        /// The initial RAM disk.
        public var initrd: String?, initrdSize: UInt64?
        /// The device tree, or the directory of device trees.
        public var deviceTrees: String?
        /// The path that `init=` names, and whether it exists in the image.
        public var initPath: String?, initExists: Bool?
        /// The other kernel parameters.
        public var parameters: [String]
        /// The kernel's version, from the name of its store path.
        public var kernelVersion: String?

        private enum CodingKeys: String, CodingKey {
            case label, title, kernel, kernelSize, initrd, initrdSize, deviceTrees, initExists, parameters,
                kernelVersion
            case initPath = "init"
        }
    }

    /// The program that starts the kernel: `U-Boot` with its menu, or `firmware`.
    public var starter: String
    /// The path of the menu's file.
    public var menu: String?
    /// Seconds until the default entry boots; `nil` where the menu does not say, or waits for ever.
    public var timeout: Double?
    /// The label of the menu's default entry.
    public var defaultLabel: String?
    /// The boards whose start file exists.
    public var boards: [Firmware]
    /// The entries, in the menu's order.
    public var entries: [Entry]

    /// The entry that boots by default.
    public var defaultEntry: Entry? { entries.first { $0.label == defaultLabel } ?? entries.first }

    /// The number of menu entries that are read: each costs several searches in the filesystem.
    private static let maximumEntries = 1000

    /// Reads menus and settings; `nil` where there are none.
    init?(root: ImageVolume?, firmware: ImageVolume?) throws(ImageError) {
        let reader = BootReader(root: root, firmware: firmware)
        let config = try reader.settings()
        boards = []
        if let firmware {
            let all = try Board.all.map { board throws(ImageError) in
                try Firmware(board, config ?? ConfigTxt.parse(""), firmware)
            }
            boards = all.filter(\.exists)
        }
        entries = []
        if let menu = try reader.menu() {
            starter = "U-Boot"
            self.menu = menu.path
            timeout = menu.config.timeout.flatMap { $0 == 0 ? nil : Double($0) / 10 }
            defaultLabel = menu.config.defaultEntry?.label
            let directory = String(menu.path.dropLast("/extlinux.conf".count))
            entries = try menu.config.entries.prefix(Self.maximumEntries).map { entry throws(ImageError) in
                try Entry(entry, in: directory, menu.volume, root: root ?? menu.volume)
            }
            return
        }
        let choice = try config.flatMap { (config) throws(ImageError) in try BootChoice.read(reader, config) }
        guard let choice, let firmware else {
            if boards.isEmpty { return nil }
            starter = "firmware"
            return
        }
        starter = choice.starter
        var entry = Entry(
            kernel: choice.kernel ?? boards.first?.kernel, initrd: choice.initrd,
            initPath: choice.commandLine.initPath, parameters: choice.commandLine.wordsWithoutInit)
        try entry.findFiles(in: firmware, root: root)
        entries = [entry]
    }
}

extension BootReport.Entry {
    /// - Parameters:
    ///   - directory: the menu's directory.
    ///   - volume: the filesystem that the menu is in.
    ///   - root: the filesystem of `init=`.
    fileprivate init(
        _ entry: ExtlinuxConfig.Entry, in directory: String, _ volume: ImageVolume, root: ImageVolume
    ) throws(ImageError) {
        func path(_ file: String) -> String { ExtlinuxConfig.path(of: file, inMenuAt: directory) }
        let line = KernelCommandLine(entry.append ?? "")
        self.init(
            label: entry.label, title: entry.menuLabel, kernel: entry.kernel.map(path),
            initrd: entry.initrd.map(path), deviceTrees: (entry.fdt ?? entry.fdtDirectory).map(path),
            initPath: line.initPath, parameters: line.wordsWithoutInit)
        try findFiles(in: volume, root: root)
    }

    /// Fills in the sizes of the files, whether `init` exists, and the kernel's version.
    fileprivate mutating func findFiles(in volume: ImageVolume, root: ImageVolume?) throws(ImageError) {
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
        guard initPath.hasSuffix("/init"),
            let link = try root.node(at: "\(initPath.dropLast("/init".count))/kernel"), link.kind == .symlink
        else { return }
        let components = try link.target().split(separator: 0x2F)
        // nix, store, the kernel's store path
        guard components.count > 2, let store = StorePath(entry: Array(components[2])) else { return }
        kernelVersion = PackageName(store.name).version
    }
}

extension BootReport.Firmware {
    /// - Parameter volume: the firmware partition.
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
        // The firmware looks below the prefix first, then without it.
        for name in (prefix.isEmpty ? [""] : [prefix, ""]).flatMap({ prefix in candidates.map { prefix + $0 } }) {
            guard let node = try volume.node(at: "/" + name), node.kind == .file else { continue }
            kernel = name
            exists = true
            size = node.size
            uboot = try Self.version(in: try node.content())
            break
        }
    }

    /// The files that the firmware looks for when the settings name no kernel. Source: Raspberry Pi documentation,
    /// "config.txt", "kernel".
    private static func kernels(of board: Board, _ is64Bit: String?) -> [String] {
        if board.name == "pi5" { return ["kernel_2712.img", "kernel8.img"] }
        if board.architecture == "aarch64", is64Bit != "0" { return ["kernel8.img"] }
        return board.architecture == "armv6l" ? ["kernel.img"] : ["kernel7l.img", "kernel7.img"]
    }

    /// The text before U-Boot's version in its file.
    private static let versionMark = Array("U-Boot 20".utf8)
    /// The largest file that is searched for U-Boot's version, in bytes. U-Boot for these boards is smaller; kernels
    /// are larger.
    private static let maximumUBootSize: UInt64 = 4 << 20

    /// U-Boot's version, which is in its file as text: `U-Boot 2023.07`.
    private static func version(in content: any ByteSource) throws(ImageError) -> String? {
        guard content.size <= maximumUBootSize else { return nil }
        let bytes = try content.read(Int(content.size), at: 0)
        var rest = bytes[...]
        while let start = rest.firstIndex(of: versionMark[0]) {
            rest = bytes[start...]
            if rest.starts(with: versionMark) {
                let version = rest.dropFirst("U-Boot ".utf8.count).prefix(40).prefix { $0 > 0x20 && $0 < 0x7F }
                return String(decoding: version, as: UTF8.self)
            }
            rest = rest.dropFirst()
        }
        return nil
    }
}
