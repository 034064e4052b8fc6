/// A problem of an image, or a fact that its owner should know.
public struct Finding: Hashable, Sendable {
    /// How serious a finding is, from ``note`` to ``damage``.
    public enum Severity: String, Hashable, Sendable, Comparable {
        /// Worth knowing; the image is as it should be.
        case note
        /// The image works, but mkpiimg or NixOS would have made it differently.
        case warning
        /// The image is damaged, or does not serve its purpose.
        case damage

        private var rank: Int {
            switch self {
            case .note: 0
            case .warning: 1
            case .damage: 2
            }
        }

        /// Orders by seriousness: a note comes before a warning, and a warning before damage.
        public static func < (left: Severity, right: Severity) -> Bool { left.rank < right.rank }
    }

    /// The kind of a finding. Each format declares its own kinds in an extension of this type.
    public struct Kind: Hashable, Sendable {
        /// A name for scripts that stays the same in later versions, like `fat-cross-link`.
        public let name: String
        /// See ``Finding/Severity``.
        public let severity: Severity
        /// The consequence, in a sentence for the image's owner.
        public let meaning: String

        /// See the properties of the same names.
        public init(_ name: String, _ severity: Severity, _ meaning: String) {
            self.name = name
            self.severity = severity
            self.meaning = meaning
        }
    }

    /// The kind, which decides the severity.
    public var kind: Kind
    /// The observation, in a clause without a full stop: `inode 12 has the checksum 1234, and should have 5678`.
    public var what: String
    /// The path of the file or directory, in its filesystem; `nil` if the finding is not about one.
    public var path: String?
    /// The byte offset from the start of the filesystem or disk that was checked; `nil` if it is not known.
    public var offset: UInt64?
    /// The number of the partition, if a whole disk was checked and the finding is about one of its partitions.
    public var partition: Int?

    /// See the properties of the same names.
    public init(_ kind: Kind, _ what: String, path: String? = nil, offset: UInt64? = nil) {
        self.kind = kind
        self.what = what
        self.path = path
        self.offset = offset
    }
}
