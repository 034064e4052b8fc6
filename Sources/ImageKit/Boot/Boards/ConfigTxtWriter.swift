/// Writes a `config.txt`, which the firmware of a Raspberry Pi reads before anything else. (``ConfigTxt`` reads one.)
///
/// ```
///   kernel=u-boot.bin          for every board
///   arm_64bit=1
///
///   [pi4]                      for a Raspberry Pi 4 only, until the next filter
///   arm_boost=1
///
///   [all]
///   dtparam=audio=on
/// ```
///
/// Source: Raspberry Pi documentation, "config.txt": "File format" (a line has at most 98 characters, the rest is
/// ignored) and "Conditional filters".
struct ConfigTxtWriter {
    /// The number of characters that the firmware reads of a line.
    static let maximumLineLength = 98

    private var sections: [(filter: String?, lines: [String])] = [(nil, [])]

    /// Adds a line to the section of a filter, such as `pi4`, unless the section has it; `nil` for all boards. The
    /// lines for all boards come first, then the filters in the order of their first use.
    mutating func add(_ line: String, filter: String? = nil) {
        if let index = sections.firstIndex(where: { $0.filter == filter }) {
            if !sections[index].lines.contains(line) { sections[index].lines.append(line) }
        } else {
            sections.append((filter, [line]))
        }
    }

    /// The file's content.
    var text: String {
        var text = "# Made by mkpiimg. Changes are kept: NixOS never writes this file.\n"
        for (filter, lines) in sections where !lines.isEmpty {
            if let filter { text += "\n[\(filter)]\n" }
            for line in lines { text += line + "\n" }
        }
        return text
    }

    /// The user's additional lines, as a section for all boards that belongs at the end of the file.
    static func addition(_ lines: [String]) -> String {
        lines.isEmpty ? "" : "\n[all]\n" + lines.map { $0 + "\n" }.joined()
    }

    /// Throws if the firmware would not read all of the text as one line.
    static func check(_ line: String) throws(ImageError) {
        func refuse(_ reason: String, _ remedy: Advice) -> ImageError {
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
}
