import ImageKit

/// The summary of a build: aligned lines, or one JSON object.
struct BuildSummary {
    private let plan: ImagePlan
    private let report: ImageWriter.Report?
    private let seconds: Double
    private let out: String?

    init(_ plan: ImagePlan, _ report: ImageWriter.Report?, seconds: Double, out: String?) {
        self.plan = plan
        self.report = report
        self.seconds = seconds
        self.out = out
    }

    /// Lines of a name and a value, aligned in two columns.
    var text: String {
        var lines: [(String, String)] = []
        if let toplevel = plan.toplevel { lines.append(("system", "\(toplevel.version) (\(toplevel.path.path))")) }
        if plan.toplevel != nil { lines.append(("boots", boots)) }
        lines.append(("store paths", "\(plan.closure.paths.count) with \(plan.entries) files, folders and links"))
        if plan.savings.names > 0 {
            lines.append(("hard links", "\(plan.savings.names) files, \(ByteSize.format(plan.savings.bytes)) saved"))
        }
        for partition in plan.table.partitions {
            let size = ByteSize.format(UInt64(partition.bytes.count))
            let content = partition.number == 1 ? "firmware" : rootContent
            lines.append(
                (
                    "partition \(partition.number)",
                    "\(size) at \(ByteSize.format(partition.bytes.lowerBound)) (\(content))"
                ))
        }
        lines.append(("identities", identities))
        lines.append(("image", ByteSize.format(plan.map.size)))
        if let report, let out, out.hasSuffix(".zst") || out == "-" {
            let percent = String.percent(report.outputSize, of: report.imageSize)
            lines.append(("compressed", "\(ByteSize.format(report.outputSize)) (\(percent))"))
        }
        if plan.isPrivate {
            let isFile = report != nil && out != nil && out != "-"
            lines.append(
                ("private", "it holds files that not everybody may read" + (isFile ? ": its mode is 0600" : "")))
        }
        if report != nil { lines.append(("time", "\(String(tenths: seconds)) s")) }
        let width = lines.map(\.0.count).max() ?? 0
        return lines.map { name, value in "  \(name.padded(to: width))  \(value)\n" }.joined()
    }

    /// The root filesystem and its free space.
    private var rootContent: String {
        "root, \(ByteSize.format(plan.root.freeBlocks * 4096)) and \(plan.root.freeInodes) inodes free"
    }

    /// The disk's identifier, and labels and UUID of the filesystems.
    private var identities: String {
        "disk \(diskID), firmware '\(plan.firmwareLabel.printable)', root "
            + "'\(plan.rootLabel.printable)' \(plan.rootUUID.description)"
    }

    /// How the image boots, on which boards, and the other systems in its menu.
    private var boots: String {
        let variants = plan.toplevel?.specialisations.map(\.name.printable) ?? []
        return "\(plan.boot.rawValue), on \(plan.boards.map(\.name).joined(separator: ", "))"
            + (variants.isEmpty ? "" : "; specialisations: \(variants.joined(separator: ", "))")
    }

    /// The disk's identifier in the form that `--disk-id` accepts and sfdisk prints.
    private var diskID: String { "0x" + plan.table.diskID.digits(width: 8) }

    /// The JSON object.
    var document: Document {
        let system = plan.toplevel, root = plan.root
        return Document(
            out: out, toplevel: system?.path.path, nixosVersion: system?.version,
            boot: system.map { _ in plan.boot.rawValue }, boards: system.map { _ in plan.boards.map(\.name) },
            specialisations: system?.specialisations.map(\.name), storePaths: plan.closure.paths.count,
            entries: plan.entries, narSize: plan.closure.narSize, linkedFiles: plan.savings.names,
            linkedBytes: plan.savings.bytes, diskID: diskID, rootUUID: plan.rootUUID.description,
            firmwareLabel: plan.firmwareLabel, rootLabel: plan.rootLabel,
            partitions: plan.table.partitions.map {
                Document.Partition(
                    number: $0.number, start: $0.bytes.lowerBound, size: $0.bytes.count, type: $0.type)
            },
            root: Document.Root(
                blocks: root.blocks, freeBlocks: root.freeBlocks, reservedBlocks: root.reservedBlocks,
                inodes: root.inodes, freeInodes: root.freeInodes),
            imageSize: plan.map.size, warnings: plan.warnings.map(\.sentence), private: plan.isPrivate,
            outputSize: report?.outputSize, seconds: report.map { _ in (seconds * 10).rounded() / 10 })
    }

    /// The fields of the JSON object. A field without a value has no key.
    struct Document: Encodable {
        struct Partition: Encodable {
            let number: Int, start: UInt64, size: Int, type: UInt8
        }

        struct Root: Encodable {
            let blocks: UInt64, freeBlocks: UInt64, reservedBlocks: UInt64, inodes: UInt64, freeInodes: UInt64
        }

        let version = 1
        let out: String?
        let toplevel: String?, nixosVersion: String?, boot: String?, boards: [String]?, specialisations: [String]?
        let storePaths: Int, entries: Int, narSize: UInt64, linkedFiles: UInt64, linkedBytes: UInt64
        let diskID: String, rootUUID: String, firmwareLabel: String, rootLabel: String
        let partitions: [Partition], root: Root
        let imageSize: UInt64, warnings: [String], `private`: Bool
        let outputSize: UInt64?, seconds: Double?
    }
}
