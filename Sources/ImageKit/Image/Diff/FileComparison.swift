/// Compares what is in two filesystems, directory by directory: by kind, size, permissions and owner, and then by content.
///
/// Only one way from the top directory down is in memory at a time, with the names beside it.
struct FileComparison {
    typealias FileChange = ImageDifference.FileChange

    /// What was found, in the order of paths.
    private(set) var changes: [FileChange] = []

    private var old: DirectoryReader, new: DirectoryReader
    private let partition: String
    private let listsFiles: Bool
    private let progress: Progress?
    /// Hard links whose bytes have been compared.
    private var compared: [[UInt32]: Bool] = [:]
    /// Bytes of paths that can be reported.
    private var reportBudget = 1 << 28

    private struct Pair {
        var name: [UInt8]
        var old: ImageNode?, new: ImageNode?
    }

    private struct Level {
        var pending: [Pair]
        var pathLength: Int
    }

    /// - Parameter listsFiles: whether all that is in a directory which only one side has is reported.
    init(
        _ old: ImageVolume, _ new: ImageVolume, partition: String, listsFiles: Bool, progress: Progress? = nil
    ) {
        self.old = DirectoryReader(old)
        self.new = DirectoryReader(new)
        self.partition = partition
        self.listsFiles = listsFiles
        self.progress = progress
    }

    /// Forgets what was found.
    mutating func takeChanges() -> [FileChange] {
        defer { changes = [] }
        return changes
    }

