/// A tree in the terms of FAT, before anything has an offset: its directories with their entries and names, and its
/// files. The number of clusters that it needs follows for any cluster size.
struct FATPlan {
    /// The target of an entry: an index into the plan's directories or files.
    enum Child {
        case directory(Int)
        case file(Int)
    }

    /// A name in a directory.
    struct Entry {
        var short: [UInt8]
        var lowerCase: UInt8
        /// The long name; empty if the short name is enough.
        var long: [UInt16]
        var child: Child

        var slots: Int { FATDirectoryEntry.slots(forUnits: long.count) + 1 }
    }

    /// A directory.
    struct Directory {
        /// The index of the parent directory; the root is its own parent.
        var parent: Int
        /// Directories first, then files, each in the order of the tree.
        var entries: [Entry] = []
        /// The number of its slots.
        var slots = 0

        /// Its size in bytes.
        var size: UInt64 { UInt64(slots * FATDirectoryEntry.size) }
    }

    /// A file. Each hard link is a file of its own, because FAT has no hard links.
    struct File {
        var node: FileTree.NodeID
        var size: UInt64
    }

    /// In the order of the tree, the root first.
    private(set) var directories: [Directory]
    /// In the order of the tree.
    private(set) var files: [File] = []

    /// Reads the names and sizes of `tree`.
    ///
    /// - Throws: always with the path, ``ImageError/Code/invalidInput`` for a name or kind of file that FAT cannot
    ///   hold, and for names that it cannot distinguish; ``ImageError/Code/doesNotFit`` for a file of 4 GiB or more,
    ///   and for a directory with too many entries. Without a path, ``ImageError/Code/cancelled``.
    init(_ tree: FileTree, hasLabel: Bool, progress: Progress? = nil) throws(ImageError) {
        var directories = [Directory(parent: 0)]
        var files: [File] = []
        var found: [[(name: FATName, child: Child)]] = [[]]
        // The directories from the root down to the current one, each with the length of its path.
        var parents: [(directory: Int, pathLength: Int)] = [(0, 0)]
        try tree.walk(from: tree.root) { path, node throws(ImageError) in
            if path.isEmpty {
                guard tree.kind(of: node) == .directory else {
                    throw ImageError(.invalidInput, "the tree for a FAT filesystem is not a folder")
                }
                return
            }
            let slash = path.lastIndex(of: UInt8(ascii: "/"))
            while let last = parents.last, last.pathLength > slash ?? 0 { parents.removeLast() }
            let parent = parents.last?.directory ?? 0
            let name = try FATName(path[(slash.map { $0 + 1 } ?? 0)...], path: Self.text(path))
            switch tree.kind(of: node) {
            case .symlink:
                throw ImageError(
                    .invalidInput, "a FAT filesystem cannot hold the symbolic link", path: Self.text(path),
                    remedy: "put the file itself in its place")
            case .directory:
                found[parent].append((name, .directory(directories.count)))
                try progress?.checkCancelled()
                parents.append((directories.count, path.count))
                directories.append(Directory(parent: parent))
                found.append([])
            case .file:
                let size = tree.size(of: node)
                guard size <= FATDirectoryEntry.maximumFileSize else {
                    throw ImageError(
                        .doesNotFit, "a FAT filesystem cannot hold the file", path: Self.text(path),
                        reason: "it has \(size) bytes (\(ByteSize.format(size))) and 4 GiB less one byte is the limit",
                        remedy: "leave it out, or split it")
                }
                found[parent].append((name, .file(files.count)))
                files.append(File(node: node, size: size))
            }
        }
        self.directories = directories
        self.files = files
        for index in found.indices {
            try fill(index, with: found[index], firstSlots: index == 0 ? (hasLabel ? 1 : 0) : 2) {
                Self.path(of: index, directories, found)
            }
        }
    }

    /// Sets the entries of a directory, and counts its slots.
    private mutating func fill(
        _ index: Int, with found: [(name: FATName, child: Child)], firstSlots: Int, path: () -> String
    ) throws(ImageError) {
        func full(_ slots: Int) -> ImageError {
            ImageError(
                .doesNotFit, "a FAT filesystem cannot hold the folder", path: path().isEmpty ? "/" : path(),
                reason:
                    "its \(found.count) names take \(slots) directory entries and \(FATDirectoryEntry.maximumSlots) "
                    + "are the limit",
                remedy: "spread its files over several folders")
        }
        if found.count > FATDirectoryEntry.maximumSlots { throw full(found.count) }
        var seen: [[UInt32]: FATName] = [:]
        for (name, _) in found {
            if let first = seen.updateValue(name, forKey: name.key) {
                let directory = path().isEmpty ? "" : path() + "/"
                throw ImageError(
                    .invalidInput, "a FAT filesystem cannot hold both names", path: directory + first.text,
                    reason: "it does not tell '\(name.text)' from it, as upper and lower case "
                        + "are the same to it",
                    remedy: "rename one of them")
            }
        }
        func isDirectory(_ child: Child) -> Bool { if case .directory = child { true } else { false } }
        let ordered = found.filter { isDirectory($0.child) } + found.filter { !isDirectory($0.child) }
        let shorts = FATShortNames.assign(ordered.map(\.name))
        for ((name, child), short) in zip(ordered, shorts) {
            var entry = Entry(short: short, lowerCase: 0, long: name.units, child: child)
            if case .same(_, let lowerCase) = name.short {
                entry.lowerCase = lowerCase
                entry.long = []
            }
            directories[index].entries.append(entry)
        }
        directories[index].slots = directories[index].entries.reduce(firstSlots) { $0 + $1.slots }
        if directories[index].slots > FATDirectoryEntry.maximumSlots { throw full(directories[index].slots) }
    }

