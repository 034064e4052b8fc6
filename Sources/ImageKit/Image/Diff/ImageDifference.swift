/// The changes between two images: of their disks, of the kernel that boots, of store paths and of all other files.
///
/// The form of an image does not matter: a raw image and its compressed file are equal. Times are not compared.
///
/// ```
///   partitions of the same role, or number ──▶ disk:  tables, filesystems' labels, UUIDs, sizes
///     menu, command line                   ──▶ boot
///     names in /nix/store, registrations   ──▶ paths: added, removed, upgraded, rebuilt
///     everything else, by content          ──▶ files
/// ```
///
/// The name of a store path stands for its content, so files in store paths that both images have are not read. If both
/// images have a registration, the registered hashes and sizes are compared.
public struct ImageDifference: Sendable, Encodable {
    /// How much is compared.
    public struct Options: Sendable, Hashable {
        /// Whether the bytes of store paths that both images have are compared.
        public var comparesContent = false
        /// Whether the files in changed store paths are compared, and the files in added or removed directories are
        /// listed one by one.
        public var listsFiles = false
        /// Both options are off.
        public init() {}
    }

    /// A value of a field.
    public enum Value: Sendable, Hashable, Encodable {
        /// A text.
        case text(String)
        /// A number without a unit.
        case count(UInt64)
        /// A number of bytes.
        case bytes(UInt64)

        /// Encodes a text as a string, and numbers as numbers.
        public func encode(to encoder: any Encoder) throws {
            var container = encoder.singleValueContainer()
            switch self {
            case .text(let text): try container.encode(text)
            case .count(let number), .bytes(let number): try container.encode(number)
            }
        }
    }

    /// A property that differs.
    public struct FieldChange: Sendable, Hashable, Encodable {
        /// The part of the image that has the property: `disk`, `firmware`, `root`, `partition 3`, `boot`.
        public var part: String
        /// The property's name: `label`, `size`, `kernel`.
        public var field: String
        /// The value in the old image; `nil` if the image has none.
        public var old: Value?
        /// The value in the new image; `nil` if the image has none.
        public var new: Value?
    }

    /// The kind of a change of a store path or file.
    public enum Action: String, Sendable, Hashable, Encodable {
        /// It is only in the new image, or only in the old one.
        case added, removed
        /// A store path of the same package, with a later or an earlier version in the new image.
        case upgraded, downgraded
        /// A store path of the same package and version with another hash.
        case rebuilt
        /// A store path, with the same hash in both images, whose content differs: one of the two is damaged.
        case damaged
        /// A file, link or directory that both images have and that differs.
        case changed
    }

    /// A store path of one image, or a store path and its successor.
    public struct PathChange: Sendable, Hashable, Encodable {
        /// The kind of the change.
        public var action: Action
        /// The package's name, with the output where it is not the main one: `openssl`, `openssl-man`.
        public var name: String
        /// The versions; `nil` if an image does not have the path, or if its name has no version.
        public var oldVersion: String?, newVersion: String?
        /// The store paths; `nil` if the image does not have this package.
        public var oldPath: String?, newPath: String?
        /// Bytes of the NARs if both images have a registration, otherwise of all files and links in the store path.
        /// 0 without a path, and for a damaged path without a registration.
        public var oldSize: UInt64, newSize: UInt64
        /// The files that differ: always for a damaged path, otherwise only if the options ask for them.
        public var files: [FileChange] = []
    }

    /// A file, link or directory.
    public struct FileChange: Sendable, Hashable, Encodable {
        /// A property of a file.
        public enum Aspect: String, Sendable, Hashable, Encodable {
            /// Whether it is a file, a directory, a link or a device.
            case kind
            /// A file's bytes, or their number.
            case content, size
            /// A link's target, or a device's numbers.
            case target
            /// Permissions, and owner or group.
            case mode, owner
        }

