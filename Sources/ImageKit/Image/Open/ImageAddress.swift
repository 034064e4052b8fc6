/// A place in an image: a partition and a path in its filesystem.
public struct ImageAddress: Hashable, Sendable {
    /// Which partition.
    public enum Selector: Hashable, Sendable {
        /// The one that the firmware reads.
        case firmware
        /// The one with the system.
        case root
        /// The one with this number.
        case number(Int)
    }

    /// Which partition.
    public var partition: Selector
    /// The path, which begins with a slash.
    public var path: String

    /// See the properties of the same names.
    public init(partition: Selector, path: String) {
        self.partition = partition
        self.path = path
    }

    /// Reads `firmware:/path`, `root:/path`, `1:/path`, or `/path` on the root partition. `firmware:` is its top directory.
    /// - Throws: ``ImageError/Code/invalidInput`` when it is of no such form.
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
    /// As ``init(parsing:)`` reads it.
    public var description: String {
        switch partition {
        case .firmware: "firmware:\(path)"
        case .root: "root:\(path)"
        case .number(let number): "\(number):\(path)"
        }
    }
}