    /// Compares two nodes and all below them.
    ///
    /// - Parameter path: what they are called, without a slash at its end.
    /// - Parameter leavingOutStore: whether store paths are left out, and the store's links for its own use.
    mutating func compare(
        _ one: ImageNode, _ other: ImageNode, at path: String, leavingOutStore: Bool = false
    ) throws(ImageError) {
        var path = Array(path.utf8)
        let store = Array(StorePath.directory.utf8)
        var levels: [Level] = []
        var next: Pair? = Pair(name: [], old: one, new: other)
        while true {
            try progress?.checkCancelled()
            if let pair = next {
                let isStore = leavingOutStore && path == store
                let children = try visit(pair, at: path, leavingOutStorePaths: isStore)
                guard levels.count < Ext4Volume.maximumDepth else {
                    throw ImageError(
                        .doesNotFit, "cannot compare a folder that lies \(Ext4Volume.maximumDepth) folders deep")
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
    /// - Returns: what is in them, to be compared.
    private mutating func visit(
        _ pair: Pair, at path: [UInt8], leavingOutStorePaths: Bool
    ) throws(ImageError) -> [Pair] {
        guard let one = pair.old, let other = pair.new else {
            return try report(pair, at: path)
        }
        let aspects = try aspects(one, other)
        let areDirectories = one.kind == .directory && other.kind == .directory
        if !aspects.isEmpty {
            try add(
                FileChange(
                    action: .changed, partition: partition, path: shown(path), aspects: aspects,
                    oldSize: one.kind == .directory ? 0 : one.size, newSize: other.kind == .directory ? 0 : other.size))
        }
        guard areDirectories else { return [] }
        return Self.pairs(
            try old.children(of: one, at: path, leavingOutStorePaths: leavingOutStorePaths),
            try new.children(of: other, at: path, leavingOutStorePaths: leavingOutStorePaths))
    }

    /// Reports what only one side has: a directory with all that is in it, unless that is to be reported too.
    /// - Returns: what is still to be reported.
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
        reportBudget -= change.path.utf8.count + 64
        guard reportBudget >= 0 else {
            throw ImageError(
                .doesNotFit, "there are too many differences to tell", reason: "their paths have more than 256 MiB")
        }
        changes.append(change)
    }

    /// Joins two directories' entries by their names.
    private static func pairs(
        _ old: [(name: [UInt8], node: ImageNode)], _ new: [(name: [UInt8], node: ImageNode)]
    ) -> [Pair] {
        var pairs: [Pair] = []
        var ones = old[...], others = new[...]
        while let one = ones.first ?? others.first {
            let oldFirst = ones.first, newFirst = others.first
            if let oldFirst, let newFirst, oldFirst.name == newFirst.name {
                pairs.append(Pair(name: one.name, old: ones.removeFirst().node, new: others.removeFirst().node))
            } else if let oldFirst, newFirst.map({ oldFirst.name.lexicographicallyPrecedes($0.name) }) ?? true {
                pairs.append(Pair(name: oldFirst.name, old: ones.removeFirst().node))
            } else {
                let new = others.removeFirst()
                pairs.append(Pair(name: new.name, new: new.node))
            }
        }
        return pairs
    }

    // MARK: Properties

    private mutating func aspects(
        _ one: ImageNode, _ other: ImageNode
    ) throws(ImageError) -> [FileChange.Aspect] {
        var aspects: [FileChange.Aspect] = []
        if Self.mode(one) != Self.mode(other) { aspects.append(.mode) }
        let owners = (one.attributes, other.attributes)
        if owners.0.owner != owners.1.owner || owners.0.group != owners.1.group { aspects.append(.owner) }
        switch (one.kind, other.kind) {
        case (.directory, .directory): break
        case (.file, .file):
            if one.size != other.size {
                aspects.append(.size)
            } else if try !isSameContent(one, other) {
                aspects.append(.content)
            }
        case (.symlink, .symlink):
            if try old.volume.target(of: one) != new.volume.target(of: other) { aspects.append(.target) }
        case (.characterDevice, .characterDevice), (.blockDevice, .blockDevice):
            if one.kind != other.kind { aspects.append(.target) }
        case (let kind, let otherKind): if kind != otherKind { aspects.append(.kind) }
        }
        return aspects
    }

    /// A link's permissions mean nothing.
    private static func mode(_ node: ImageNode) -> UInt16? {
        node.kind == .symlink ? nil : node.attributes.permissions
    }

    private mutating func isSameContent(_ one: ImageNode, _ other: ImageNode) throws(ImageError) -> Bool {
        var key: [UInt32]?
        if one.links > 1, other.links > 1, let inode = one.inode, let otherInode = other.inode {
            key = [inode, otherInode]
            if let known = compared[[inode, otherInode]] { return known }
        }
        let difference = try ContentComparison.firstDifference(
            try old.volume.content(of: one), try new.volume.content(of: other), progress)
        if let key { compared[key] = difference == nil }
        return difference == nil
    }
}

/// Compares bytes.
enum ContentComparison {
    /// Bytes that are read at once.
    private static let piece = 1 << 20

    /// The first byte that is not the same in two sources; `nil` where there is none. Where one source is longer and the
    /// other its beginning, that is the shorter one's end.
    static func firstDifference(
        _ one: any ByteSource, _ other: any ByteSource, _ progress: Progress? = nil
    ) throws(ImageError) -> UInt64? {
        let end = min(one.size, other.size)
        let length = Int(min(UInt64(piece), end))
        let buffers = (
            UnsafeMutableRawBufferPointer.allocate(byteCount: length, alignment: 16),
            UnsafeMutableRawBufferPointer.allocate(byteCount: length, alignment: 16)
        )
        defer {
            buffers.0.deallocate()
            buffers.1.deallocate()
        }
        var place: UInt64 = 0
        while place < end {
            try progress?.checkCancelled()
            let count = Int(min(UInt64(length), end - place))
            let left = UnsafeMutableRawBufferPointer(rebasing: buffers.0[..<count])
            let right = UnsafeMutableRawBufferPointer(rebasing: buffers.1[..<count])
            try one.read(into: left, at: place)
            try other.read(into: right, at: place)
            if !UnsafeRawBufferPointer(left).isEqual(to: UnsafeRawBufferPointer(right)) {
                return place + UInt64(left.indices.first { left[$0] != right[$0] } ?? 0)
            }
            place += UInt64(count)
        }
        return one.size == other.size ? nil : end
    }
}
