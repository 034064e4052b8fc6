import ImageKit

/// What `verify` says to a person.
struct VerifyText {
    private let report: ImageCheck.Report
    private let image: String
    private let examples: Int

    /// Columns that lines are broken to. (A path is never broken.)
    private static let width = 80

    init(_ report: ImageCheck.Report, of image: String, listsAll: Bool) {
        self.report = report
        self.image = image
        examples = listsAll ? Findings.maximumPerKind : 3
    }

    /// What was found, kind by kind, the worst first; what was checked; and the outcome in the last line.
    var text: String {
        let kinds = report.findings.counts.sorted { one, other in
            (other.key.severity, one.key.name) < (one.key.severity, other.key.name)
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
        var place: [String] = []
        if let partition = finding.partition { place.append("partition \(partition)") }
        if let path = finding.path { place.append(path.printable) }
        if let offset = finding.offset { place.append("at byte \(offset)") }
        let what = finding.what.printable
        return place.isEmpty ? what : place.joined(separator: ", ") + ": " + what
    }

    /// How much was looked at, so that "nothing found" says something.
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

    private static func count(_ number: UInt64, _ one: String, _ many: String? = nil) -> String {
        "\(number) \(number == 1 ? one : many ?? one + "s")"
    }

    /// A paragraph, its lines broken between words.
    /// - Parameter first: what its first line begins with; the others begin below the end of that.
    private static func paragraph(_ text: String, first: String = "") -> String {
        text.wrapped(to: width - first.count).enumerated()
            .map { ($0 == 0 ? first : String.spaces(first.count)) + $1 + "\n" }.joined()
    }
}