    private static func text(_ path: [UInt8]) -> String { String(decoding: path, as: UTF8.self) }

    /// The path of a directory without a leading slash, composed of the names on the way to it.
    private static func path(
        of index: Int, _ directories: [Directory], _ found: [[(name: FATName, child: Child)]]
    ) -> String {
        var names: [String] = []
        var index = index
        while index != 0 {
            let parent = directories[index].parent
            for (name, child) in found[parent] {
                if case .directory(index) = child { names.append(name.text) }
            }
            index = parent
        }
        return names.reversed().joined(separator: "/")
    }

    // MARK: Sizes

    /// The number of clusters that the content needs with this kind of FAT and this cluster size.
    func clusters(_ kind: FATKind, clusterSize: UInt64) -> UInt64 {
        var count: UInt64 = 0
        for (index, directory) in directories.enumerated() where index > 0 || kind == .fat32 {
            count += Self.clusters(ofDirectory: directory.size, clusterSize: clusterSize)
        }
        for file in files { count += file.size.dividedRoundingUp(by: clusterSize) }
        return count
    }

    /// The number of clusters of a directory with `size` bytes of slots: at least one.
    static func clusters(ofDirectory size: UInt64, clusterSize: UInt64) -> UInt64 {
        max(1, size.dividedRoundingUp(by: clusterSize))
    }

    /// Whether the root directory has room for its slots. Only that of FAT16 has a fixed size.
    func rootFits(_ geometry: FATGeometry) -> Bool {
        geometry.kind == .fat32 || UInt64(directories[0].slots) <= geometry.rootEntries
    }

    /// The geometry of 30 MiB, if it has room for the content and a second copy of its largest file, so that each file
    /// can be replaced. Otherwise a geometry that holds everything twice, so that all files can be replaced.
    func roomyGeometry() throws(ImageError) -> FATGeometry {
        let usual = try FATGeometry(partitionSize: FATGeometry.defaultSize)
        let largest = files.map(\.size).max() ?? 0
        let needed = clusters(usual.kind, clusterSize: usual.clusterSize)
            .addingReportingOverflow(largest.dividedRoundingUp(by: usual.clusterSize))
        if !needed.overflow, needed.partialValue <= usual.clusterCount, rootFits(usual) { return usual }
        let smallest = try smallestGeometry(atLeast: FATGeometry.defaultSize)
        let content = clusters(smallest.kind, clusterSize: smallest.clusterSize)
        if content.multipliedClamping(by: 2) <= smallest.clusterCount { return smallest }
        return try FATGeometry(partitionSize: smallest.partitionSize.multipliedClamping(by: 2))
    }

    /// The smallest geometry that holds the content, in whole MiB, at least `size` bytes.
    /// - Throws: ``ImageError/Code/doesNotFit`` if no FAT filesystem is large enough.
    func smallestGeometry(atLeast size: UInt64) throws(ImageError) -> FATGeometry {
        let unit: UInt64 = 1 << 20
        let bytes = files.reduce(0) { $0 + $1.size }
        var candidate = max(size, FATGeometry.minimumSize, bytes).roundedUp(to: unit)
        var needed: (kind: FATKind, clusterSize: UInt64, clusters: UInt64)?
        while true {
            // The loop ends at the latest at 2 TiB, which the geometry refuses.
            let geometry = try FATGeometry(partitionSize: candidate)
            if needed?.kind != geometry.kind || needed?.clusterSize != geometry.clusterSize {
                let count = clusters(geometry.kind, clusterSize: geometry.clusterSize)
                needed = (geometry.kind, geometry.clusterSize, count)
            }
            if let needed, needed.clusters <= geometry.clusterCount, rootFits(geometry) { return geometry }
            candidate += unit
        }
    }
}

extension FATName {
    /// The original name.
    var text: String { String(decoding: units, as: UTF16.self) }
}
