import ImageKit

/// What a build says at its end.
struct BuildSummary {
    private let plan: ImageLayout
    private let report: ImageBuilder.Report?
    private let seconds: Double
    private let out: String?

    init(_ plan: ImageLayout, _ report: ImageBuilder.Report?, seconds: Double, out: String?) {
        self.plan = plan
        self.report = report
        self.seconds = seconds
        self.out = out
    }

    /// A few aligned lines.
    var text: String {
        var lines: [(String, String)] = []
        if let toplevel = plan.toplevel { lines.append(("system", "\(toplevel.version) (\(toplevel.path.path))")) }
        if plan.toplevel != nil { lines.append(("boots", boots)) }
        lines.append(("store paths", "\(plan.closure.paths.count) with \(plan.entries) files, folders and links"))
        if plan.savings.names > 0 {
            lines.append(("hard links", "\(plan.savings.names) files, \(ByteSize.format(plan.savings.bytes)) saved"))
        }
        for partition in plan.table.partitions {
            lines.append(
                (
                    "partition \(partition.number)",
                    "\(ByteSize.format(UInt64(partition.bytes.count))) at \(ByteSize.format(partition.bytes.lowerBound))"
                        + (partition.number == 1
                            ? " (firmware)"
                            : " (root, \(ByteSize.format(plan.root.freeBlocks * 4096)) and \(plan.root.freeInodes) inodes free)")
                ))
        }
        lines.append(
            (
                "identities",
                "disk \(diskID), firmware '\(plan.firmwareLabel.printable)', root "
                    + "'\(plan.rootLabel.printable)' \(Ext4Options.uuidText(plan.rootUUID))"
            ))
        lines.append(("image", ByteSize.format(plan.map.size)))
        if let report, let out, out.hasSuffix(".zst") || out == "-" {
            let percent = String.percent(report.outputSize, of: report.imageSize)
            lines.append(("compressed", "\(ByteSize.format(report.outputSize)) (\(percent))"))
        }
        if plan.isPrivate {
            let file = report != nil && out != nil && out != "-"
            lines.append(("private", "it holds files that not everybody may read" + (file ? ": its mode is 0600" : "")))
        }
        if report != nil { lines.append(("time", "\(String(tenths: seconds)) s")) }
        let width = lines.map(\.0.count).max() ?? 0
        return lines.map { name, value in "  \(name.padded(to: width))  \(value)\n" }.joined()
    }

    /// How, where, and what else can be chosen.
    private var boots: String {
        let variants = plan.toplevel?.specialisations.map(\.name.printable) ?? []
        return "\(plan.boot.rawValue), on \(plan.boards.map(\.name).joined(separator: ", "))"
            + (variants.isEmpty ? "" : "; specialisations: \(variants.joined(separator: ", "))")
    }

    /// As `--disk-id` takes it, and sfdisk shows it.
    private var diskID: String { "0x" + plan.table.diskID.digits(width: 8) }

    /// One JSON object.
    var json: String {
        var fields: [(String, String)] = [("version", "1")]
        if let out { fields.append(("out", Self.quote(out))) }
        if let toplevel = plan.toplevel {
            fields.append(("toplevel", Self.quote(toplevel.path.path)))
            fields.append(("nixosVersion", Self.quote(toplevel.version)))
            fields.append(("boot", Self.quote(plan.boot.rawValue)))
            fields.append(("boards", "[" + plan.boards.map { Self.quote($0.name) }.joined(separator: ",") + "]"))
            fields.append(
                (
                    "specialisations",
                    "[" + toplevel.specialisations.map { Self.quote($0.name) }.joined(separator: ",") + "]"
                ))
        }
        fields += [
            ("storePaths", "\(plan.closure.paths.count)"), ("entries", "\(plan.entries)"),
            ("narSize", "\(plan.closure.narSize)"),
            ("linkedFiles", "\(plan.savings.names)"), ("linkedBytes", "\(plan.savings.bytes)"),
            ("diskID", Self.quote(diskID)), ("rootUUID", Self.quote(Ext4Options.uuidText(plan.rootUUID))),
            ("firmwareLabel", Self.quote(plan.firmwareLabel)), ("rootLabel", Self.quote(plan.rootLabel)),
            (
                "partitions",
                "["
                    + plan.table.partitions.map {
                        "{\"number\":\($0.number),\"start\":\($0.bytes.lowerBound),\"size\":\($0.bytes.count),\"type\":\($0.type)}"
                    }.joined(separator: ",") + "]"
            ),
            (
                "root",
                "{\"blocks\":\(plan.root.blocks),\"freeBlocks\":\(plan.root.freeBlocks),\"reservedBlocks\":\(plan.root.reservedBlocks),"
                    + "\"inodes\":\(plan.root.inodes),\"freeInodes\":\(plan.root.freeInodes)}"
            ),
            ("imageSize", "\(plan.map.size)"),
            ("warnings", "[" + plan.warnings.map(Self.quote).joined(separator: ",") + "]"),
            ("private", "\(plan.isPrivate)"),
        ]
        if let report {
            fields.append(("outputSize", "\(report.outputSize)"))
            fields.append(("seconds", String(tenths: seconds)))
        }
        return "{" + fields.map { "\(Self.quote($0.0)):\($0.1)" }.joined(separator: ",") + "}"
    }

    private static func quote(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": quoted += "\\\""
            case "\\": quoted += "\\\\"
            case _ where scalar.value < 0x20: quoted += "\\u" + scalar.value.digits(width: 4)
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }
}
