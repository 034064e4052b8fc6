/// The needs of a tree in an ext4 filesystem, determined before anything is laid out: inode numbers, links, blocks.
struct Ext4Plan {
    let tree: FileTree
    /// The inode number of each node; 0 for nodes that the tree no longer reaches.
    private(set) var inodes: [UInt32]
    /// The names of each file. For each directory, 2 and the number of its subdirectories.
    private(set) var links: [UInt32]
    /// All nodes in the order of their inode numbers.
    let order: [FileTree.NodeID]
    /// The order in which the blocks of files and long links are laid out.
    private(set) var items: [Ext4DataOrder.Item] = []
    /// Directories with more than one block, complete except for their checksums.
    private(set) var largeDirectories: [FileTree.NodeID: DirectoryBlocks] = [:]
    /// The last inode in use.
    private(set) var lastInode: UInt32 = Ext4ReservedInode.firstUnreserved
    /// Blocks of directories, of files and long links, and the most that extent trees can need.
    private(set) var directoryBlocks: UInt64 = 0
    private(set) var dataBlocks: UInt64 = 0
    private(set) var extentBlocks: UInt64 = 0

    /// The parent of each directory except the root.
    private var parents: [FileTree.NodeID: FileTree.NodeID] = [:]
    /// The stored ranges of files with holes, in bytes.
    private var stored: [FileTree.NodeID: [Range<UInt64>]] = [:]

    private static let lostAndFound = Array("lost+found".utf8)
    /// `lost+found` has space from the start: e2fsck must not allocate when it needs it.
    static let lostAndFoundBlocks = 4
    /// The longest target of a link that is in the inode.
    static let maximumInlineTarget: UInt64 = 59
    private static let maximumTarget: UInt64 = 4095
    private static let maximumFileSize: UInt64 = (1 << 32 - 1) * Ext4Geometry.blockSize

    init(
        _ original: FileTree, _ hints: LayoutHints, hash: DirectoryHash, progress: Progress?
    ) throws(ImageError) {
        guard original.nodes.indices.contains(Int(original.root.index)), original.kind(of: original.root) == .directory
        else { throw ImageError(.invalidInput, "a filesystem needs a top folder") }
        var tree = original
        let lost = try Self.addLostAndFound(to: &tree)
        self.tree = tree
        inodes = [UInt32](repeating: 0, count: tree.nodes.count)
        links = inodes
        let units = hints.order(of: tree)
        order = units.flatMap(\.nodes)
        try number(lost)
        try countLinks()
        try progress?.checkCancelled()
        try measureDirectories(lost, hash: hash)
        let parts = FileParts(of: tree, hints.clusters)
        try measureFiles(parts, progress)
        items = Ext4DataOrder(tree, units: units, clusters: hints.clusters, parts) { hasBlocks($0) }.items
    }

    private static func addLostAndFound(to tree: inout FileTree) throws(ImageError) -> FileTree.NodeID {
        if let node = tree.child(lostAndFound, of: tree.root) {
            guard tree.kind(of: node) == .directory else {
                throw ImageError(
                    .invalidInput, "'/lost+found' must be a folder", reason: "e2fsck keeps what it rescues there")
            }
            return node
        }
        let node = try tree.addDirectory([], FileAttributes(permissions: 0o700))
        let attributes = tree.attributes(of: tree.root)
        let children = tree.children(of: tree.root).map { (name: Array($0.name), node: $0.node) }
        tree.root = try tree.addDirectory(children + [(lostAndFound, node)], attributes)
        return node
    }

    // MARK: Inodes

