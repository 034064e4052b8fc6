extension Ext4Volume {
    /// Everything in the filesystem but the files' bytes.
    public struct Contents: Sendable {
        /// Directories, files and symbolic links. Hard links are one node.
        public var tree: FileTree
        /// Devices, pipes and sockets, which a tree cannot hold, with their paths from the root without a leading
        /// slash.
        public var specialFiles: [(path: [UInt8], node: Node)]
    }

    /// The depth to which directories are read.
    static let maximumDepth = 4096

    /// Reads everything but the files' bytes.
    ///
    /// Each directory is visited once and each file's map is read once. All directories together have no more blocks,
    /// and all files no more extents, than the filesystem has blocks. Memory is therefore bounded by the size of the
    /// filesystem's metadata.
    ///
    /// Throws if there is no root directory, and for errors of the source.
    ///
    /// - Parameter onDamage: called once per error, with its path. If it returns, reading continues: the readable
    ///   entries of a damaged directory are kept; a file is kept only if all its bytes can be read. A wrong checksum
    ///   alone leaves nothing out. The default throws.
    public func tree(
        onDamage: (ImageError) throws(ImageError) -> Void = { (error) throws(ImageError) in throw error }
    ) throws(ImageError) -> Contents {
        try tree(observer: Ext4NoObserver(), onDamage: onDamage)
    }

    /// The same; the observer sees everything that is read.
    func tree(observer: some Ext4TreeObserver, onDamage: OnDamage) throws(ImageError) -> Contents {
        var reader = Ext4TreeReader(volume: self, observer: observer)
        return try reader.read(onDamage)
    }
}

/// Reads the tree of a volume from the root down, one directory after the other.
private struct Ext4TreeReader<Observer: Ext4TreeObserver> {
    typealias Node = Ext4Volume.Node
    typealias OnDamage = Ext4Volume.OnDamage

    /// A directory on the way from the root to the current one.
    struct Level {
        var node: Node
        var name: [UInt8]
        /// Entries that have not been read yet, the next one last.
        var pending: [Ext4DirectoryEntry] = []
        var children: [(name: [UInt8], node: FileTree.NodeID)] = []
    }

    let volume: Ext4Volume
    let observer: Observer
    var tree = FileTree()
    var specialFiles: [(path: [UInt8], node: Node)] = []
    var levels: [Level] = []
    var directories: Set<UInt32> = []
    /// The tree's nodes of inodes that further names may lead to.
    var known: [UInt32: FileTree.NodeID] = [:]
    /// The inodes that a tree cannot hold.
    var special: [UInt32: Node] = [:]
    /// Inodes that could not be read. They are reported once.
    var lost: Set<UInt32> = []
    var records = Ext4InodeBlocks()
    var blockBudget: UInt64
    var extentBudget: UInt64
    /// Bytes of names and entries that a tree can count.
    var nameBudget = UInt64(UInt32.max)

    init(volume: Ext4Volume, observer: Observer) {
        self.volume = volume
        self.observer = observer
        blockBudget = volume.superblock.blocks
        // Whole maps list their blocks beside the extents.
        extentBudget = volume.superblock.maximumExtents.multipliedClamping(by: Observer.readsWholeMaps ? 3 : 1)
    }

    mutating func read(_ onDamage: OnDamage) throws(ImageError) -> Ext4Volume.Contents {
        let root = try readRoot(onDamage)
        try observer.didRead(root, by: nil)
        try enter(root, [], onDamage)
        while let depth = levels.indices.last {
            try observer.checkCancelled()
            guard let entry = levels[depth].pending.popLast() else {
                let level = levels.removeLast()
                let node = try tree.addDirectory(level.children, level.node.attributes)
                observer.didAdd(level.node.inode)
                if depth == 0 {
                    tree.root = node
                } else {
                    levels[depth - 1].children.append((level.name, node))
                }
                continue
            }
            observer.willFollow(entry)
            do {
                if let node = try read(entry, onDamage) { levels[depth].children.append((entry.name, node)) }
            } catch {
                guard error.damage != nil else { throw error }
                lost.insert(entry.inode)
                observer.didFail(entry.inode, error)
                try onDamage(error.on(Self.path(of: entry.name, levels)))
            }
        }
        return Ext4Volume.Contents(tree: tree, specialFiles: specialFiles)
    }

    private mutating func readRoot(_ onDamage: OnDamage) throws(ImageError) -> Node {
        let root = try node(Ext4ReservedInode.root, onDamage: onDamage)
        guard root.kind == .directory else {
            throw .damagedInode(root.inode, at: root.record.offset, "the top folder is no folder", .ext4InodeKind)
        }
        return root
    }

    private mutating func node(_ inode: UInt32, onDamage: OnDamage) throws(ImageError) -> Node {
        let (bytes, offset) = try records.record(inode, volume)
        return try volume.node(inode, bytes, at: offset, onDamage: onDamage)
    }

