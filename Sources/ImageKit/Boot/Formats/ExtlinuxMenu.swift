/// Writes the menu that U-Boot reads from the root partition, as NixOS does. (``ExtlinuxConfig`` reads one.)
///
/// ```
///   # Generated file, all changes will be lost on nixos-rebuild!
///   …
///   DEFAULT nixos-default
///
///   TIMEOUT 50                          tenths of a second; 0 waits for ever
///   MENU TITLE ----…                    left out if U-Boot does not wait
///
///   LABEL nixos-default
///     MENU LABEL NixOS - Default
///     LINUX ../nixos/<copy of the kernel>
///     INITRD ../nixos/<copy of the initial RAM disk>
///     APPEND init=<toplevel>/init <kernel parameters>
///     FDTDIR ../nixos/<copy of the device trees>        or FDT ../nixos/<one of them>
/// ```
///
/// Paths are relative to the menu's own directory. Sources: U-Boot's documentation, "Generic Distro Configuration
/// Concept"; the output of NixOS' generic-extlinux-compatible builder, which replaces the file at the first
/// `nixos-rebuild`.
struct ExtlinuxMenu {
    /// A system that can be booted. File names are those of the copies in `/boot/nixos`.
    struct Entry {
        /// The device tree, unless it is the one that the firmware loaded.
        enum DeviceTrees {
            /// A directory in which U-Boot looks for the board's device tree.
            case directory(String)
            /// One file for all boards.
            case file(String)
        }

        var label: String
        var title: String
        var kernel: String
        var initrd: String?
        var deviceTrees: DeviceTrees?
        var commandLine: String
    }

    var entries: [Entry]
    /// How long the menu waits before the first entry boots.
    var timeout: MenuTimeout

    /// The file's content.
    var text: String {
        var text = """
            # Generated file, all changes will be lost on nixos-rebuild!

            # Change this to e.g. nixos-42 to temporarily boot to an older configuration.
            DEFAULT \(entries.first?.label ?? "nixos-default")


            """
        switch timeout {
        // To U-Boot, 0 means to wait for ever. So it gets the shortest wait, a tenth of a second, without a menu.
        case .seconds(0): text += "TIMEOUT 1\n"
        case .seconds(let seconds): text += "TIMEOUT \(UInt64(seconds) * 10)\n" + Self.menuTitle
        case .forever: text += "TIMEOUT 0\n" + Self.menuTitle
        }
        for entry in entries {
            text += "\nLABEL \(entry.label)\n  MENU LABEL \(entry.title)\n  LINUX ../nixos/\(entry.kernel)\n"
            if let initrd = entry.initrd { text += "  INITRD ../nixos/\(initrd)\n" }
            text += "  APPEND \(entry.commandLine)\n"
            switch entry.deviceTrees {
            case .directory(let name): text += "  FDTDIR ../nixos/\(name)\n"
            case .file(let name): text += "  FDT ../nixos/\(name)\n"
            case nil: break
            }
        }
        return text
    }

    private static let menuTitle = "MENU TITLE " + String(repeating: "-", count: 60) + "\n"
}
