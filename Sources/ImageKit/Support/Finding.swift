/// Something that is wrong with an image, or that its owner should know.
public struct Finding: Hashable, Sendable {
    /// How bad it is.
    public enum Severity: String, Hashable, Sendable, Comparable {
        /// Worth knowing; the image is as it should be.
        case note
        /// It works, but not as mkpiimg or NixOS would have made it.
        case warning
        /// The image is damaged, or will not do what it is for.
        case damage

        private var rank: Int {
            switch self {
            case .note: 0
            case .warning: 1
            case .damage: 2
            }
        }

        /// A note is less than a warning, and a warning less than damage.
        public static func < (one: Severity, other: Severity) -> Bool { one.rank < other.rank }
    }

    /// What kind of thing it is. Each room has its own, in an extension of this type.
    public struct Kind: Hashable, Sendable {
        /// A name for scripts that stays the same, like `fat-cross-link`.
        public let name: String
        /// See ``Finding/Severity``.
        public let severity: Severity
        /// What follows from it, in a sentence for the image's owner.
        public let meaning: String

        /// See the properties of the same names.
        public init(_ name: String, _ severity: Severity, _ meaning: String) {
            self.name = name
            self.severity = severity
            self.meaning = meaning
        }
    }

    /// What kind of thing it is.
    public var kind: Kind
    /// What was seen, in a clause without a full stop: `inode 12 has the checksum 1234, and should have 5678`.
    public var what: String
    /// The path that it is about, in its filesystem, if it is about one.
    public var path: String?
    /// Where it is, in bytes from the beginning of what was checked (a filesystem, or the disk), where that is known.
    public var offset: UInt64?
    /// The number of the partition that it is about, where a whole disk was checked.
    public var partition: Int?

    /// See the properties of the same names.
    public init(_ kind: Kind, _ what: String, path: String? = nil, offset: UInt64? = nil) {
        self.kind = kind
        self.what = what
        self.path = path
        self.offset = offset
    }
}

/// What a check has found: of each kind the first few, and how many there were.
///
/// A hostile image can have as many damages as it has bytes; the memory for them is bounded.
public struct Findings: Sendable {
    /// As many of one kind are kept.
    public static let limitPerKind = 100

    /// The findings that were kept, in the order in which they were made.
    public private(set) var list: [Finding] = []
    /// How many of each kind there were, kept or not.
    public private(set) var counts: [Finding.Kind: Int] = [:]

    /// None yet.
    public init() {}

    /// Adds one.
    public mutating func add(_ finding: Finding) {
        let count = counts[finding.kind, default: 0] + 1
        counts[finding.kind] = count
        if count <= Self.limitPerKind { list.append(finding) }
    }

    /// Adds what another check has found.
    public mutating func add(_ other: Findings) {
        for finding in other.list { add(finding) }
        for (kind, count) in other.counts where count > Self.limitPerKind {
            counts[kind, default: 0] += count - Self.limitPerKind
        }
    }

    /// The same ones, each changed in some way that leaves its kind.
    func mapped(_ change: (Finding) -> Finding) -> Findings {
        var changed = self
        changed.list = list.map(change)
        return changed
    }

    /// The worst severity among them; `nil` where there are none.
    public var worst: Finding.Severity? { counts.keys.map(\.severity).max() }
}
