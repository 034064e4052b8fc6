/// The kernel that an image boots by default: the menu's default entry, or the firmware's settings.
struct BootChoice: Equatable {
    /// The program that starts the kernel: `U-Boot` with its menu, or the `firmware`.
    var starter: String
    /// The label of the menu's default entry.
    var label: String?
    /// File names as the menu or the settings write them: relative to the menu, or to the firmware partition.
    var kernel: String?, initrd: String?, deviceTrees: String?
    /// The kernel's parameters.
    var commandLine: KernelCommandLine
    /// The labels of all menu entries.
    var labels: [String] = []

    /// Reads the choice of an image; `nil` where there is neither a menu nor a command line.
    static func read(_ reader: BootReader) throws(ImageError) -> BootChoice? {
        if let menu = try reader.menu() { return BootChoice(menu: menu.config) }
        return try reader.settings().flatMap { (settings) throws(ImageError) in try read(reader, settings) }
    }

    /// Reads the choice of an image without a menu; `nil` where there is no command line.
    static func read(_ reader: BootReader, _ config: ConfigTxt) throws(ImageError) -> BootChoice? {
        let settings = config.settings
        func value(_ key: String) -> String? { settings.last { $0.key == key }?.value }
        let prefix = value("os_prefix") ?? ""
        guard let line = try reader.commandLine(at: prefix + (value("cmdline") ?? "cmdline.txt")) else { return nil }
        var choice = BootChoice(starter: "firmware", commandLine: line)
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
