/// The menu that U-Boot reads.
extension BootChainCheck {
    /// Checks a menu and the files that it names.
    func checkMenu(
        _ node: FileTree.NodeID, at path: String, on filesystem: Filesystem, _ boot: inout Chain
    ) throws(ImageError) {
        boot.menus += 1
        guard let text = try text(of: node, path, on: filesystem, orReport: .bootMenu) else { return }
        let menu = ExtlinuxConfig.parse(text)
        guard !menu.entries.isEmpty else {
            return report(.bootMenu, "it has no entries", path, on: filesystem)
        }
        if menu.defaultEntry == nil, let label = menu.defaultLabel {
            report(.bootDefault, "DEFAULT names '\(label)', and no LABEL does", path, on: filesystem)
        }
        // Files that entries share are checked once.
        var seen: Set<String> = []
        let defaultLabel = menu.defaultEntry?.label
        for entry in menu.entries.prefix(Self.maximumEntries) where !effort.isExhausted {
            boot.entries += 1
            try check(entry, isDefault: entry.label == defaultLabel, path, on: filesystem, &seen, &boot)
        }
    }

    private func check(
        _ entry: ExtlinuxConfig.Entry, isDefault: Bool, _ menuPath: String, on filesystem: Filesystem,
        _ seen: inout Set<String>, _ boot: inout Chain
    ) throws(ImageError) {
        let directory = String(menuPath.prefix(upTo: menuPath.lastIndex(of: "/") ?? menuPath.startIndex))
        // A very long label is not repeated with each of its files.
        let subject = "the entry '\(entry.label.prefix(100))'"
        func path(_ file: String) -> String { ExtlinuxConfig.path(of: file, inMenuAt: directory) }
        guard let kernel = entry.kernel else {
            if isDefault { report(.bootMenu, "\(subject) names no kernel", menuPath, on: filesystem) }
            return
        }
        // U-Boot's 'image#configuration' names a configuration in the file 'image'.
        for (keyword, file) in [
            ("LINUX", kernel.split(separator: "#").first.map(String.init) ?? kernel), ("INITRD", entry.initrd),
        ] {
            guard let file, seen.insert(keyword + file).inserted else { continue }
            guard let node = node(at: path(file), on: filesystem),
                try checkContent(node, path(file), on: filesystem)
            else {
                report(.bootFile, "\(subject) names it (\(keyword)), and it is not there", path(file), on: filesystem)
                continue
            }
        }
        for file in [entry.fdt].compactMap(\.self) + entry.overlays where !effort.isExhausted {
            guard seen.insert("FDT" + file).inserted else { continue }
            guard let node = node(at: path(file), on: filesystem),
                try checkContent(node, path(file), on: filesystem)
            else {
                report(.bootDeviceTree, "\(subject) names it, and it is not there", path(file), on: filesystem)
                continue
            }
        }
        if let file = entry.fdtDirectory, seen.insert("FDTDIR" + file).inserted {
            checkDeviceTrees(path(file), subject, on: filesystem)
        }
        if let line = entry.append {
            checkCommandLine(line, menuPath, on: filesystem, &boot, entry: String(entry.label.prefix(100)))
        }
    }

    /// Checks that a directory exists and that there is a device tree in it or below it.
    private func checkDeviceTrees(_ path: String, _ subject: String, on filesystem: Filesystem) {
        let tree = filesystem.tree
        guard let directory = node(at: path, on: filesystem), tree.kind(of: directory) == .directory else {
            return report(
                .bootDeviceTree, "\(subject) names the folder (FDTDIR), and it is not there", path, on: filesystem)
        }
        // U-Boot also looks for a board's file below the directory, in that of the board's vendor.
        if hasDeviceTree(in: directory, on: filesystem) { return }
        report(
            .bootDeviceTree, "\(subject) names the folder (FDTDIR), and there is no '.dtb' in it", path, on: filesystem)
    }
}
