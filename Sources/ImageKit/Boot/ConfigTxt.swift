/// `config.txt`, which the firmware of a Raspberry Pi reads before anything else.
///
/// ```
///   kernel=u-boot.bin          for every board
///   arm_64bit=1
///
///   [pi4]                      what follows is for a Raspberry Pi 4 only, until the next filter
///   arm_boost=1
///
///   [all]
///   dtparam=audio=on
/// ```
///
/// Source: Raspberry Pi documentation, "config.txt": "File format" (a line has at most 98 characters, the rest is
/// ignored) and "Conditional filters".
struct ConfigTxt {
    /// The most characters that the firmware reads of a line.
    static let maximumLineLength = 98

    private var sections: [(filter: String?, lines: [String])] = [(nil, [])]

    /// Adds a line for the boards that a filter lets through, after the filter's other lines; `nil` is what stands before
    /// any filter. Filters come in the order in which they were first used.
    mutating func add(_ line: String, filter: String? = nil) {
        if let index = sections.firstIndex(where: { $0.filter == filter }) {
            if !sections[index].lines.contains(line) { sections[index].lines.append(line) }
        } else {
            sections.append((filter, [line]))
        }
    }

    var text: String {
        var text = "# Made by mkpiimg. Changes are kept: NixOS never writes this file.\n"
        for (filter, lines) in sections where !lines.isEmpty {
            if let filter { text += "\n[\(filter)]\n" }
            for line in lines { text += line + "\n" }
        }
        return text
    }

    /// Lines that were asked for, as a section that comes after everything else and is for every board.
    static func addition(_ lines: [String]) -> String {
        lines.isEmpty ? "" : "\n[all]\n" + lines.map { $0 + "\n" }.joined()
    }

    /// Throws when the firmware would not read a line as it was meant.
    static func check(_ line: String) throws(ImageError) {
        func refuse(_ reason: String, _ remedy: String) -> ImageError {
            ImageError(.invalidInput, "config.txt cannot have the line", path: line, reason: reason, remedy: remedy)
        }
        guard line.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7F }) else {
            throw refuse("it has a line end, a control character or one that is not ASCII", "give each line by itself")
        }
        guard line.utf8.count <= maximumLineLength else {
            throw refuse(
                "it has \(line.utf8.count) characters and the firmware reads \(maximumLineLength)",
                "write 'dtoverlay=NAME' and its parameters as 'dtparam=...' lines")
        }
    }

    // MARK: Reading

    /// A setting that is read: the filter it stands under (`all` at the top), its name and its value.
    struct Setting: Equatable {
        var filter: String, name: String, value: String
    }

    /// The settings of a file, in order. What is no setting is passed over, as the firmware does.
    static func settings(of bytes: some Sequence<UInt8>) -> [Setting] {
        var settings: [Setting] = []
        var filter = "all"
        for line in String(decoding: Array(bytes), as: UTF8.self).split(whereSeparator: \.isNewline) {
            let line = line.drop(while: \.isWhitespace)
            if line.hasPrefix("#") { continue }
            if line.hasPrefix("["), let end = line.firstIndex(of: "]") {
                filter = line[line.index(after: line.startIndex)..<end].lowercased()
                continue
            }
            // Two settings are written without '='.
            guard let split = line.firstIndex(where: { $0 == "=" || $0 == " " }) else { continue }
            let name = String(line[..<split])
            guard line[split] == "=" || ["initramfs", "include"].contains(name) else { continue }
            let value = line[line.index(after: split)...].trimmingSuffix(while: \.isWhitespace)
            settings.append(Setting(filter: filter, name: name, value: String(value)))
        }
        return settings
    }

    /// The folder that overlays are taken from, or rather what is put before their names.
    static func overlayPrefix(in settings: [Setting]) -> String {
        guard let prefix = settings.last(where: { $0.name == "overlay_prefix" })?.value, !prefix.isEmpty,
            !prefix.hasPrefix("/"), !prefix.split(separator: "/").contains("..")
        else { return "overlays/" }
        return prefix
    }

    /// The overlays that a file's `dtoverlay` settings name, without their parameters, each once.
    static func overlays(in settings: [Setting]) -> [String] {
        var names: [String] = []
        for setting in settings where setting.name == "dtoverlay" || setting.name == "device_tree_overlay" {
            let name = setting.value.prefix { $0 != "," && $0 != ":" }
            if !name.isEmpty, !names.contains(String(name)) { names.append(String(name)) }
        }
        return names
    }
}

extension Substring {
    fileprivate func trimmingSuffix(while isDropped: (Character) -> Bool) -> Substring {
        var end = endIndex
        while end > startIndex, isDropped(self[index(before: end)]) { end = index(before: end) }
        return self[..<end]
    }
}
