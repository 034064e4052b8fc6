extension Ext4Volume {
    /// All that is in the filesystem.
    public struct Contents: Sendable {
        /// Directories, files and symbolic links; hard links are one node.
        public var tree: FileTree
        /// What a tree cannot hold: devices, pipes and sockets, with their paths from the root without a leading slash.
        public var others: [(path: [UInt8], node: Node)]
    }

    /// As deep as directories may lie in one another.
    static let depthLimit = 4096

    /// Reads everything but the files' bytes.
    ///
    /// Each directory is visited once and each file's map is read once. Directories cannot have more blocks, and files not more
    /// parts, than the filesystem has blocks, so memory is bounded by the size of the filesystem's metadata.
    ///
    /// Of what is damaged, `onDamage` hears one error after the other, with the path it is about, and unless it throws (as
    /// it does by default), the rest is read on: directories as far as they can be had, files where all of their bytes can be.
    /// A wrong checksum alone leaves nothing out. Without a top directory there is nothing to read, which is thrown, as are
    /// errors of the source.
    public func tree(
        onDamage: (ImageError) throws(ImageError) -> Void = { (error) throws(ImageError) in throw error }
    ) throws(ImageError) -> Contents {
        try tree(census: nil, onDamage: onDamage)
    }

    /// The same; the census looks at all that is met on the way.
    func tree(
        census: Ext4Census?, onDamage: (ImageError) throws(ImageError) -> Void
    ) throws(ImageError) -> Contents {
        var reader = TreeReader(volume: self, census: census)
        return try reader.read(onDamage)
    }

    private struct TreeReader {
        typealias OnDamage = (ImageError) throws(ImageError) -> Void

        struct Level {
            var node: Node
            var name: [UInt8]
            var pending: [Ext4DirectoryEntry] = []
            var children: [(name: [UInt8], node: FileTree.NodeID)] = []
        }

        let volume: Ext4Volume
        let census: Ext4Census?
        var tree = FileTree()
        var others: [(path: [UInt8], node: Node)] = []
        var levels: [Level] = []
        var directories: Set<UInt32> = []
        var known: [UInt32: FileTree.NodeID] = [:]
        var special: [UInt32: Node] = [:]
        /// What could not be read, and has been told of.
        var lost: Set<UInt32> = []
        var records = Ext4InodeBlocks()
        var blockBudget: UInt64
        var runBudget: UInt64
        /// Bytes of names and entries that a tree can count.
        var nameBudget = UInt64(UInt32.max)

        init(volume: Ext4Volume, census: Ext4Census?) {
            self.volume = volume
            self.census = census
            blockBudget = volume.superblock.blocks
            // A census keeps blocks beside the parts of files.
            runBudget = volume.superblock.mapLimit.multipliedClamping(by: census == nil ? 1 : 3)
        }

        mutating func read(_ onDamage: OnDamage) throws(ImageError) -> Contents {
            let root = try readRoot(onDamage)
            try census?.met(root, nil)
            try enter(root, [], onDamage)
            while let depth = levels.indices.last {
                try census?.checkCancelled()
                guard let entry = levels[depth].pending.popLast() else {
                    let level = levels.removeLast()
                    let node = try tree.addDirectory(level.children, level.node.attributes)
                    census?.added(level.node.inode)
                    if depth == 0 {
                        tree.root = node
                    } else {
                        levels[depth - 1].children.append((level.name, node))
                    }
                    continue
                }
                census?.named(entry)
                do {
                    if let node = try read(entry, onDamage) { levels[depth].children.append((entry.name, node)) }
                } catch {
                    guard error.damage != nil else { throw error }
                    lost.insert(entry.inode)
                    census?.lost(entry.inode, error)
                    try onDamage(error.on(path(of: entry.name)))
                }
            }
            return Contents(tree: tree, others: others)
        }

        private mutating func readRoot(_ onDamage: OnDamage) throws(ImageError) -> Node {
            let root = try node(Ext4Volume.rootInode, onDamage: onDamage)
            guard root.kind == .directory else {
                throw .damagedInode(
                    Ext4Volume.rootInode, at: root.record.offset, "the top folder is no folder", .ext4InodeKind)
            }
            return root
        }

        private mutating func node(_ inode: UInt32, onDamage: OnDamage) throws(ImageError) -> Node {
            let (bytes, offset) = try records.record(inode, volume)
            return try volume.node(inode, bytes, at: offset, onDamage: onDamage)
        }

        /// - Returns: what a directory can hold; `nil` for anything else, and for directories until they have been read.
        private mutating func read(
            _ entry: Ext4DirectoryEntry, _ onDamage: OnDamage
        ) throws(ImageError) -> FileTree.NodeID? {
            if let node = known[entry.inode] {
                census?.compare(entry)
                return node
            }
            if lost.contains(entry.inode) { return nil }
            if let node = special[entry.inode] {
                census?.compare(entry)
                try addOther(entry, node)
                return nil
            }
            let levels = levels
            func tell(_ error: ImageError) throws(ImageError) {
                try onDamage(error.on(Self.path(of: entry.name, levels)))
            }
            let node = try node(entry.inode, onDamage: tell)
            try census?.met(node, entry)
            switch node.kind {
            case .directory:
                guard levels.count < Ext4Volume.depthLimit else {
                    var error = ImageError(
                        .doesNotFit, "cannot read a folder that lies \(Ext4Volume.depthLimit) folders deep,",
                        reason: "its inode is \(node.inode)")
                    error.damage = .ext4Unsupported
                    throw error
                }
                try enter(node, entry.name, onDamage)
                return nil
            case .file, .symlink:
                let added = try add(node, tell)
                census?.added(node.inode)
                if node.links > 1 || node.kind == .symlink || census != nil { known[entry.inode] = added }
                return added
            default:
                special[entry.inode] = node
                try addOther(entry, node)
                return nil
            }
        }

        /// Adds a file or a link.
        private mutating func add(_ node: Node, _ tell: OnDamage) throws(ImageError) -> FileTree.NodeID {
            var runs: [Ext4Run] = []
            let isInside = node.kind == .symlink && volume.hasTargetInside(node.record)
            if node.record.flags & Ext4Inode.Flag.inline == 0, !isInside {
                let map = try Ext4BlockRuns.survey(
                    node.record, volume, limit: &runBudget, isComplete: census != nil)
                census?.claim(map, of: node)
                for fault in map.faults { try tell(fault) }
                if let failure = map.failure { throw failure }
                runs = map.runs
            }
            if node.kind == .symlink {
                return tree.addSymlink(to: try volume.target(of: node, runs: runs), node.attributes)
            }
            let (source, offset) = try volume.place(of: node, runs: runs)
            return tree.addFile(source, offset: offset, size: node.size, node.attributes)
        }

        private mutating func addOther(_ entry: Ext4DirectoryEntry, _ node: Node) throws(ImageError) {
            var path: [UInt8] = []
            for level in levels.dropFirst() { path += level.name + [0x2F] }
            path += entry.name
            guard UInt64(path.count) <= nameBudget else { throw tooMuch() }
            nameBudget -= UInt64(path.count)
            others.append((path, node))
        }

        private func tooMuch() -> ImageError {
            ImageError(.doesNotFit, "cannot read the filesystem's names", reason: "they have more than 4 GiB")
        }

        private func path(of name: [UInt8]) -> String { Self.path(of: name, levels) }

        private static func path(of name: [UInt8], _ levels: [Level]) -> String {
            var path: [UInt8] = []
            for level in levels.dropFirst() { path += [0x2F] + level.name }
            return String(decoding: path + [0x2F] + name, as: UTF8.self)
        }

        private mutating func enter(_ node: Node, _ name: [UInt8], _ onDamage: OnDamage) throws(ImageError) {
            guard directories.insert(node.inode).inserted else {
                throw .damagedInode(
                    node.inode, at: node.record.offset, "a folder that is in two places", .ext4DirectoryTwice)
            }
            let path = levels.isEmpty ? "/" : path(of: name)
            census?.enter(node, parent: levels.last?.node.inode ?? node.inode, path)
            let entries = try volume.entries(of: node, blockBudget: &blockBudget, census: census) {
                (error) throws(ImageError) in
                census?.lost(node.inode, error)
                try onDamage(error.on(path))
            }
            census?.leave()
            let bytes = entries.reduce(0 as UInt64) { $0 + UInt64($1.name.count) }
            guard bytes <= nameBudget else { throw tooMuch() }
            nameBudget -= bytes
            // In the order of inodes, which lie side by side then: names, above all those of store paths, lead anywhere, and
            // a large image's inode tables are in more frames than are kept.
            let pending = entries.enumerated().sorted { ($0.element.inode, $0.offset) > ($1.element.inode, $1.offset) }
            levels.append(Level(node: node, name: name, pending: pending.map(\.element)))
        }
    }
}

/// The blocks of inode tables that were read last: neighbours in a directory are neighbours there.
struct Ext4InodeBlocks {
    private static let slots = 64
    private var blocks = [(number: UInt64, bytes: [UInt8])](repeating: (.max, []), count: slots)

    /// An inode's record and where it is.
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
