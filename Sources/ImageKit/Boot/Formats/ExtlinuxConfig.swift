/// The entries of an `extlinux.conf`, as U-Boot reads them. (`ExtlinuxMenu` writes one.)
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
/// Keywords may be in upper or lower case, and their values extend to the end of the line. If an entry repeats a
/// keyword, U-Boot uses the last one. Source: U-Boot's documentation, "Generic Distro Configuration Concept" and
/// "README.pxe".
struct ExtlinuxConfig: Sendable, Hashable {
    /// A system that can be chosen.
    struct Entry: Sendable, Hashable {
        /// The name that `DEFAULT` uses.
        var label: String
        /// The text in the menu.
        var menuLabel: String?
        /// The kernel's file. This path and the next ones are as written; see ``path(of:inMenuAt:)``.
        var kernel: String?
        /// The initial RAM disk's file.
        var initrd: String?
        /// The directory in which U-Boot looks for the board's device tree.
        var fdtDirectory: String?
        /// The device tree's file.
        var fdt: String?
        /// The files of overlays for the device tree.
        var overlays: [String] = []
        /// The kernel's command line.
        var append: String?

        /// The values of the command line's words `name=…`; for most parameters, the last one counts.
        func parameters(_ name: String) -> [String] {
            KernelCommandLine(append ?? "").values(of: name)
        }
    }

    /// Tenths of a second until the default entry boots; 0 if U-Boot waits forever, `nil` if no number is given.
    private(set) var timeout: UInt64?
    /// The title above the entries.
    private(set) var title: String?
    /// The label of the entry that boots by default.
    private(set) var defaultLabel: String?
    /// The entries in their order.
    private(set) var entries: [Entry] = []

    /// The entry that boots if the user makes no choice: the one that `DEFAULT` names, or the first entry if the menu
    /// has no `DEFAULT`. `nil` if `DEFAULT` names no entry.
    var defaultEntry: Entry? {
        guard let defaultLabel else { return entries.first }
        return entries.first { $0.label == defaultLabel }
    }

    /// Parses a menu. Unknown keywords are ignored.
    static func parse(_ text: String) -> ExtlinuxConfig {
        var config = ExtlinuxConfig()
        for line in text.split(whereSeparator: \.isNewline) {
            let (word, rest) = Self.split(line)
            guard !word.hasPrefix("#") else { continue }
            config.apply(word.lowercased(), String(rest))
        }
        return config
    }

    private mutating func apply(_ keyword: String, _ value: String) {
        switch keyword {
        case "default": defaultLabel = value
        case "timeout": timeout = UInt64(value.prefix { $0.isASCII && $0.isNumber })
        case "label": entries.append(Entry(label: value))
        case "menu":
            let (word, rest) = Self.split(value[...])
            switch word.lowercased() {
            case "title": title = String(rest)
            case "label": changeLast { $0.menuLabel = String(rest) }
            case "default": if let entry = entries.last { defaultLabel = entry.label }
            default: break
            }
        case "kernel", "linux": changeLast { $0.kernel = value }
        case "initrd": changeLast { $0.initrd = value }
        case "append": changeLast { $0.append = value }
        case "fdt", "devicetree": changeLast { $0.fdt = value }
        case "fdtdir", "devicetreedir": changeLast { $0.fdtDirectory = value }
        case "fdtoverlays", "devicetree-overlay":
            changeLast { $0.overlays = value.split(separator: " ").map(String.init) }
        default: break
        }
    }

    /// Changes the entry that the line belongs to, which is the last one so far.
    private mutating func changeLast(_ body: (inout Entry) -> Void) {
        if !entries.isEmpty { body(&entries[entries.count - 1]) }
    }

    /// The first word of a line and the rest, without the white space around them.
    private static func split(_ line: Substring) -> (word: Substring, rest: Substring) {
        let line = line.drop(while: \.isWhitespace)
        let word = line.prefix { !$0.isWhitespace }
        var rest = line.dropFirst(word.count).drop(while: \.isWhitespace)
        while rest.last?.isWhitespace == true { rest.removeLast() }
        return (word, rest)
    }

    /// The paths at which U-Boot looks for a menu on the partition from which it boots, in this order.
    static let menuPaths = ["/extlinux/extlinux.conf", "/boot/extlinux/extlinux.conf"]

    /// The absolute path, in its filesystem, of a file that the menu names. A name without a leading slash is relative
    /// to the menu's directory.
    static func path(of file: String, inMenuAt directory: String = "/boot/extlinux") -> String {
        var names: [Substring] = []
        for name in (file.hasPrefix("/") ? file : directory + "/" + file).split(separator: "/") {
            switch name {
            case ".": break
            case "..": _ = names.popLast()
            default: names.append(name)
            }
        }
        return "/" + names.joined(separator: "/")
    }
}
