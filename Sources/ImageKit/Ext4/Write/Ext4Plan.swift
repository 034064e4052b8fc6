/// What a tree needs of an ext4 filesystem, found out before anything is laid out: inode numbers, links, blocks.
struct Ext4Plan {
    let tree: FileTree
    /// Inode number of each node; 0 for nodes that the tree no longer reaches.
    private(set) var inodes: [UInt32]
    /// Names of each file; of each directory, 2 and its subdirectories.
    private(set) var links: [UInt32]
    /// The parent of each directory.
    private(set) var parents: [FileTree.NodeID: FileTree.NodeID] = [:]
    /// All nodes in the order of their inode numbers.
    private(set) var order: [FileTree.NodeID] = []
    /// The order in which files' and links' blocks are laid out; a unit begins at each index of `unitStarts`.
    private(set) var dataOrder: [FileTree.NodeID] = []
    private(set) var unitStarts: [Int: Unit] = [:]
    /// Which part of its file's content an entry of `dataOrder` is, in bytes, where it isn't all of it.
    private(set) var parts: [Int: Range<UInt64>] = [:]
    /// Small files of a unit are laid out in batches of about 1 MiB that stay together: the blocks of each batch, by the
    /// index in `dataOrder` at which it begins.
    private(set) var batches: [Int: UInt64] = [:]
    /// The directories that need more than one block, finished but for their checksums.
    private(set) var indexed: [FileTree.NodeID: DirectoryBlocks] = [:]
    /// The stored parts of files that have holes, in bytes.
    private(set) var stored: [FileTree.NodeID: [Range<UInt64>]] = [:]
    /// The last inode in use.
    private(set) var lastInode: UInt32 = Ext4Filesystem.firstInode
    /// Blocks of directories, of files and long links, and the most that extent trees can need.
    private(set) var directoryBlocks: UInt64 = 0
    private(set) var dataBlocks: UInt64 = 0
    private(set) var extentBlocks: UInt64 = 0

    /// A store path, or a cluster of similar parts.
    struct Unit {
        /// A number that depends on nothing but what it is.
        var key: UInt64
        var isGathered: Bool
    }

    /// Blocks that a batch has at least, and that parts of a large file are multiples of: 1 MiB.
    static let batchBlocks: UInt64 = 256

    private static let lostAndFound = Array("lost+found".utf8)
    /// `lost+found` has room from the start: e2fsck must not allocate when it needs it.
    static let lostAndFoundBlocks = 4
    /// Targets of links up to this length lie in the inode.
    static let longestInlineTarget: UInt64 = 59
    private static let longestTarget: UInt64 = 4095
    private static let largestFile: UInt64 = (1 << 32 - 1) * Ext4Geometry.blockSize

