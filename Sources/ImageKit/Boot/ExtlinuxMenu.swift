/// The menu that U-Boot reads from the root partition, as NixOS writes it.
///
/// ```
///   # Generated file, all changes will be lost on nixos-rebuild!
///   …
///   DEFAULT nixos-default
///
///   TIMEOUT 50                          tenths of a second
///   MENU TITLE ----…
///
///   LABEL nixos-default
///     MENU LABEL NixOS - Default
///     LINUX ../nixos/<copy of the kernel>
///     INITRD ../nixos/<copy of the initial RAM disk>
///     APPEND init=<toplevel>/init <kernel parameters>
///     FDTDIR ../nixos/<copy of the device trees>
/// ```
///
/// Paths are relative to the menu's own folder. Source: U-Boot's documentation, "Generic Distro Configuration Concept",
/// and what NixOS' generic-extlinux-compatible builder writes, which replaces the file at the first `nixos-rebuild`.
struct ExtlinuxMenu {
    /// One system that can be booted. File names are those of the copies in `/boot/nixos`.
    struct Entry {
        var label: String
        var title: String
        var kernel: String
        var initrd: String?
        var deviceTrees: String?
        var commandLine: String
    }

    var entries: [Entry]
    /// Tenths of a second until the first entry boots.
    var timeout = 50

    var text: String {
        var text = """
            # Generated file, all changes will be lost on nixos-rebuild!

            # Change this to e.g. nixos-42 to temporarily boot to an older configuration.
            DEFAULT \(entries.first?.label ?? "nixos-default")

            TIMEOUT \(timeout)
            MENU TITLE ------------------------------------------------------------

            """
        for entry in entries {
            text += "\nLABEL \(entry.label)\n  MENU LABEL \(entry.title)\n  LINUX ../nixos/\(entry.kernel)\n"
            if let initrd = entry.initrd { text += "  INITRD ../nixos/\(initrd)\n" }
            text += "  APPEND \(entry.commandLine)\n"
            if let trees = entry.deviceTrees { text += "  FDTDIR ../nixos/\(trees)\n" }
        }
        return text
    }
}
