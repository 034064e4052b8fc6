import ImageKit

/// The report of `mkpiimg inspect` as text, of 80 columns unless names are longer.
struct InspectText {
    private let report: ImageReport
    private let listsAll: Bool

    /// The number of store paths that are listed without `--all`.
    private static let maximumPaths = 10

    init(_ report: ImageReport, listsAll: Bool) {
        self.report = report
        self.listsAll = listsAll
    }

    /// All sections, separated by empty lines.
    var text: String {
        [head, partitions, boot, system, store, compression, problems].filter { !$0.isEmpty }.joined(separator: "\n")
    }

    // MARK: Sections

    private var head: String {
        let file = report.file
        var line = file.path.printable + ": "
        switch file.form {
        case "raw", "plan": line += "raw image, \(ByteSize.format(file.imageSize))"
        default:
            let percent = String.percent(file.size, of: file.imageSize)
            line += "zstd image, \(ByteSize.format(file.imageSize)) in \(ByteSize.format(file.size)) (\(percent))"
        }
        let table =
            report.table == "none"
            ? "no partition table: one filesystem has the whole"
            : "\(report.table.uppercased()) partition table\(report.diskID.map { ", disk \($0)" } ?? "")"
        return line + "\n" + table + "\n"
    }

    private var partitions: String {
        var text = ""
        for partition in report.partitions {
            let title = [partition.role, partition.name.map { "'\($0.printable)'" }].compactMap { $0 }
                .joined(separator: " ")
            text += "\nPartition \(partition.number)\(title.isEmpty ? "" : ", " + title)"
            text += "\(partition.isActive ? ", active" : "")\n"
            var rows = [
                ("place", "\(ByteSize.format(partition.size)) at \(ByteSize.format(partition.start))")
            ]
            if report.table != "none" {
                rows.append(("type", partition.typeName.map { "\($0) (\(partition.type))" } ?? partition.type))
            }
            if let damage = partition.damage { rows.append(("damaged", damage.printable)) }
            if let filesystem = partition.filesystem {
                rows += self.rows(filesystem)
            } else if partition.damage == nil {
                rows.append(("content", partition.content))
            }
            text += Self.table(rows)
        }
        return String(text.dropFirst())
    }

    private func rows(_ filesystem: ImageReport.Filesystem) -> [(String, String)] {
        let label = filesystem.label.map { " '\($0.printable)'" } ?? ""
        var rows = [
            ("filesystem", "\(filesystem.kind)\(label)\(filesystem.uuid.map { " \($0)" } ?? "")"),
            (
                "space",
                "\(ByteSize.format(filesystem.free)) free of \(ByteSize.format(filesystem.size))"
                    + (filesystem.reserved.map { $0 == 0 ? "" : ", \(ByteSize.format($0)) more for root" } ?? "")
            ),
        ]
        if let inodes = filesystem.inodes, let free = filesystem.freeInodes {
            rows.append(("inodes", "\(free) free of \(inodes)"))
        }
        if let limit = filesystem.growthLimit { rows.append(("grows", "to \(ByteSize.format(limit))")) }
        if let features = filesystem.features { rows.append(("features", features.joined(separator: " "))) }
        if filesystem.needsRecovery == true {
            rows.append(("state", "its journal has not been replayed: it was not unmounted"))
        } else if filesystem.isClean == false {
            rows.append(("state", "not clean: check it with e2fsck"))
        }
        if let mounted = filesystem.mounted {
            let directory = filesystem.lastMounted.map { " on \($0.printable)" } ?? ""
            rows.append(("mounted", "last \(CalendarTime(mounted).text) UTC" + directory))
        }
        return rows
    }

    private var boot: String {
        guard let boot = report.boot else { return "Boot\n" + Self.table([("", "nothing here says how it boots")]) }
        var rows: [(String, String)] = []
        // Boards that start the same files share one line.
        var groups: [(start: String, boards: [String])] = []
        for board in boot.boards {
            var start = board.uboot.map { "\(board.kernel) (U-Boot \($0))" } ?? board.kernel
            if let stub = board.armstub { start += ", after \(stub)" }
            if let initramfs = board.initramfs { start += " with \(initramfs)" }
            if let index = groups.firstIndex(where: { $0.start == start }) {
                groups[index].boards.append(board.board)
            } else {
                groups.append((start, [board.board]))
            }
        }
        for group in groups {
            let boards = group.boards.count == Board.all.count ? "all boards" : group.boards.joined(separator: ", ")
            rows.append((boards, group.start.printable))
        }
        if boot.boards.isEmpty { rows.append(("firmware", "what config.txt starts is not there")) }
        if let menu = boot.menu {
            let timeout = boot.timeout.map { ", default after \($0 == $0.rounded() ? "\(Int($0))" : "\($0)")\u{A0}s" }
            rows.append(("menu", menu + (timeout ?? "")))
        }
        var text = "Boot\n" + Self.table(rows)
        for entry in boot.entries {
            let isDefault = entry.label == boot.defaultLabel && entry.label != nil
            let title = [entry.label.map(\.printable), entry.title.map { "'\($0.printable)'" }].compactMap { $0 }
                .joined(separator: " ")
            text += "\n  \(title.isEmpty ? "The kernel" : title)"
            text += "\(isDefault && boot.entries.count > 1 ? " (default)" : "")\n"
            text += Self.table(self.rows(entry), indent: 4)
        }
        return text
    }

