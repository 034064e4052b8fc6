public import SystemPackage

/// A store path by its name. `/nix/store/` is the logical store, wherever the files are on this machine.
///
/// ```
///   /nix/store/ 5dxwz4wamc0djv3n3jkkv9r1k2rfa9vy - bash-5.2
///               └ hash part: 32 of base 32 ────┘   └ name ┘
/// ```
public struct StorePath: Sendable, Hashable {
    /// The logical store directory. Others are not supported: programs that were built for one do not run in another.
    static let directory = "/nix/store"
    /// The length of a hash part in characters.
    static let hashLength = 32
    /// The longest name in characters. It is Nix's own limit, so that hash, dash, name and a suffix fit a file name.
    static let maximumNameLength = 211

    /// `<hash part>-<name>`, the file name in the store. Always ASCII.
    public let baseName: String

    /// Parses `/nix/store/<hash part>-<name>`; anything else, such as a path inside a store path, is an error.
    public init(_ text: String) throws(ImageError) {
        try self.init(pathBytes: text.utf8)
    }

    /// Parses `<hash part>-<name>`.
    public init(baseName: String) throws(ImageError) {
        if let problem = Self.problem(inBaseName: baseName.utf8) {
            throw Self.error(baseName, problem)
        }
        self.baseName = baseName
    }

    /// Parses the bytes of `/nix/store/<hash part>-<name>`.
    init(pathBytes: some BidirectionalCollection<UInt8>) throws(ImageError) {
        let prefix = Self.directory.utf8
        guard pathBytes.starts(with: prefix), pathBytes.dropFirst(prefix.count).first == UInt8(ascii: "/") else {
            throw Self.error(
                String(decoding: pathBytes.prefix(300), as: UTF8.self), "it does not begin with '\(Self.directory)/'")
        }
        let baseName = pathBytes.dropFirst(prefix.count + 1)
        if let problem = Self.problem(inBaseName: baseName) {
            throw Self.error(String(decoding: pathBytes.prefix(300), as: UTF8.self), problem)
        }
        self.baseName = String(decoding: baseName, as: UTF8.self)
    }

    /// Parses a file name of the store; `nil` if it is not that of a store path.
    init?(entry: some BidirectionalCollection<UInt8>) {
        guard Self.problem(inBaseName: entry) == nil else { return nil }
        baseName = String(decoding: entry, as: UTF8.self)
    }

    /// The 32 characters that identify the path.
    public var hashPart: Substring { baseName.prefix(Self.hashLength) }

    /// The characters behind the hash part and the dash.
    public var name: Substring { baseName.dropFirst(Self.hashLength + 1) }

    /// The logical path: `/nix/store/<hash part>-<name>`.
    public var path: String { "\(Self.directory)/\(baseName)" }

    /// Whether it is a derivation: a build recipe, not a build result.
    public var isDerivation: Bool { baseName.hasSuffix(".drv") }

    /// Splits the logical path of a store path, or of a file in one, into the store path and the relative rest, which
    /// is empty for the store path itself. A path with `..` is an error: without the files, its target is not known.
    public static func parent(of path: FilePath) throws(ImageError) -> (StorePath, rest: FilePath) {
        let components = Array(path.components)
        guard path.isAbsolute, components.count > 2, components[0].string == "nix", components[1].string == "store"
        else { throw error(path.string, "it is not below '\(directory)'") }
        guard components.allSatisfy({ $0.kind == .regular }) else {
            throw error(path.string, "it contains '.' or '..'")
        }
        return (
            try StorePath(pathBytes: FilePath(root: "/", components[..<3]).bytes),
            FilePath(root: nil, components[3...])
        )
    }

    private static func problem(inBaseName text: some BidirectionalCollection<UInt8>) -> String? {
        let hash = text.prefix(hashLength)
        if hash.count < hashLength || !hash.allSatisfy(NixBase32.isDigit) {
            return "it does not begin with a hash of \(hashLength) base-32 characters"
        }
        let rest = text.dropFirst(hashLength)
        guard rest.first == UInt8(ascii: "-") else { return "no dash follows the hash" }
        let name = rest.dropFirst()
        if name.isEmpty { return "its name is empty" }
        guard name.count <= maximumNameLength else {
            return "its name has \(name.count) characters and \(maximumNameLength) is the limit"
        }
        if let bad = name.first(where: { !isLegal($0) }) {
            if bad == UInt8(ascii: "/") { return "it leads inside a store path" }
            return "'\(ImageError.printable(String(decoding: [bad], as: UTF8.self)))' cannot be in its name"
        }
        return nil
    }

    private static func isLegal(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."),
            UInt8(ascii: "_"), UInt8(ascii: "?"), UInt8(ascii: "="):
            true
        default: false
        }
    }

    private static func error(_ text: String, _ reason: String) -> ImageError {
        ImageError(
            .invalidInput, "not a store path:", path: text, reason: reason,
            remedy: "a store path looks like '/nix/store/<hash>-<name>'")
    }
}

extension StorePath: Comparable {
    /// Compares the bytes of the paths, as Nix does.
    public static func < (left: StorePath, right: StorePath) -> Bool {
        left.baseName.utf8.lexicographicallyPrecedes(right.baseName.utf8)
    }
}

extension StorePath: CustomStringConvertible {
    /// The logical path.
    public var description: String { path }
}