    /// Numbers the inodes: layout units in their order, each in tree order, then the other nodes in tree order. A store
    /// path whose hash changes therefore keeps its numbers. The root is 2, `lost+found` the first unreserved one, 11.
    private mutating func number(_ lost: FileTree.NodeID) throws(ImageError) {
        guard order.count < Int(UInt32.max) - 16 else {
            throw ImageError(.doesNotFit, "a filesystem cannot hold \(order.count) files")
        }
        var next = Ext4ReservedInode.firstUnreserved + 1
        for node in order {
            if node == tree.root {
                inodes[Int(node.index)] = Ext4ReservedInode.root
            } else if node == lost {
                inodes[Int(node.index)] = Ext4ReservedInode.firstUnreserved
            } else {
                inodes[Int(node.index)] = next
                next += 1
            }
        }
        lastInode = next - 1
    }

    private mutating func countLinks() throws(ImageError) {
        links[Int(tree.root.index)] = 2
        for directory in order where tree.kind(of: directory) == .directory {
            for entry in tree.entryRange(of: directory) {
                let node = tree.entries[entry].node
                if tree.kind(of: node) == .directory {
                    guard parents[node] == nil else {
                        throw ImageError(
                            .invalidInput, "a folder cannot be in two places", path: path(of: node),
                            remedy: "copy it, or use a symbolic link")
                    }
                    links[Int(node.index)] += 2
                    links[Int(directory.index)] += 1
                    parents[node] = directory
                } else {
                    links[Int(node.index)] += 1
                }
            }
        }
        for node in order where tree.kind(of: node) != .directory && links[Int(node.index)] > FileTree.maximumLinks {
            throw ImageError(
                .doesNotFit, "a file has \(links[Int(node.index)]) names", reason: "ext4 allows 65,000")
        }
    }

    /// A node's inode number.
    func inode(of node: FileTree.NodeID) -> UInt32 { inodes[Int(node.index)] }

    // MARK: Directories

    private mutating func measureDirectories(_ lost: FileTree.NodeID, hash: DirectoryHash) throws(ImageError) {
        for directory in order where tree.kind(of: directory) == .directory {
            let bytes = tree.entryRange(of: directory).reduce(0) {
                $0 + Ext4DirectoryEntry.length(nameLength: Int(tree.entries[$1].nameLength))
            }
            if DirectoryBlocks.fitsOneBlock(entryBytes: bytes), directory != lost {
                directoryBlocks += 1
            } else {
                let blocks = try buildDirectory(
                    directory, hash: hash, minimumBlocks: directory == lost ? Self.lostAndFoundBlocks : 1)
                let count = UInt64(blocks.blocks.count)
                directoryBlocks += count
                extentBlocks += UInt64(ExtentTree.blocks(forExtents: Int(Self.maximumExtents(forBlocks: count))))
                largeDirectories[directory] = blocks
            }
        }
    }

    /// A directory's blocks, without checksums.
    func buildDirectory(
        _ directory: FileTree.NodeID, hash: DirectoryHash, minimumBlocks: Int = 1
    ) throws(ImageError) -> DirectoryBlocks {
        let entries = tree.entryRange(of: directory).map { index in
            let node = tree.entries[index].node
            return DirectoryBlocks.Entry(
                inode: inode(of: node), kind: Ext4FileType(tree.kind(of: node)), name: tree.name(ofEntry: index))
        }
        return try DirectoryBlocks(
            inode: inode(of: directory), parent: inode(of: parents[directory] ?? directory), entries: entries,
            hash: hash, minimumBlocks: minimumBlocks)
    }

    // MARK: Files

    private mutating func measureFiles(_ parts: FileParts, _ progress: Progress?) throws(ImageError) {
        for node in order {
            switch tree.kind(of: node) {
            case .directory: break
            case .symlink:
                try checkTarget(of: node)
                if tree.size(of: node) > Self.maximumInlineTarget { dataBlocks += 1 }
            case .file:
                try checkContent(of: node)
                let extents = try measureFile(node, parts, progress)
                extentBlocks += UInt64(ExtentTree.blocks(forExtents: Int(extents)))
            }
        }
    }

