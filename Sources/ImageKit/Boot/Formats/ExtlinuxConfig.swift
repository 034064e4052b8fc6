/// What stands in an `extlinux.conf`, for whoever wants to know what U-Boot makes of it. (`ExtlinuxMenu` writes one.)
///
/// ```
///   DEFAULT nixos-default             a label
///   TIMEOUT 50                        tenths of a second
///   LABEL nixos-default               begins an entry
///     MENU LABEL NixOS - Default
///     LINUX ../nixos/…-Image          or KERNEL
///     INITRD ../nixos/…-initrd
///     FDTDIR ../nixos/…-dtbs          or DEVICETREEDIR; FDT or DEVICETREE names one file
///     FDTOVERLAYS ../nixos/a.dtbo …   or DEVICETREE-OVERLAY
///     APPEND init=… console=…
/// ```
///
/// Keywords may be written in either case, and their values go on to the end of the line. Of what a label has twice, U-Boot
/// takes the last. Source: U-Boot's documentation, "Generic Distro Configuration Concept" and "README.pxe".
public struct ExtlinuxConfig: Sendable, Hashable {
    /// What can be chosen.
    public struct Entry: Sendable, Hashable {
        /// What `DEFAULT` calls it.
        public var label: String
        /// What the menu shows.
        public var menuLabel: String?
        /// The file of the kernel, as it is written.
        public var kernel: String?
        /// The file of the initial RAM disk.
        public var initrd: String?
        /// The directory in which U-Boot finds the board's device tree.
        public var fdtDirectory: String?
        /// The file of the device tree.
        public var fdt: String?
        /// Files that are laid over the device tree.
        public var overlays: [String] = []
        /// The kernel's command line.
        public var append: String?

        /// The words of the command line that begin with `name=`, without that; the last one counts.
        public func parameters(_ name: String) -> [String] {
            KernelCommandLine(append ?? "").values(of: name)
        }
    }

    /// Tenths of a second until the default boots; 0 where U-Boot waits for ever, `nil` where nothing is said.
    public private(set) var timeout: UInt64?
    /// The title above the entries.
    public private(set) var title: String?
    /// The label of the entry that boots by itself.
    public private(set) var defaultLabel: String?
    /// The entries in their order.
    public private(set) var entries: [Entry] = []

    /// What boots when nobody chooses: what `DEFAULT` names, or the first where it names nothing; `nil` where it names
    /// something that is not there.
    public var defaultEntry: Entry? {
        guard let defaultLabel else { return entries.first }
        return entries.first { $0.label == defaultLabel }
    }

    /// Reads a menu. What is no keyword is passed over.
    public static func parse(_ text: String) -> ExtlinuxConfig {
        var config = ExtlinuxConfig()
        for line in text.split(whereSeparator: \.isNewline) {
            let (word, rest) = Self.split(line)
            guard !word.hasPrefix("#") else { continue }
            config.take(word.lowercased(), String(rest))
        }
        return config
    }

    private mutating func take(_ keyword: String, _ value: String) {
        switch keyword {
        case "default": defaultLabel = value
        case "timeout": timeout = UInt64(value.prefix { $0.isASCII && $0.isNumber })
        case "label": entries.append(Entry(label: value))
        case "menu":
            let (word, rest) = Self.split(value[...])
            switch word.lowercased() {
            case "title": title = String(rest)
            case "label": change { $0.menuLabel = String(rest) }
            case "default": if let entry = entries.last { defaultLabel = entry.label }
            default: break
            }
        case "kernel", "linux": change { $0.kernel = value }
        case "initrd": change { $0.initrd = value }
        case "append": change { $0.append = value }
        case "fdt", "devicetree": change { $0.fdt = value }
        case "fdtdir", "devicetreedir": change { $0.fdtDirectory = value }
        case "fdtoverlays", "devicetree-overlay": change { $0.overlays = value.split(separator: " ").map(String.init) }
        default: break
        }
    }

    private mutating func change(_ body: (inout Entry) -> Void) {
        if !entries.isEmpty { body(&entries[entries.count - 1]) }
    }

    /// The first word of a line, and what follows it, without the spaces around them.
    private static func split(_ line: Substring) -> (word: Substring, rest: Substring) {
        let line = line.drop(while: \.isWhitespace)
        let word = line.prefix { !$0.isWhitespace }
        var rest = line.dropFirst(word.count).drop(while: \.isWhitespace)
        while rest.last?.isWhitespace == true { rest.removeLast() }
        return (word, rest)
    }

    /// Where U-Boot looks for a menu on the partition that it boots from, in this order.
    static let places = ["/extlinux/extlinux.conf", "/boot/extlinux/extlinux.conf"]

    /// The path in the filesystem that a file of the menu has: those that do not begin with a slash are counted from the
    /// menu's directory.
    public static func path(of file: String, inMenuAt directory: String = "/boot/extlinux") -> String {
        var parts: [Substring] = []
        for part in (file.hasPrefix("/") ? file : directory + "/" + file).split(separator: "/") {
            switch part {
            case ".": break
            case "..": _ = parts.popLast()
            default: parts.append(part)
            }
        }
        return "/" + parts.joined(separator: "/")
    }
}
