/// What U-Boot reads.
extension BootChainCheck {
    func checkMenu(
        _ node: FileTree.NodeID, at place: String, on filesystem: Filesystem, _ boot: inout Chain
    ) throws(ImageError) {
        boot.menus += 1
        guard let text = try text(of: node, place, on: filesystem, orReport: .bootMenu) else { return }
        let menu = ExtlinuxConfig.parse(text)
        guard !menu.entries.isEmpty else {
            return report(.bootMenu, "it has no entries", place, on: filesystem)
        }
        if menu.defaultEntry == nil, let label = menu.defaultLabel {
            report(.bootDefault, "DEFAULT names '\(label)', and no LABEL does", place, on: filesystem)
        }
        // Entries share files, which are looked for once.
        var seen: Set<String> = []
        let usual = menu.defaultEntry?.label
        for entry in menu.entries.prefix(Self.entryLimit) where !effort.isExhausted {
            boot.entries += 1
            try check(entry, isDefault: entry.label == usual, place, on: filesystem, &seen, &boot)
        }
    }

    private func check(
        _ entry: ExtlinuxConfig.Entry, isDefault: Bool, _ place: String, on filesystem: Filesystem,
        _ seen: inout Set<String>, _ boot: inout Chain
    ) throws(ImageError) {
        let directory = String(place.prefix(upTo: place.lastIndex(of: "/") ?? place.startIndex))
        // A label that goes on for ever is not said again with each of its files.
        let said = "the entry '\(entry.label.prefix(100))'"
        func path(_ file: String) -> String { ExtlinuxConfig.path(of: file, inMenuAt: directory) }
        guard let kernel = entry.kernel else {
            if isDefault { report(.bootMenu, "\(said) names no kernel", place, on: filesystem) }
            return
        }
        // 'kernel image#configuration' is a part of a file.
        for (keyword, file) in [
            ("LINUX", kernel.split(separator: "#").first.map(String.init) ?? kernel), ("INITRD", entry.initrd),
        ] {
            guard let file, seen.insert(keyword + file).inserted else { continue }
            guard let node = node(at: path(file), on: filesystem),
                try checkContent(node, path(file), on: filesystem)
            else {
                report(.bootFile, "\(said) names it (\(keyword)), and it is not there", path(file), on: filesystem)
                continue
            }
        }
        for file in [entry.fdt].compactMap(\.self) + entry.overlays where !effort.isExhausted {
            guard seen.insert("FDT" + file).inserted else { continue }
            guard let node = node(at: path(file), on: filesystem),
                try checkContent(node, path(file), on: filesystem)
            else {
                report(.bootDeviceTree, "\(said) names it, and it is not there", path(file), on: filesystem)
                continue
            }
        }
        if let file = entry.fdtDirectory, seen.insert("FDTDIR" + file).inserted {
            checkDeviceTrees(path(file), said, on: filesystem)
        }
        if let line = entry.append {
            checkCommandLine(line, place, on: filesystem, &boot, entry: String(entry.label.prefix(100)))
        }
    }

    private func checkDeviceTrees(_ path: String, _ said: String, on filesystem: Filesystem) {
        let tree = filesystem.tree
        guard let directory = node(at: path, on: filesystem), tree.kind(of: directory) == .directory else {
            return report(
                .bootDeviceTree, "\(said) names the folder (FDTDIR), and it is not there", path, on: filesystem)
        }
        // U-Boot finds a board's file in the directory of the board's maker.
        if hasDeviceTree(in: directory, on: filesystem) { return }
        report(.bootDeviceTree, "\(said) names the folder (FDTDIR), and there is no '.dtb' in it", path, on: filesystem)
    }
}
