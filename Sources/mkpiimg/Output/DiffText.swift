import ImageKit

/// The differences between two images, as text for 80 columns. Equal parts are left out.
struct DiffText {
    private typealias Action = ImageDifference.Action

    private let difference: ImageDifference
    private let listsAll: Bool

    private static let columns = 80
    /// The limits of the lists without `--all`: store paths that are not damaged, and files of each list of files.
    private static let maximumPaths = 30, maximumFiles = 15

    init(_ difference: ImageDifference, listsAll: Bool) {
        self.difference = difference
        self.listsAll = listsAll
    }

    /// All sections, with the totals at the end. Empty if nothing changed.
    var text: String {
        if difference.isEmpty { return "" }
        let sections = [fields("Disk", difference.disk), fields("Boot", difference.boot), paths, files, totals]
        return sections.filter { !$0.isEmpty }.joined(separator: "\n")
    }

    // MARK: Fields

    private func fields(_ title: String, _ changes: [ImageDifference.FieldChange]) -> String {
        guard !changes.isEmpty else { return "" }
        let rows = changes.map { change in
            (name: (change.part == "boot" ? change.field : "\(change.part) \(change.field)").printable, change: change)
        }
        let width = min(rows.map(\.name.count).max() ?? 0, 28)
        var text = title + "\n"
        for (name, change) in rows {
            let values = Self.values(change.old, change.new)
            text += "  " + name.padded(to: width)
            let line = [values.0, values.1].compactMap { $0 }.joined(separator: " ")
            let size = Self.sizeChange(change.old, change.new)
            if width + line.count + size.count + 6 <= Self.columns {
                text += Self.line(after: 2 + width, "  " + line, size)
            } else {
                text += "  " + (values.0 ?? "") + "\n"
                if let new = values.1 { text += String.spaces(width + 4) + new + "\n" }
            }
        }
        return text
    }

    /// The texts for an old and a new value. If there is only one value, it is the first text, with `-` or `+`.
    private static func values(
        _ old: ImageDifference.Value?, _ new: ImageDifference.Value?
    ) -> (String?, String?) {
        switch (old, new) {
        case (let old?, let new?):
            var (oldText, newText) = (shown(old), shown(new))
            // If the texts differ without the hashes of store paths, the hashes add nothing.
            let names = (shown(old, hashDigits: 0), shown(new, hashDigits: 0))
            if names.0 != names.1 { (oldText, newText) = names }
            return (oldText.isEmpty ? "(none)" : oldText, "→ " + (newText.isEmpty ? "(none)" : newText))
        case (let old?, nil): return ("- " + shown(old), nil)
        case (nil, let new?): return ("+ " + shown(new), nil)
        case (nil, nil): return (nil, nil)
        }
    }

    private static func shown(_ value: ImageDifference.Value, hashDigits: Int = 4) -> String {
        switch value {
        case .text(let text): text.printable.shortened(hashDigits: hashDigits)
        case .count(let number): "\(number)"
        case .bytes(let bytes): ByteSize.format(bytes)
        }
    }

    private static func sizeChange(_ old: ImageDifference.Value?, _ new: ImageDifference.Value?) -> String {
        guard case (.bytes(let old)?, .bytes(let new)?) = (old, new) else { return "" }
        return signed(old, new)
    }

    // MARK: Store paths

    private var paths: String {
        guard !difference.paths.isEmpty else { return "" }
        var counts: [Action: Int] = [:]
        for change in difference.paths { counts[change.action, default: 0] += 1 }
        let order: [Action] = [.damaged, .upgraded, .downgraded, .added, .removed, .rebuilt]
        let summary = order.compactMap { action in counts[action].map { "\($0) \(action.rawValue)" } }
        var text = "Store paths: \(summary.joined(separator: ", ")); \(difference.commonPaths) the same\n"
        // Damaged store paths are always listed.
        let damaged = difference.paths.filter { $0.action == .damaged }
        let undamaged = difference.paths.filter { $0.action != .damaged }
        let shown = damaged + undamaged.prefix(listsAll ? .max : Self.maximumPaths)
        let width = min(shown.map(\.name.count).max() ?? 0, 32)
        for change in shown {
            let name = change.action.rawValue.padded(to: 10) + " " + change.name.printable.padded(to: width)
            let versions = Self.versions(change)
            text += Self.line(after: 0, "  \(name)  \(versions)", Self.signed(change.oldSize, change.newSize))
            let limit = listsAll ? .max : Self.maximumFiles
            for file in change.files.prefix(limit) { text += line(file, indent: 4, below: change.newPath) }
            text += more(change.files.count - limit, indent: 4)
        }
        return text + more(difference.paths.count - shown.count, indent: 2)
    }

