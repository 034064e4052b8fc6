/// Compares the files of two filesystems, directory by directory: by kind, size, permissions and owner, then by
/// content.
///
/// Only the directories from the top down to the current one are in memory, with the names that wait in them.
struct FileComparison {
    typealias FileChange = ImageDifference.FileChange

    /// The changes, in the order of paths.
    private(set) var changes: [FileChange] = []

    private var old: DirectoryReader, new: DirectoryReader
    private let partition: String
    private let listsFiles: Bool
    private let progress: Progress?
    /// For files with several names, whether their bytes are equal.
    private var compared: [InodePair: Bool] = [:]
    /// The bytes of paths that can still be reported.
    private var pathBudget = 1 << 28

    private struct InodePair: Hashable {
        var old: UInt32, new: UInt32
    }

    /// The nodes of a name: both, or the one that has it.
    private struct Pair {
        var name: [UInt8]
        var old: ImageNode?, new: ImageNode?
    }

    private struct Level {
        var pending: [Pair]
        var pathLength: Int
    }

    /// - Parameter listsFiles: whether everything in a directory that only one side has is reported.
    init(
        _ old: ImageVolume, _ new: ImageVolume, partition: String, listsFiles: Bool, progress: Progress? = nil
    ) {
        self.old = DirectoryReader(old)
        self.new = DirectoryReader(new)
        self.partition = partition
        self.listsFiles = listsFiles
        self.progress = progress
    }

    /// Returns the changes, and forgets them.
    mutating func takeChanges() -> [FileChange] {
        defer { changes = [] }
        return changes
    }

    /// Compares two nodes and everything below them.
    ///
    /// - Parameters:
    ///   - path: their path, without a slash at its end.
    ///   - leavingOutStore: whether store paths and the store's `.links` are skipped.
    mutating func compare(
        _ old: ImageNode, _ new: ImageNode, at path: String, leavingOutStore: Bool = false
    ) throws(ImageError) {
        var path = Array(path.utf8)
        let store = Array(StorePath.directory.utf8)
        var levels: [Level] = []
        var next: Pair? = Pair(name: [], old: old, new: new)
        while true {
            try progress?.checkCancelled()
            if let pair = next {
                let isStore = leavingOutStore && path == store
                let children = try visit(pair, at: path, leavingOutStorePaths: isStore)
                guard levels.count < Ext4Volume.depthLimit else {
                    throw ImageError(
                        .doesNotFit, "cannot compare a folder that lies \(Ext4Volume.depthLimit) folders deep")
                }
                levels.append(Level(pending: children.reversed(), pathLength: path.count))
            }
            let depth = levels.count - 1
            guard depth >= 0 else { return }
            path.removeSubrange(levels[depth].pathLength...)
            next = levels[depth].pending.popLast()
            if let pair = next {
                path.append(UInt8(ascii: "/"))
                path += pair.name
            } else {
                levels.removeLast()
            }
        }
    }

    /// Compares two nodes.
    /// - Returns: their children, which are still to be compared.
    private mutating func visit(
        _ pair: Pair, at path: [UInt8], leavingOutStorePaths: Bool
    ) throws(ImageError) -> [Pair] {
        guard let oldNode = pair.old, let newNode = pair.new else {
            return try report(pair, at: path)
        }
        let aspects = try aspects(oldNode, newNode)
        if !aspects.isEmpty {
            try add(
                FileChange(
                    action: .changed, partition: partition, path: shown(path), aspects: aspects,
                    oldSize: oldNode.kind == .directory ? 0 : oldNode.size,
                    newSize: newNode.kind == .directory ? 0 : newNode.size))
        }
        guard oldNode.kind == .directory, newNode.kind == .directory else { return [] }
        return Self.pairs(
            try old.children(of: oldNode, at: path, leavingOutStorePaths: leavingOutStorePaths),
            try new.children(of: newNode, at: path, leavingOutStorePaths: leavingOutStorePaths))
    }