    private func rows(_ entry: BootReport.Entry) -> [(String, String)] {
        func file(_ path: String, _ size: UInt64?) -> String {
            path.shortened(hashDigits: 6).printable + (size.map { " \(ByteSize.format($0))" } ?? " (missing)")
        }
        var rows: [(String, String)] = []
        if let kernel = entry.kernel {
            let version = entry.kernelVersion.map { "\($0.printable), " } ?? ""
            rows.append(("kernel", version + file(kernel, entry.kernelSize)))
        }
        if let initrd = entry.initrd { rows.append(("initrd", file(initrd, entry.initrdSize))) }
        if let trees = entry.deviceTrees { rows.append(("device trees", trees.shortened(hashDigits: 6).printable)) }
        if let initPath = entry.initPath {
            rows.append(
                ("init", initPath.shortened(hashDigits: 6).printable + (entry.initExists == false ? " (missing)" : "")))
        }
        if !entry.parameters.isEmpty {
            rows.append(("parameters", entry.parameters.joined(separator: " ").printable))
        }
        return rows
    }

    private var system: String {
        guard let system = report.system else { return "" }
        var rows = [("toplevel", system.toplevel.printable)]
        if let label = system.label {
            rows.append(("label", label.printable + (system.platform.map { " for \($0.printable)" } ?? "")))
        }
        if !system.specialisations.isEmpty {
            rows.append(("variants", system.specialisations.joined(separator: ", ").printable))
        }
        if !system.generations.isEmpty {
            let numbers = system.generations.map { "\($0.number)\($0.isCurrent ? " (current)" : "")" }
            rows.append(("generations", numbers.joined(separator: ", ")))
        }
        return "System\n" + Self.table(rows)
    }

    private var store: String {
        guard let store = report.store else { return "" }
        let size = store.size.map { ", \(ByteSize.format($0))" } ?? ", not registered in the image"
        var text = "Store: \(store.count) paths\(size)\n"
        guard store.size != nil || listsAll else { return text }
        let shown = listsAll ? store.paths[...] : store.paths.prefix(Self.maximumPaths)
        text += "       size    closure  name\n"
        for path in shown {
            let size = path.size.map(ByteSize.format) ?? "?", closure = path.closureSize.map(ByteSize.format) ?? "?"
            let name = listsAll ? path.path : [path.name, path.version].compactMap { $0 }.joined(separator: " ")
            text += "  \(size.right(in: 9))  \(closure.right(in: 9))  \(name.printable)\n"
        }
        if shown.count < store.paths.count { text += "  … and \(store.paths.count - shown.count) more (--all)\n" }
        return text
    }

    private var compression: String {
        guard let compression = report.compression else { return "" }
        var text =
            "Compression: \(compression.frames) frames of up to \(ByteSize.format(compression.largestFrame))\n"
        let width = compression.regions.map(\.name.count).max() ?? 0
        for region in compression.regions {
            let size = ByteSize.format(region.size).right(in: 9)
            let compressed = ByteSize.format(region.compressedSize).right(in: 9)
            let percent = String.percent(region.compressedSize, of: region.size)
            text += "  \(region.name.padded(to: width))  \(size) → \(compressed)  \(percent)\n"
        }
        return text
    }

    private var problems: String {
        guard !report.problems.isEmpty else { return "" }
        return "Not everything can be read ('mkpiimg verify' tells more)\n"
            + report.problems.map { Self.table([("", $0.printable)], indent: 0) }.joined()
    }

    // MARK: Layout

    /// Two columns. The lines of a long text begin in the same column.
    private static func table(_ rows: [(String, String)], indent: Int = 2) -> String {
        let width = rows.map(\.0.count).max() ?? 0
        let room = max(30, 79 - indent - width - 2)
        return rows.map { name, value in
            let lines = value.wrapped(to: room)
            let first = String.spaces(indent) + name.padded(to: width) + "  " + (lines.first ?? "")
            return ([first] + lines.dropFirst().map { String.spaces(indent + width + 2) + $0 }).map { $0 + "\n" }
                .joined()
        }.joined()
    }
}