        /// The kind of the change.
        public var action: Action
        /// The partition, as an ``ImageAddress`` names it: `firmware`, `root`, or a number.
        public var partition: String
        /// The absolute path in the partition's filesystem. (Bytes that are not UTF-8 are replaced.)
        public var path: String
        /// The properties that differ.
        public var aspects: [Aspect] = []
        /// Bytes of the file; for an added or removed directory, bytes of everything in it.
        public var oldSize: UInt64, newSize: UInt64
        /// For an added or removed directory, the number of names below it, at any depth.
        public var entries: UInt64?

        /// The partition and the path, as ``ImageAddress/init(parsing:)`` accepts them.
        public var address: String { "\(partition):\(path)" }
    }

    /// The size of a whole part, whether it changed or not.
    public struct Total: Sendable, Hashable, Encodable {
        /// The part: `image`, `compressed` (the file's bytes), `firmware used`, `root used`, `store`.
        public var name: String
        /// The sizes in bytes; `nil` where an image has no such part.
        public var old: UInt64?, new: UInt64?
    }

    /// Changes of the partition tables and of the filesystems' labels, UUIDs and sizes.
    public internal(set) var disk: [FieldChange] = []
    /// Changes of the kernel that boots by default, its files and its parameters.
    public internal(set) var boot: [FieldChange] = []
    /// Changes of store paths; the largest changes of size come first.
    public internal(set) var paths: [PathChange] = []
    /// Changes of files outside of store paths; the largest changes of size come first.
    public internal(set) var files: [FileChange] = []
    /// The sizes of the images and their parts.
    public internal(set) var totals: [Total] = []
    /// The number of store paths that both images have.
    public internal(set) var commonPaths = 0

    /// Whether nothing changed.
    public var isEmpty: Bool { disk.isEmpty && boot.isEmpty && paths.isEmpty && files.isEmpty }

    /// Compares two images. The memory needed grows with the number of store paths, and with the number of names in the
    /// directories from the root down to the current one.
    ///
    /// - Throws: errors of reading the images, such as ``ImageError/Code/corrupt`` if a filesystem is damaged.
    public init(
        _ old: DiskImage, _ new: DiskImage, options: Options = Options(), progress: Progress? = nil
    ) throws(ImageError) {
        try progress?.begin(.compare)
        let oldImage = try ComparedImage(old), newImage = try ComparedImage(new)
        let pairs = PartitionPair.pairs(oldImage, newImage)
        disk = try PartitionPair.tableChanges(old, new)
        for pair in pairs { disk += try pair.changes(progress) }
        boot = BootChoice.changes(
            try .read(BootReader(root: oldImage.root?.volume, firmware: oldImage.firmware?.volume)),
            try .read(BootReader(root: newImage.root?.volume, firmware: newImage.firmware?.volume)))
        let stores = StorePair(
            try StoreContents(oldImage.root?.volume), try StoreContents(newImage.root?.volume))
        if let stores {
            commonPaths = stores.common.count
            paths = try stores.changes(options, progress)
        }
        for pair in pairs {
            guard let old = pair.old?.volume, let new = pair.new?.volume else { continue }
            var comparison = FileComparison(
                old, new, partition: pair.name, listsFiles: options.listsFiles, progress: progress)
            try comparison.compare(
                old.root(), new.root(), at: "", leavingOutStore: pair.old?.role == .root && stores != nil)
            files += comparison.changes
        }
        files.sort { Self.isBefore(($0.oldSize, $0.newSize, $0.address), ($1.oldSize, $1.newSize, $1.address)) }
        totals = try PartitionPair.totals(old, new, pairs)
        if let sums = stores?.sums { totals.append(Total(name: "store", old: sums.old, new: sums.new)) }
    }

    /// Whether the left change comes before the right one: the larger change of size first, then by name.
    static func isBefore(
        _ left: (old: UInt64, new: UInt64, name: String), _ right: (old: UInt64, new: UInt64, name: String)
    ) -> Bool {
        func change(_ sizes: (old: UInt64, new: UInt64, name: String)) -> UInt64 {
            max(sizes.old, sizes.new) - min(sizes.old, sizes.new)
        }
        let leftChange = change(left), rightChange = change(right)
        return leftChange != rightChange
            ? leftChange > rightChange : left.name.utf8.lexicographicallyPrecedes(right.name.utf8)
    }
}
