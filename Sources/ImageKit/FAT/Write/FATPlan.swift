/// A tree as FAT sees it, before it is known where anything will lie: its directories, each with its entries and their
/// names, and its files. How many clusters that takes follows for any size of cluster.
struct FATPlan {
    /// What an entry leads to: an index into the plan's directories or files.
    enum Child {
        case directory(Int)
        case file(Int)
    }

    /// A name in a directory.
    struct Entry {
        var short: [UInt8]
        var lowerCase: UInt8
        /// The long name; empty where there is none.
        var long: [UInt16]
        var child: Child

        var slots: Int { FATDirectoryEntry.slots(forUnits: long.count) + 1 }
    }

    /// A directory.
    struct Directory {
        /// The directory above; the root's is itself.
        var parent: Int
        /// Directories first, then files, each in the order of the tree.
        var entries: [Entry] = []
        /// Slots of 32 bytes that its content takes.
        var slots = 0

        /// Its size in bytes.
        var size: UInt64 { UInt64(slots * FATDirectoryEntry.size) }
    }

    /// A file: hard links are as many files, which is all that FAT knows.
    struct File {
        var node: FileTree.NodeID
        var size: UInt64
    }

    /// In the order of the tree, the root first.
    private(set) var directories: [Directory]
    /// In the order of the tree.
    private(set) var files: [File] = []

    /// Slots that a directory can have: 2 MiB of them (specification, section "FAT Directory Structure").
    static let slotLimit = 65_536
    /// A file's size is a field of 32 bits.
    static let fileLimit = UInt64(UInt32.max)

    /// Reads the names and sizes of `tree`. Throws ``ImageError/Code/invalidInput`` for a name or kind of file that FAT
    /// cannot hold and for names it does not tell apart, ``ImageError/Code/doesNotFit`` for a file of 4 GiB or a directory
    /// of more entries than one can have; always with the path.
    init(_ tree: FileTree, hasLabel: Bool) throws(ImageError) {
        var directories = [Directory(parent: 0)]
        var files: [File] = []
        var found: [[(name: FATName, child: Child)]] = [[]]
        // The directories from the root down to where the walk is, each with the length of its path.
        var above: [(directory: Int, pathLength: Int)] = [(0, 0)]
        try tree.walk(from: tree.root) { path, node throws(ImageError) in
            if path.isEmpty {
                guard tree.kind(of: node) == .directory else {
                    throw ImageError(.invalidInput, "the tree for a FAT filesystem is not a folder")
                }
                return
            }
            let slash = path.lastIndex(of: UInt8(ascii: "/"))
            while let last = above.last, last.pathLength > slash ?? 0 { above.removeLast() }
            let parent = above.last?.directory ?? 0
            let name = try FATName(path[(slash.map { $0 + 1 } ?? 0)...], path: Self.text(path))
            switch tree.kind(of: node) {
            case .symlink:
                throw ImageError(
                    .invalidInput, "a FAT filesystem cannot hold the symbolic link", path: Self.text(path),
                    remedy: "put the file itself in its place")
            case .directory:
                found[parent].append((name, .directory(directories.count)))
                above.append((directories.count, path.count))
                directories.append(Directory(parent: parent))
                found.append([])
            case .file:
                let size = tree.size(of: node)
                guard size <= Self.fileLimit else {
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

    /// Gives a directory its entries.
    private mutating func fill(
        _ index: Int, with found: [(name: FATName, child: Child)], firstSlots: Int, path: () -> String
    ) throws(ImageError) {
        func full(_ slots: Int) -> ImageError {
            ImageError(
                .doesNotFit, "a FAT filesystem cannot hold the folder", path: path().isEmpty ? "/" : path(),
                reason: "its \(found.count) names take \(slots) directory entries and \(Self.slotLimit) are the limit",
                remedy: "spread its files over several folders")
        }
        if found.count > Self.slotLimit { throw full(found.count) }
        var seen: [[UInt32]: FATName] = [:]
        for (name, _) in found {
            if let other = seen.updateValue(name, forKey: name.key) {
                let above = path().isEmpty ? "" : path() + "/"
                throw ImageError(
                    .invalidInput, "a FAT filesystem cannot hold both names", path: above + other.text,
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
        if directories[index].slots > Self.slotLimit { throw full(directories[index].slots) }
    }

    private static func text(_ path: [UInt8]) -> String { String(decoding: path, as: UTF8.self) }

    /// A directory's path without a leading slash, put together from its names.
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

    /// Clusters that the content takes with this width and cluster size.
    func clusters(_ width: FATGeometry.Width, clusterSize: UInt64) -> UInt64 {
        var count: UInt64 = 0
        for (index, directory) in directories.enumerated() where index > 0 || width == .fat32 {
            count += Self.clusters(ofDirectory: directory.size, clusterSize: clusterSize)
        }
        for file in files { count += file.size.dividedRoundingUp(by: clusterSize) }
        return count
    }

    /// Clusters of a directory in which `size` bytes are used: at least one.
    static func clusters(ofDirectory size: UInt64, clusterSize: UInt64) -> UInt64 {
        max(1, size.dividedRoundingUp(by: clusterSize))
    }

    /// Whether the root directory has room where that is of fixed size.
    func rootFits(_ geometry: FATGeometry) -> Bool {
        geometry.width == .fat32 || UInt64(directories[0].slots) <= geometry.rootEntries
    }

    /// The geometry of 30 MiB where that holds the content and its largest file once more, so that each file can be
    /// replaced; otherwise one that holds everything twice, so that all can be.
    func roomyGeometry() throws(ImageError) -> FATGeometry {
        let usual = try FATGeometry(partitionSize: FATGeometry.defaultSize)
        let largest = files.map(\.size).max() ?? 0
        let needed = clusters(usual.width, clusterSize: usual.clusterSize)
            .addingReportingOverflow(largest.dividedRoundingUp(by: usual.clusterSize))
        if !needed.overflow, needed.partialValue <= usual.clusterCount, rootFits(usual) { return usual }
        let smallest = try smallestGeometry(atLeast: FATGeometry.defaultSize)
        let content = clusters(smallest.width, clusterSize: smallest.clusterSize)
        if content.multipliedClamping(by: 2) <= smallest.clusterCount { return smallest }
        return try FATGeometry(partitionSize: smallest.partitionSize.multipliedClamping(by: 2))
    }

    /// The smallest geometry of whole MiB, not below `size`, that holds the content. Throws
    /// ``ImageError/Code/doesNotFit`` where there is none.
    func smallestGeometry(atLeast size: UInt64) throws(ImageError) -> FATGeometry {
        let unit: UInt64 = 1 << 20
        let bytes = files.reduce(0) { $0 + $1.size }
        var candidate = max(size, FATGeometry.smallestSize, bytes).roundedUp(to: unit)
        var needed: (width: FATGeometry.Width, clusterSize: UInt64, clusters: UInt64)?
        while true {
            // Ends at the latest where the geometry refuses more than 2 TiB.
            let geometry = try FATGeometry(partitionSize: candidate)
            if needed?.width != geometry.width || needed?.clusterSize != geometry.clusterSize {
                let count = clusters(geometry.width, clusterSize: geometry.clusterSize)
                needed = (geometry.width, geometry.clusterSize, count)
            }
            if let needed, needed.clusters <= geometry.clusterCount, rootFits(geometry) { return geometry }
            candidate += unit
        }
    }
}

extension FATName {
    /// The name as it was.
    var text: String { String(decoding: units, as: UTF16.self) }
}