    private static func versions(_ change: ImageDifference.PathChange) -> String {
        let old = (change.oldVersion ?? "").printable, new = (change.newVersion ?? "").printable
        if change.oldPath == nil { return new }
        if change.newPath == nil || old == new { return old }
        return "\(old.isEmpty ? "(none)" : old) → \(new.isEmpty ? "(none)" : new)"
    }

    // MARK: Files

    private var files: String {
        guard !difference.files.isEmpty else { return "" }
        var text = "Files\n"
        let limit = listsAll ? .max : Self.maximumFiles
        for file in difference.files.prefix(limit) { text += line(file, indent: 2, below: nil) }
        return text + more(difference.files.count - limit, indent: 2)
    }

    private func line(_ file: ImageDifference.FileChange, indent: Int, below top: String?) -> String {
        var path = file.partition == "root" ? file.path : file.address
        if let top, path.hasPrefix(top) { path = "." + path.dropFirst(top.count) }
        path = path.printable.shortened(hashDigits: 4)
        if let entries = file.entries {
            path += path.hasSuffix("/") ? "" : "/"
            path += " (\(entries) \(entries == 1 ? "name" : "names"))"
        }
        // The word `changed` stands for the content, and the end of the line shows the change of size.
        let implied: Set<ImageDifference.FileChange.Aspect> = [.content, .size]
        let aspects = file.aspects.filter { !implied.contains($0) }.map(\.rawValue)
        if !aspects.isEmpty { path += "  (\(aspects.joined(separator: ", ")))" }
        let start = String.spaces(indent) + file.action.rawValue.padded(to: 8) + " "
        let size = file.oldSize == file.newSize ? "" : Self.signed(file.oldSize, file.newSize)
        return Self.line(after: 0, start + Self.cut(path, Self.columns - start.count - size.count - 2), size)
    }

    private func more(_ count: Int, indent: Int) -> String {
        count > 0 ? String.spaces(indent) + "… and \(count) more ('--all' lists them)\n" : ""
    }

    // MARK: Totals

    private var totals: String {
        func row(_ name: String, _ cells: [String]) -> String {
            name.padded(to: 35) + cells.map { " " + $0.right(in: 14) }.joined() + "\n"
        }
        var text = row("Sizes", ["old", "new", "change"])
        for total in difference.totals {
            let change = total.old.flatMap { old in total.new.map { Self.signed(old, $0) } } ?? ""
            let sizes = [total.old, total.new].map { $0.map(ByteSize.format) ?? "-" }
            text += row("  " + total.name.printable, sizes + [change])
        }
        return text
    }

    // MARK: Texts

    /// A line with a second text at the right margin.
    /// - Parameter start: the number of columns before `left` that are already filled.
    private static func line(after start: Int, _ left: String, _ right: String) -> String {
        let left = cut(left, columns - start - (right.isEmpty ? 0 : right.count + 2))
        if right.isEmpty { return left + "\n" }
        let room = columns - start - left.count - right.count
        return left + String.spaces(max(2, room)) + right + "\n"
    }

    /// The text, with `…` instead of a part of it if it is wider than `width` columns. Two thirds of the columns show
    /// its end. Up to a width of 8 columns, nothing is cut.
    private static func cut(_ text: String, _ width: Int) -> String {
        guard text.count > width, width > 8 else { return text }
        let tail = width * 2 / 3
        return text.prefix(width - tail - 1) + "…" + text.suffix(tail)
    }

    private static func signed(_ old: UInt64, _ new: UInt64) -> String {
        if old == new { return "0 B" }
        return new > old ? "+" + ByteSize.format(new - old) : "-" + ByteSize.format(old - new)
    }
}