    /// Reports a node that only one side has. A directory is reported with the sum of everything in it, or without it
    /// if everything in it is reported one by one.
    /// - Returns: the children that are still to be reported.
    private mutating func report(_ pair: Pair, at path: [UInt8]) throws(ImageError) -> [Pair] {
        guard let node = pair.old ?? pair.new else { return [] }
        let isOld = pair.old != nil, isDirectory = node.kind == .directory
        var children: [(name: [UInt8], node: ImageNode)] = []
        var sum: (bytes: UInt64, entries: UInt64) = (0, 0)
        switch (isDirectory && listsFiles, isOld) {
        case (true, true): children = try old.children(of: node, at: path)
        case (true, false): children = try new.children(of: node, at: path)
        case (false, true): sum = try old.sum(of: node)
        case (false, false): sum = try new.sum(of: node)
        }
        try add(
            FileChange(
                action: isOld ? .removed : .added, partition: partition, path: shown(path),
                oldSize: isOld ? sum.bytes : 0, newSize: isOld ? 0 : sum.bytes,
                entries: isDirectory && !listsFiles ? sum.entries : nil))
        return children.map { isOld ? Pair(name: $0.name, old: $0.node) : Pair(name: $0.name, new: $0.node) }
    }

    private func shown(_ path: [UInt8]) -> String { path.isEmpty ? "/" : String(decoding: path, as: UTF8.self) }

    private mutating func add(_ change: FileChange) throws(ImageError) {
        pathBudget -= change.path.utf8.count + 64
        guard pathBudget >= 0 else {
            throw ImageError(
                .doesNotFit, "there are too many differences to tell", reason: "their paths have more than 256 MiB")
        }
        changes.append(change)
    }

    /// Joins the entries of two directories by their names.
    private static func pairs(
        _ old: [(name: [UInt8], node: ImageNode)], _ new: [(name: [UInt8], node: ImageNode)]
    ) -> [Pair] {
        var pairs: [Pair] = []
        var old = old[...], new = new[...]
        while let oldEntry = old.first, let newEntry = new.first {
            if oldEntry.name == newEntry.name {
                pairs.append(Pair(name: oldEntry.name, old: old.removeFirst().node, new: new.removeFirst().node))
            } else if oldEntry.name.lexicographicallyPrecedes(newEntry.name) {
                pairs.append(Pair(name: oldEntry.name, old: old.removeFirst().node))
            } else {
                pairs.append(Pair(name: newEntry.name, new: new.removeFirst().node))
            }
        }
        pairs += old.map { Pair(name: $0.name, old: $0.node) }
        return pairs + new.map { Pair(name: $0.name, new: $0.node) }
    }

    // MARK: Properties

    private mutating func aspects(
        _ old: ImageNode, _ new: ImageNode
    ) throws(ImageError) -> [FileChange.Aspect] {
        var aspects: [FileChange.Aspect] = []
        if Self.mode(old) != Self.mode(new) { aspects.append(.mode) }
        let owners = (old: old.attributes, new: new.attributes)
        if owners.old.owner != owners.new.owner || owners.old.group != owners.new.group { aspects.append(.owner) }
        switch (old.kind, new.kind) {
        case (.directory, .directory): break
        case (.file, .file):
            if old.size != new.size {
                aspects.append(.size)
            } else if try !isSameContent(old, new) {
                aspects.append(.content)
            }
        case (.symlink, .symlink):
            if try old.target() != new.target() { aspects.append(.target) }
        case (.characterDevice, .characterDevice), (.blockDevice, .blockDevice):
            if old.kind != new.kind { aspects.append(.target) }
        case (let oldKind, let newKind): if oldKind != newKind { aspects.append(.kind) }
        }
        return aspects
    }

    /// The permissions; `nil` for a link, whose permissions have no effect.
    private static func mode(_ node: ImageNode) -> UInt16? {
        node.kind == .symlink ? nil : node.attributes.permissions
    }

    private mutating func isSameContent(_ old: ImageNode, _ new: ImageNode) throws(ImageError) -> Bool {
        var key: InodePair?
        if old.links > 1, new.links > 1, let oldInode = old.inode, let newInode = new.inode {
            let pair = InodePair(old: oldInode, new: newInode)
            if let known = compared[pair] { return known }
            key = pair
        }
        let difference = try ContentComparison.firstDifference(try old.content(), try new.content(), progress)
        if let key { compared[key] = difference == nil }
        return difference == nil
    }
}