    /// Reads the inode of an entry.
    /// - Returns: a file or a symbolic link; `nil` for directories, which are entered, and for other kinds of files.
    private mutating func read(
        _ entry: Ext4DirectoryEntry, _ onDamage: OnDamage
    ) throws(ImageError) -> FileTree.NodeID? {
        if let node = known[entry.inode] {
            observer.didRevisit(entry)
            return node
        }
        if lost.contains(entry.inode) { return nil }
        if let node = special[entry.inode] {
            observer.didRevisit(entry)
            try addSpecialFile(entry, node)
            return nil
        }
        let levels = levels
        func report(_ error: ImageError) throws(ImageError) {
            try onDamage(error.on(Self.path(of: entry.name, levels)))
        }
        let node = try node(entry.inode, onDamage: report)
        try observer.didRead(node, by: entry)
        switch node.kind {
        case .directory:
            guard levels.count < Ext4Volume.maximumDepth else {
                var error = ImageError(
                    .doesNotFit, "cannot read a folder that lies \(Ext4Volume.maximumDepth) folders deep,",
                    reason: "its inode is \(node.inode)")
                error.damage = .ext4Unsupported
                throw error
            }
            try enter(node, entry.name, onDamage)
            return nil
        case .file, .symlink:
            let added = try add(node, report)
            observer.didAdd(node.inode)
            // A check must recognise further names of an inode that states only one.
            if node.links > 1 || node.kind == .symlink || Observer.readsWholeMaps { known[entry.inode] = added }
            return added
        case .characterDevice, .blockDevice, .fifo, .socket:
            special[entry.inode] = node
            try addSpecialFile(entry, node)
            return nil
        }
    }

    /// Adds a file or a symbolic link to the tree.
    private mutating func add(_ node: Node, _ onDamage: OnDamage) throws(ImageError) -> FileTree.NodeID {
        var extents: [Ext4Extent] = []
        if volume.hasMap(node) {
            let map = try volume.read(mapOf: node, budget: &extentBudget, observer: observer)
            for fault in map.faults { try onDamage(fault) }
            if let failure = map.failure { throw failure }
            extents = map.extents
        }
        if node.kind == .symlink {
            return tree.addSymlink(to: try volume.target(of: node, extents: extents), node.attributes)
        }
        let (source, offset) = try volume.location(of: node, extents: extents)
        return tree.addFile(source, offset: offset, size: node.size, node.attributes)
    }

    private mutating func addSpecialFile(_ entry: Ext4DirectoryEntry, _ node: Node) throws(ImageError) {
        var path: [UInt8] = []
        for level in levels.dropFirst() { path += level.name + [UInt8(ascii: "/")] }
        path += entry.name
        try spend(names: UInt64(path.count))
        specialFiles.append((path, node))
    }

    private mutating func spend(names bytes: UInt64) throws(ImageError) {
        guard bytes <= nameBudget else {
            throw ImageError(.doesNotFit, "cannot read the filesystem's names", reason: "they have more than 4 GiB")
        }
        nameBudget -= bytes
    }

    private static func path(of name: [UInt8], _ levels: [Level]) -> String {
        var path: [UInt8] = []
        for level in levels.dropFirst() { path += [UInt8(ascii: "/")] + level.name }
        return String(decoding: path + [UInt8(ascii: "/")] + name, as: UTF8.self)
    }

    /// Reads a directory's entries and makes it the current one.
    private mutating func enter(_ node: Node, _ name: [UInt8], _ onDamage: OnDamage) throws(ImageError) {
        guard directories.insert(node.inode).inserted else {
            throw .damagedInode(
                node.inode, at: node.record.offset, "a folder that is in two places", .ext4DirectoryTwice)
        }
        let path = levels.isEmpty ? "/" : Self.path(of: name, levels)
        let observer = observer
        observer.willReadDirectory(node, parent: levels.last?.node.inode ?? node.inode, path: path)
        let entries = try volume.entries(of: node, blockBudget: &blockBudget, observer: observer) {
            (error) throws(ImageError) in
            observer.didFail(node.inode, error)
            try onDamage(error.on(path))
        }
        observer.didReadDirectory()
        try spend(names: entries.reduce(0 as UInt64) { $0 + UInt64($1.name.count) })
        // In the order of inodes, whose records then follow one another. Names, above all those of store paths, lead to
        // inodes in any order, and the inode tables of a large image are in more frames than the cache keeps.
        let pending = entries.enumerated().sorted { ($0.element.inode, $0.offset) > ($1.element.inode, $1.offset) }
        levels.append(Level(node: node, name: name, pending: pending.map(\.element)))
    }
}

/// A cache of blocks of inode tables: the inodes of a directory are often neighbours in them.
struct Ext4InodeBlocks {
    private static let slots = 64
    private var blocks = [(number: UInt64, bytes: [UInt8])](repeating: (.max, []), count: slots)

    /// An inode's record and its offset.
    mutating func record(_ inode: UInt32, _ volume: Ext4Volume) throws(ImageError) -> (bytes: [UInt8], offset: UInt64) {
        let offset = try volume.offset(of: inode)
        let blockSize = volume.superblock.blockSize
        let number = offset / blockSize
        let slot = Int(number % UInt64(Self.slots))
        if blocks[slot].number != number {
            blocks[slot] = (number, try volume.source.read(Int(blockSize), at: number * blockSize))
        }
        let start = Int(offset % blockSize)
        return (Array(blocks[slot].bytes.dropFirst(start).prefix(volume.superblock.inodeSize)), offset)
    }
}
