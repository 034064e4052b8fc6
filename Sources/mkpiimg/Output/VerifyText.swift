import ImageKit

/// The report of `mkpiimg verify` as text.
struct VerifyText {
    private let report: ImageCheck.Report
    private let image: String
    private let examples: Int

    /// The maximum columns of a line, except for a longer path.
    private static let width = 80

    init(_ report: ImageCheck.Report, of image: String, listsAll: Bool) {
        self.report = report
        self.image = image
        examples = listsAll ? Findings.maximumPerKind : 3
    }

    /// The findings by kind, the worst kind first; the extent of the check; the outcome in the last line.
    var text: String {
        let kinds = report.findings.counts.sorted { left, right in
            (right.key.severity, left.key.name) < (left.key.severity, right.key.name)
        }
        let findings = Dictionary(grouping: report.findings.list, by: \.kind)
        var text = ""
        for (kind, count) in kinds {
            text += "\(kind.severity.rawValue): \(kind.name)\(count > 1 ? " (\(count))" : "")\n"
            text += Self.paragraph(kind.meaning, first: "  ")
            let found = findings[kind] ?? []
            for finding in found.prefix(examples) { text += Self.paragraph(describe(finding), first: "  - ") }
            let more = count - min(examples, found.count)
            if more > 0 { text += "  and \(more) more\n" }
            text += "\n"
        }
        return text + Self.paragraph("Checked " + checked + ".") + outcome + "\n"
    }

    private func describe(_ finding: Finding) -> String {
        var location: [String] = []
        if let partition = finding.partition { location.append("partition \(partition)") }
        if let path = finding.path { location.append(path.printable) }
        if let offset = finding.offset { location.append("at byte \(offset)") }
        let text = finding.what.printable
        return location.isEmpty ? text : location.joined(separator: ", ") + ": " + text
    }

    /// The extent of the check. Without it, a report without findings would prove nothing.
    private var checked: String {
        let checked = report.checked
        var parts: [String] = []
        if checked.frames > 0 { parts.append(Self.count(checked.frames, "frame")) }
        parts.append(Self.count(checked.partitions, "partition"))
        parts.append(
            "\(Self.count(checked.filesystems, "filesystem")) with \(Self.count(checked.entries, "file", "files"))")
        if let store = checked.store {
            parts.append(
                "\(Self.count(store.paths, "store path")), \(store.hashed) of them by their hashes "
                    + "(\(ByteSize.format(store.hashedBytes)))")
        }
        if checked.boots > 0 { parts.append(Self.count(checked.boots, "way to boot", "ways to boot")) }
        return "\(image.printable): " + parts.joined(separator: ", ")
    }

    private var outcome: String {
        var counts: [Finding.Severity: (kinds: Int, findings: Int)] = [:]
        for (kind, count) in report.findings.counts {
            counts[kind.severity, default: (0, 0)].kinds += 1
            counts[kind.severity, default: (0, 0)].findings += count
        }
        let warnings = counts[.warning].map { Self.count(UInt64($0.findings), "warning") }
        guard let damage = counts[.damage] else {
            return warnings.map { "sound, with \($0)" } ?? "sound"
        }
        return "\(Self.count(UInt64(damage.findings), "problem")) in \(Self.count(UInt64(damage.kinds), "kind"))"
            + (warnings.map { ", and \($0)" } ?? "")
    }

    private static func count(_ number: UInt64, _ singular: String, _ plural: String? = nil) -> String {
        "\(number) \(number == 1 ? singular : plural ?? singular + "s")"
    }

    /// A paragraph in lines of at most ``width`` columns.
    /// - Parameter first: the beginning of the first line. The other lines are indented by its length.
    private static func paragraph(_ text: String, first: String = "") -> String {
        text.wrapped(to: width - first.count).enumerated()
            .map { ($0 == 0 ? first : String.spaces(first.count)) + $1 + "\n" }.joined()
    }
}
