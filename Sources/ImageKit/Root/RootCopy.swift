public import SystemPackage

/// One file or tree of the host that is added to the root filesystem.
public struct RootCopy: Sendable, Hashable {
    /// The file or directory to copy. A symbolic link is followed; links inside a tree are kept.
    public var source: FilePath
    /// The path in the image: the names from the root on, without `.` and `..`.
    public let destination: [[UInt8]]
    /// The mode of files (07777), or `nil` to keep those of the source. Directories of a tree also get the execute
    /// permission wherever the mode has the read permission.
    public var mode: UInt16?
    /// Numeric owner and group.
    public var owner: UInt32 = 0, group: UInt32 = 0

    /// The largest owner or group. System calls take 2^32 − 1 for "none".
    public static let maximumID: UInt32 = .max - 1

    /// Reads `SRC:DEST[:MODE[:UID:GID]]`.
    ///
    /// The text is parsed from its end: first up to three fields of digits only (MODE is octal, 0 to 7777; UID and GID
    /// are decimal, 0 to 4294967294), then DEST, which is absolute. A DEST that ends in a slash is a directory, in
    /// which SRC keeps its name. The rest is SRC, which may have colons.
    /// - Throws: ``ImageError/Code/invalidInput`` when the text is not of that form.
    public init(parsing text: String) throws(ImageError) {
        func refuse(_ reason: String, _ remedy: Advice? = nil) -> ImageError {
            ImageError(
                .invalidInput, "cannot copy", path: text, reason: reason,
                remedy: remedy ?? "write SRC:DEST, SRC:DEST:MODE or SRC:DEST:MODE:UID:GID")
        }
        var fields = text.utf8.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
        var numbers: [String] = []
        while numbers.count < 3, let last = fields.last, Self.isNumber(last) {
            numbers.insert(String(Substring(last)), at: 0)
            fields.removeLast()
        }
        guard numbers.count != 2 else {
            throw refuse(
                "'\(numbers.joined(separator: ":"))' is neither MODE nor MODE:UID:GID", "give both UID and GID")
        }
        guard let last = fields.popLast(), !fields.isEmpty else { throw refuse("it has no DEST") }
        let target = Substring(last)
        guard target.utf8.first == UInt8(ascii: "/") else {
            throw refuse("'\(target)' is neither an absolute path nor a number")
        }
        source = FilePath(fields.map { String(Substring($0)) }.joined(separator: ":"))
        guard !source.isEmpty else { throw refuse("it has no SRC") }
        var names = target.utf8.split(separator: UInt8(ascii: "/")).map(Array.init)
        if target.utf8.last == UInt8(ascii: "/") {
            guard let name = source.lastComponent, name.kind == .regular else {
                throw refuse("'\(source.string)' has no name to keep in '\(target)'", "write DEST with its last name")
            }
            names.append(Array(name.string.utf8))
        }
        for name in names {
            do throws(ImageError) { try FileTree.check(name) } catch {
                let shown = String(decoding: name.prefix(300), as: UTF8.self)
                throw refuse(
                    "'\(shown)' cannot be a name in '\(target.prefix(300))'",
                    "write DEST from '/' on, without '.' and '..'")
            }
        }
        destination = names
        if let field = numbers.first {
            guard let value = UInt16(field, radix: 8), value <= 0o7777 else {
                throw refuse("'\(field)' is not a mode", "give MODE in octal, 0 to 7777, such as 0600")
            }
            mode = value
        }
        if numbers.count == 3 {
            guard let user = UInt32(numbers[1]), let group = UInt32(numbers[2]),
                max(user, group) <= Self.maximumID
            else {
                throw refuse(
                    "'\(numbers[1]):\(numbers[2])' is not an owner and a group",
                    "give UID and GID in decimal, 0 to \(Self.maximumID)")
            }
            owner = user
            self.group = group
        }
    }

    private static func isNumber(_ field: Substring.UTF8View) -> Bool {
        !field.isEmpty && field.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
    }

    /// Gives a node the copy's mode and owner. The mode of a symbolic link has no meaning and stays.
    func apply(to node: inout FileTree.Node) {
        node.attributes.owner = owner
        node.attributes.group = group
        guard let mode else { return }
        switch node.kind {
        case .file: node.attributes.permissions = mode
        case .directory: node.attributes.permissions = mode | (mode & 0o444) >> 2
        case .symlink: break
        }
    }
}
