/// What changed between two images: their disks, what they boot, their store paths, and all other files.
///
/// How an image is kept makes no difference: a raw one and its compressed form are the same. Neither do times.
///
/// ```
///   partitions of the same role, or number ──▶ disk:  tables, filesystems' labels, UUIDs, sizes
///     menu, command line                   ──▶ boot
///     names in /nix/store, registrations   ──▶ paths: added, removed, upgraded, rebuilt
///     everything else, by content          ──▶ files
/// ```
///
/// A store path's name stands for its content, so what lies in store paths that both images have is not read: where both
/// have a registration, that is compared, and otherwise nothing.
public struct ImageDifference: Sendable, Encodable {
    /// What is looked at.
    public struct Options: Sendable, Hashable {
        /// Whether the bytes of store paths that both images have are compared.
        public var comparesContent = false
        /// Whether the files inside of changed store paths are compared, and those of whole directories that were added or
        /// removed are listed one by one.
        public var listsFiles = false
        /// Neither.
        public init() {}
    }

    /// A value of a field.
    public enum Value: Sendable, Hashable, Encodable {
        /// Words.
        case text(String)
        /// A number of things.
        case count(UInt64)
        /// A number of bytes.
        case bytes(UInt64)

        /// Text as a string, numbers as numbers.
        public func encode(to encoder: any Encoder) throws {
            var container = encoder.singleValueContainer()
            switch self {
            case .text(let text): try container.encode(text)
            case .count(let number), .bytes(let number): try container.encode(number)
            }
        }
    }

    /// A property that is not the same.
    public struct FieldChange: Sendable, Hashable, Encodable {
        /// Whose property it is: `disk`, `firmware`, `root`, `partition 3`, `boot`.
        public var part: String
        /// What it is called: `label`, `size`, `kernel`.
        public var field: String
        /// What it was; `nil` where there was none.
        public var old: Value?
        /// What it is; `nil` where there is none.
        public var new: Value?
    }

    /// What became of something.
    public enum Action: String, Sendable, Hashable, Encodable {
        /// It is in one image only.
        case added, removed
        /// A store path of the same package with another version.
        case upgraded, downgraded
        /// A store path of the same name with another hash.
        case rebuilt
        /// A store path whose content is not the same although its path is: one of the two is damaged.
        case damaged
        /// A file that is not the same.
        case changed
    }

    /// A store path, or two that belong together.
    public struct PathChange: Sendable, Hashable, Encodable {
        /// What became of it.
        public var action: Action
        /// The package's name, with the output's where it is not the main one: `openssl`, `openssl-man`.
        public var name: String
        /// The versions, where the names have any.
        public var oldVersion: String?, newVersion: String?
        /// The paths.
        public var oldPath: String?, newPath: String?
        /// Bytes: of the NARs where both images have a registration, otherwise of all files and links in it.
        public var oldSize: UInt64, newSize: UInt64
        /// What changed inside, where that was asked for, or was compared because the path is the same.
        public var files: [FileChange] = []
    }

    /// A file, link or directory.
    public struct FileChange: Sendable, Hashable, Encodable {
        /// A property of a file.
        public enum Aspect: String, Sendable, Hashable, Encodable {
            /// What it is: a file, a directory, a link, a device.
            case kind
            /// A file's bytes, or their number.
            case content, size
            /// A link's target, or a device's numbers.
            case target
            /// Permissions, and owner or group.
            case mode, owner
        }

        /// What became of it.
        public var action: Action
        /// The partition, as places name it: `firmware`, `root`, or a number.
        public var partition: String
        /// The path from its top directory on. (Bytes that are no UTF-8 are replaced.)
        public var path: String
        /// What is not the same.
        public var aspects: [Aspect] = []
        /// Bytes; of a directory that was added or removed, of everything in it.
        public var oldSize: UInt64, newSize: UInt64
        /// Of a directory that was added or removed: how many names are in it, at any depth.
        public var entries: UInt64?

        /// The partition and the path, as commands take them.
        public var place: String { "\(partition):\(path)" }
    }

    /// A sum, whether it changed or not.
    public struct Total: Sendable, Hashable, Encodable {
        /// Of what: `image`, `compressed` (the file's bytes), `firmware used`, `root used`, `store`.
        public var name: String
        /// The sums in bytes; `nil` where an image has no such thing.
        public var old: UInt64?, new: UInt64?
    }

    /// The partition tables, and what their filesystems' heads say.
    public internal(set) var disk: [FieldChange] = []
    /// What boots, unless somebody chooses something else.
    public internal(set) var boot: [FieldChange] = []
    /// Store paths; those whose size changed most come first.
    public internal(set) var paths: [PathChange] = []
    /// Files outside of store paths; those whose size changed most come first.
    public internal(set) var files: [FileChange] = []
    /// Sizes of the whole.
    public internal(set) var totals: [Total] = []
    /// How many store paths both images have.
    public internal(set) var commonPaths = 0

    /// Whether nothing changed.
    public var isEmpty: Bool { disk.isEmpty && boot.isEmpty && paths.isEmpty && files.isEmpty }

    /// Compares two images. Memory goes by the number of store paths, and of names in the directories that are compared.
    ///
    /// - Throws: what reading them throws, such as ``ImageError/Code/corrupt`` where a filesystem is damaged.
    public init(
        _ old: DiskImage, _ new: DiskImage, options: Options = Options(), progress: Progress? = nil
    ) throws(ImageError) {
        try progress?.begin(.compare)
        let one = try ComparedImage(old), other = try ComparedImage(new)
        let pairs = PartitionPair.pairs(one, other)
        disk = try PartitionPair.tableChanges(old, new)
        for pair in pairs { disk += try pair.changes(progress) }
        boot = BootChoice.changes(
            try .read(root: one.root?.volume, firmware: one.firmware?.volume),
            try .read(root: other.root?.volume, firmware: other.firmware?.volume))
        let stores = StorePair(try StoreContents(one.root?.volume), try StoreContents(other.root?.volume))
        if let stores {
            commonPaths = stores.common.count
            paths = try stores.changes(options, progress)
        }
        for pair in pairs {
            guard let old = pair.old?.volume, let new = pair.new?.volume else { continue }
            var comparison = FileComparison(
                old, new, partition: pair.place, listsFiles: options.listsFiles, progress: progress)
            let root = (try old.root(), try new.root())
            try comparison.compare(root.0, root.1, at: "", leavingOutStore: pair.old?.role == .root && stores != nil)
            files += comparison.changes
        }
        files.sort { Self.isBefore(($0.oldSize, $0.newSize, $0.place), ($1.oldSize, $1.newSize, $1.place)) }
        totals = try PartitionPair.totals(old, new, pairs)
        if let sums = stores?.sums { totals.append(Total(name: "store", old: sums.old, new: sums.new)) }
    }

    /// Whether one change comes before another: the larger change of size first.
    static func isBefore(
        _ one: (old: UInt64, new: UInt64, name: String), _ other: (old: UInt64, new: UInt64, name: String)
    ) -> Bool {
        func change(_ sizes: (old: UInt64, new: UInt64, name: String)) -> UInt64 {
            max(sizes.old, sizes.new) - min(sizes.old, sizes.new)
        }
        let left = change(one), right = change(other)
        return left != right ? left > right : one.name.utf8.lexicographicallyPrecedes(other.name.utf8)
    }
}
