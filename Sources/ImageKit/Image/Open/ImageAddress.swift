/// The address of a file in an image: a partition and a path in its filesystem.
public struct ImageAddress: Hashable, Sendable {
    /// Selects a partition; see ``DiskImage/partition(_:)``.
    public enum Selector: Hashable, Sendable {
        /// The partition that the board's firmware reads.
        case firmware
        /// The partition with the root filesystem.
        case root
        /// The partition with this number, from 1.
        case number(Int)
    }

    /// The partition.
    public var partition: Selector
    /// The absolute path in the partition's filesystem. It begins with a slash.
    public var path: String

    /// See the properties of the same names.
    public init(partition: Selector, path: String) {
        self.partition = partition
        self.path = path
    }

    /// Parses `firmware:/path`, `root:/path`, `1:/path`, or `/path` on the root partition. A partition alone
    /// (`firmware:`) means its top directory.
    /// - Throws: ``ImageError/Code/invalidInput`` when the text has none of these forms.
    public init(parsing text: String) throws(ImageError) {
        func refuse(_ reason: String) -> ImageError {
            ImageError(
                .invalidInput, "there is no place", path: text, reason: reason,
                remedy: "write firmware:/path, root:/path, 2:/path by number, or /path on the root partition")
        }
        if text.utf8.first == UInt8(ascii: "/") {
            self.init(partition: .root, path: text)
            return
        }
        guard let colon = text.utf8.firstIndex(of: UInt8(ascii: ":")) else {
            throw refuse("it does not begin with '/'")
        }
        let path = String(text[text.utf8.index(after: colon)...])
        guard path.isEmpty || path.utf8.first == UInt8(ascii: "/") else { throw refuse("no '/' follows the ':'") }
        let selector: Selector
        switch text[..<colon] {
        case "firmware": selector = .firmware
        case "root": selector = .root
        case let digits:
            guard digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = Int(digits), number > 0 else {
                throw refuse("'\(digits)' is no partition")
            }
            selector = .number(number)
        }
        self.init(partition: selector, path: path.isEmpty ? "/" : path)
    }
}

extension ImageAddress: CustomStringConvertible {
    /// The form that ``init(parsing:)`` accepts.
    public var description: String {
        switch partition {
        case .firmware: "firmware:\(path)"
        case .root: "root:\(path)"
        case .number(let number): "\(number):\(path)"
        }
    }
}