    /// Counts a file's blocks, and finds its holes.
    /// - Returns: the most extents that it can have.
    private mutating func measureFile(
        _ node: FileTree.NodeID, _ parts: FileParts, _ progress: Progress?
    ) throws(ImageError) -> UInt64 {
        let size = tree.size(of: node)
        if size < FileTree.holeUnit {
            dataBlocks += size.dividedRoundingUp(by: Ext4Geometry.blockSize)
            return 1
        }
        try progress?.checkCancelled()
        let ranges = try tree.storedRanges(of: node)
        if ranges != [0..<size] { stored[node] = ranges }
        for range in ranges { dataBlocks += range.length.dividedRoundingUp(by: Ext4Geometry.blockSize) }
        return parts.cut(ranges, of: node).reduce(0) {
            $0 + Self.maximumExtents(forBlocks: $1.length.dividedRoundingUp(by: Ext4Geometry.blockSize))
        }
    }

    /// Throws if a file is too large for ext4 or for its source.
    private func checkContent(of node: FileTree.NodeID) throws(ImageError) {
        let size = tree.size(of: node)
        guard size <= Self.maximumFileSize else {
            throw ImageError(
                .doesNotFit, "a file is too large for ext4", path: path(of: node),
                reason: "it has \(ByteSize.format(size))")
        }
        if case .source(let source, let offset) = tree.content(of: node),
            offset > source.size || size > source.size - offset
        {
            throw ImageError(
                .corrupt, "a file ends past the end of what it is read from", path: path(of: node),
                reason: "that has only \(source.size) bytes")
        }
    }

    /// Throws if no symbolic link can have the target.
    private func checkTarget(of node: FileTree.NodeID) throws(ImageError) {
        let target = tree.target(of: node)
        if target.count > Self.maximumTarget {
            throw ImageError(
                .doesNotFit, "cannot store the link", path: path(of: node),
                reason: "its target is longer than 4,095 bytes, the longest that ext4 can hold")
        }
        if target.isEmpty || target.contains(0) {
            throw ImageError(
                .invalidInput, "cannot store the link", path: path(of: node),
                reason: target.isEmpty ? "its target is empty" : "its target contains a zero byte")
        }
    }

    /// The first path of a node, for errors.
    private func path(of wanted: FileTree.NodeID) -> String? {
        var found: String?
        try? tree.walk(from: tree.root) { path, node in
            if node == wanted, found == nil { found = "/" + String(decoding: path, as: UTF8.self) }
        }
        return found
    }

    /// The most extents of that many consecutive blocks of a file: they are cut by an extent's length, and by the
    /// structures of each group they touch. (Less than a group's blocks always fit the inode.)
    private static func maximumExtents(forBlocks blocks: UInt64) -> UInt64 {
        3 * (blocks / Ext4Geometry.blocksPerGroup) + 4
    }

    /// Whether a file or link has blocks of its own. A layout unit may hold nodes that the tree no longer reaches,
    /// because something else replaced them. They are not in the filesystem.
    private func hasBlocks(_ node: FileTree.NodeID) -> Bool {
        if inode(of: node) == 0 { return false }
        return switch tree.kind(of: node) {
        case .directory: false
        case .file: tree.size(of: node) > 0
        case .symlink: tree.size(of: node) > Self.maximumInlineTarget
        }
    }

    /// The stored ranges in a part of a file's content, in bytes.
    func storedRanges(of node: FileTree.NodeID, in part: Range<UInt64>) -> [Range<UInt64>] {
        guard let all = stored[node] else { return part.isEmpty ? [] : [part] }
        // A large file may have very many of both holes and parts.
        return all[all.partitioningIndex { $0.upperBound > part.lowerBound }...]
            .prefix { $0.lowerBound < part.upperBound }.map { $0.clamped(to: part) }
    }
}

extension Ext4FileType {
    init(_ kind: FileTree.Kind) {
        self =
            switch kind {
            case .directory: .directory
            case .file: .file
            case .symlink: .symlink
            }
    }
}