    init(_ original: FileTree, hash: DirectoryHash, progress: Progress?) throws(ImageError) {
        guard original.nodes.indices.contains(Int(original.root.index)), original.kind(of: original.root) == .directory
        else { throw ImageError(.invalidInput, "a filesystem needs a top folder") }
        var tree = original
        let lost = try Self.addLostAndFound(to: &tree)
        self.tree = tree
        inodes = [UInt32](repeating: 0, count: tree.nodes.count)
        links = inodes
        let units = tree.inLayoutOrder()
        order = units.flatMap(\.nodes)
        try number(lost)
        try progress?.checkCancelled()
        try measureDirectories(lost, hash: hash)
        let pieces = FileParts(of: tree)
        try measureFiles(pieces, progress)
        orderData(units, pieces)
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

    /// Numbers inodes in the order of the units and in tree order within them, then in tree order: a store path whose
    /// hash changes keeps its place. The root is 2, `lost+found` the first free one, 11.
    private mutating func number(_ lost: FileTree.NodeID) throws(ImageError) {
        guard order.count < Int(UInt32.max) - 16 else {
            throw ImageError(.doesNotFit, "a filesystem cannot hold \(order.count) files")
        }
        var next = Ext4Filesystem.firstInode + 1
        for node in order {
            if node == tree.root {
                inodes[Int(node.index)] = Ext4Filesystem.rootInode
            } else if node == lost {
                inodes[Int(node.index)] = Ext4Filesystem.firstInode
            } else {
                inodes[Int(node.index)] = next
                next += 1
            }
        }
        lastInode = next - 1
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

    private mutating func measureDirectories(_ lost: FileTree.NodeID, hash: DirectoryHash) throws(ImageError) {
        for directory in order where tree.kind(of: directory) == .directory {
            let bytes = tree.entryRange(of: directory).reduce(0) {
                $0 + DirectoryBlocks.Entry.length(nameLength: Int(tree.entries[$1].nameLength))
            }
            if DirectoryBlocks.fitsOneBlock(entryBytes: bytes), directory != lost {
                directoryBlocks += 1
            } else {
                let blocks = try buildDirectory(
                    directory, hash: hash, leastBlocks: directory == lost ? Self.lostAndFoundBlocks : 1)
                let count = UInt64(blocks.blocks.count)
                directoryBlocks += count
                extentBlocks += UInt64(ExtentTree.blocks(forExtents: Int(Self.mostExtents(forRunOf: count))))
                indexed[directory] = blocks
            }
        }
    }

    /// A directory's blocks, without checksums.
    func buildDirectory(
        _ directory: FileTree.NodeID, hash: DirectoryHash, leastBlocks: Int = 1
    ) throws(ImageError) -> DirectoryBlocks {
        let entries = tree.entryRange(of: directory).map { index in
            let node = tree.entries[index].node
            return DirectoryBlocks.Entry(
                inode: inode(of: node), kind: .init(tree.kind(of: node)), name: tree.name(ofEntry: index))
        }
        return try DirectoryBlocks(
            inode: inode(of: directory), parent: inode(of: parents[directory] ?? directory), entries: entries,
            hash: hash,
            leastBlocks: leastBlocks)
    }

    private mutating func measureFiles(_ pieces: FileParts, _ progress: Progress?) throws(ImageError) {
        for node in order {
            let size = tree.size(of: node)
            switch tree.kind(of: node) {
            case .directory: break
            case .symlink:
                try checkTarget(of: node)
                if size > Self.longestInlineTarget { dataBlocks += 1 }
            case .file:
                guard size <= Self.largestFile else {
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
                var extents: UInt64 = 1
                if size < FileTree.holeUnit {
                    dataBlocks += size.dividedRoundingUp(by: Ext4Geometry.blockSize)
                } else {
                    try progress?.checkCancelled()
                    let ranges = try tree.storedRanges(of: node)
                    if ranges != [0..<size] { stored[node] = ranges }
                    extents = 0
                    for range in ranges {
                        dataBlocks += range.length.dividedRoundingUp(by: Ext4Geometry.blockSize)
                    }
                    for range in pieces.cut(ranges, of: node) {
                        let blocks = range.length.dividedRoundingUp(by: Ext4Geometry.blockSize)
                        extents += Self.mostExtents(forRunOf: blocks)
                    }
                }
                extentBlocks += UInt64(ExtentTree.blocks(forExtents: Int(extents)))
            }
        }
    }

    /// Throws when no symbolic link can have the target.
    private func checkTarget(of node: FileTree.NodeID) throws(ImageError) {
        let target = tree.target(of: node)
        if target.count > Self.longestTarget {
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

    /// The most extents that a run of blocks can be cut into: by its length, and by the structures of each group it
    /// touches. (A run of less than a group always fits the inode.)
    private static func mostExtents(forRunOf blocks: UInt64) -> UInt64 {
        3 * (blocks / Ext4Geometry.blocksPerGroup) + 4
    }

    /// Units first, in their order, each in tree order; then everything else. Clusters of similar parts follow what their
    /// first part is in.
    private mutating func orderData(_ units: [(key: UInt64?, nodes: [FileTree.NodeID])], _ pieces: FileParts) {
        for (key, nodes) in units {
            var clusters: [Int] = []
            if let key { unitStarts[dataOrder.count] = Unit(key: key, isGathered: false) }
            for node in nodes where hasBlocks(node) {
                guard let all = pieces.parts[node] else {
                    dataOrder.append(node)
                    continue
                }
                for part in all {
                    if let cluster = part.cluster {
                        if part.isFirst { clusters.append(cluster) }
                    } else {
                        add(FileTree.Part(node: node, range: part.range))
                    }
                }
            }
            for cluster in clusters {
                guard let first = tree.clusters[cluster].first else { continue }
                unitStarts[dataOrder.count] = Unit(
                    key: FileParts.key(of: first, size: tree.size(of: first.node), in: key ?? 0), isGathered: true)
                for part in tree.clusters[cluster] { add(part) }
            }
        }
        formBatches()
    }

    private mutating func add(_ part: FileTree.Part) {
        parts[dataOrder.count] = part.range
        dataOrder.append(part.node)
    }

    private mutating func formBatches() {
        var start = 0
        var blocks: UInt64 = 0
        for (index, node) in dataOrder.enumerated() {
            let own = (parts[index]?.length ?? tree.size(of: node))
                .dividedRoundingUp(by: Ext4Geometry.blockSize)
            let isLarge = own > Self.batchBlocks
            if blocks >= Self.batchBlocks || isLarge || unitStarts[index] != nil {
                if blocks > 0 { batches[start] = blocks }
                start = index
                blocks = 0
            }
            // A large file is cut into pieces, so it needs no room for the whole.
            if isLarge { start = index + 1 } else { blocks += own }
        }
        if blocks > 0 { batches[start] = blocks }
    }

    /// Whether a file or link has blocks of its own. (What only a unit still knows, because something else took its place
    /// in the tree, is not in the filesystem.)
    private func hasBlocks(_ node: FileTree.NodeID) -> Bool {
        if inode(of: node) == 0 { return false }
        return switch tree.kind(of: node) {
        case .directory: false
        case .file: tree.size(of: node) > 0
        case .symlink: tree.size(of: node) > Self.longestInlineTarget
        }
    }

    /// What is stored of a part of a file's content, in bytes.
    func storedRanges(of node: FileTree.NodeID, in part: Range<UInt64>) -> [Range<UInt64>] {
        guard let all = stored[node] else { return part.isEmpty ? [] : [part] }
        // Large files have as many holes as parts, and are asked for each part.
        return all[all.partitioningIndex { $0.upperBound > part.lowerBound }...]
            .prefix { $0.lowerBound < part.upperBound }.map { $0.clamped(to: part) }
    }

    /// A node's inode number.
    func inode(of node: FileTree.NodeID) -> UInt32 { inodes[Int(node.index)] }
}

extension DirectoryBlocks.Kind {
    init(_ kind: FileTree.Kind) {
        switch kind {
        case .directory: self = .directory
        case .file: self = .file
        case .symlink: self = .symlink
        }
    }
}
