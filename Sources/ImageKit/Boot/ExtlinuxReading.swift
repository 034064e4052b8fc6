/// A menu for U-Boot that somebody wrote, as far as it says what boots.
///
/// Source: U-Boot's documentation, "Generic Distro Configuration Concept", and the syslinux documentation it refers to:
/// words of a line are separated by white space, the first one's case does not matter, and `#` begins a comment.
struct ExtlinuxReading {
    /// An entry of the menu.
    struct Entry: Equatable {
        var label: String
        var title: String?
        var kernel: String?
        var initrd: String?
        /// A folder of device trees, or one of them.
        var deviceTrees: String?
        var commandLine = ""
    }

    /// The entries in their order.
    private(set) var entries: [Entry] = []
    /// The label that `DEFAULT` names.
    private(set) var defaultLabel: String?

    /// More bytes than any menu has; what follows is not read.
    static let limit = 1 << 20

    /// Reads what can be understood; other lines are passed over, as U-Boot does.
    init(_ bytes: some Sequence<UInt8>) {
        let text = String(decoding: Array(bytes.prefix(Self.limit)), as: UTF8.self)
        for line in text.split(whereSeparator: \.isNewline) {
            guard let (word, rest) = Self.firstWord(of: line), !word.hasPrefix("#") else { continue }
            let value = String(rest)
            let last = entries.count - 1
            switch word.lowercased() {
            case "default": defaultLabel = value
            case "label": entries.append(Entry(label: value))
            case _ where last < 0: continue
            case "menu":
                if let (word, title) = Self.firstWord(of: rest), word.lowercased() == "label" {
                    entries[last].title = String(title)
                }
            case "linux", "kernel": entries[last].kernel = value
            case "initrd": entries[last].initrd = value
            case "fdt", "devicetree", "fdtdir", "devicetreedir": entries[last].deviceTrees = value
            case "append": entries[last].commandLine = value
            default: continue
            }
        }
    }

    /// What boots when nobody chooses: the default entry, or else the first.
    var chosen: Entry? { entries.first { $0.label == defaultLabel } ?? entries.first }

    private static func firstWord(of line: Substring) -> (word: Substring, rest: Substring)? {
        let line = line.drop(while: \.isWhitespace)
        guard !line.isEmpty else { return nil }
        let word = line.prefix { !$0.isWhitespace }
        var rest = line[word.endIndex...].drop(while: \.isWhitespace)
        while rest.last?.isWhitespace == true { rest.removeLast() }
        return (word, rest)
    }
}
