extension Ext4Volume {
    /// All that is in the filesystem.
    public struct Contents: Sendable {
        /// Folders, files and symbolic links; hard links are one node.
        public var tree: FileTree
        /// What a tree cannot hold: devices, pipes and sockets, with their paths from the root without a leading slash.
        public var others: [(path: [UInt8], node: Node)]
    }

    /// As deep as folders may lie in one another.
    static let depthLimit = 4096

    /// Reads everything but the files' bytes.
    ///
    /// Each folder is visited once and each file's map is read once. Folders cannot have more blocks, and files not more
    /// parts, than the filesystem has blocks, so memory is bounded by the size of the filesystem's metadata.
    public func tree() throws(ImageError) -> Contents {
        var reader = TreeReader(volume: self)
        return try reader.read()
    }

    private struct TreeReader {
        struct Level {
            var node: Node
            var name: [UInt8]
            var pending: [Entry]
            var children: [(name: [UInt8], node: FileTree.NodeID)] = []
        }

        let volume: Ext4Volume
        var tree = FileTree()
        var others: [(path: [UInt8], node: Node)] = []
        var folders: Set<UInt32> = []
        var known: [UInt32: FileTree.NodeID] = [:]
        var special: [UInt32: Node] = [:]
        var blockBudget: UInt64
        var runBudget: UInt64
        /// Bytes of names and entries that a tree can count.
        var nameBudget = UInt64(UInt32.max)

        init(volume: Ext4Volume) {
            self.volume = volume
            blockBudget = volume.superblock.blocks
            runBudget = volume.superblock.mapLimit
        }

        mutating func read() throws(ImageError) -> Contents {
            var levels = [try enter(try volume.root(), [])]
            while true {
                let depth = levels.count - 1
                guard let entry = levels[depth].pending.popLast() else {
                    let level = levels.removeLast()
                    let node = try tree.addDirectory(level.children, level.node.attributes)
                    guard depth > 0 else {
                        tree.root = node
                        return Contents(tree: tree, others: others)
                    }
                    levels[depth - 1].children.append((level.name, node))
                    continue
                }
                if let node = known[entry.inode] {
                    levels[depth].children.append((entry.name, node))
                    continue
                }
                let node: Node
                if let seen = special[entry.inode] { node = seen } else { node = try volume.node(entry.inode) }
                switch node.kind {
                case .directory:
                    guard levels.count < Ext4Volume.depthLimit else {
                        throw ImageError(
                            .doesNotFit, "cannot read a folder that lies \(Ext4Volume.depthLimit) folders deep,",
                            reason: "its inode is \(node.inode)")
                    }
                    levels.append(try enter(node, entry.name))
                case .file:
                    let (source, offset) = try volume.place(of: node, runBudget: &runBudget)
                    let added = tree.addFile(source, offset: offset, size: node.size, node.attributes)
                    if node.links > 1 { known[entry.inode] = added }
                    levels[depth].children.append((entry.name, added))
                case .symlink:
                    let added = tree.addSymlink(to: try volume.target(of: node), node.attributes)
                    known[entry.inode] = added
                    levels[depth].children.append((entry.name, added))
                default:
                    special[entry.inode] = node
                    var path: [UInt8] = []
                    for level in levels.dropFirst() { path += level.name + [0x2F] }
                    path += entry.name
                    guard UInt64(path.count) <= nameBudget else { throw tooMuch() }
                    nameBudget -= UInt64(path.count)
                    others.append((path, node))
                }
            }
        }

        private func tooMuch() -> ImageError {
            ImageError(.doesNotFit, "cannot read the filesystem's names", reason: "they have more than 4 GiB")
        }

        private mutating func enter(_ node: Node, _ name: [UInt8]) throws(ImageError) -> Level {
            guard folders.insert(node.inode).inserted else {
                throw .damagedInode(node.inode, at: node.record.offset, "a folder that is in two places")
            }
            let entries = try volume.entries(of: node, blockBudget: &blockBudget)
            let bytes = entries.reduce(0 as UInt64) { $0 + UInt64($1.name.count) }
            guard bytes <= nameBudget else { throw tooMuch() }
            nameBudget -= bytes
            return Level(node: node, name: name, pending: entries.reversed())
        }
    }
}
