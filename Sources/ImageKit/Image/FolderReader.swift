/// Reads a volume's folders one by one, so that all together cost no more than the filesystem has: no folder is read twice,
/// and no more blocks or entries than there can be.
struct FolderReader {
    let volume: ImageVolume
    private var folders: Set<UInt32> = []
    private var blockBudget: UInt64 = 0
    private var entryBudget = FATVolume.entryLimit

    init(_ volume: ImageVolume) {
        self.volume = volume
        if case .ext4(let volume) = volume { blockBudget = volume.superblock.blocks }
    }

    /// What is in a folder, in the order of the names' bytes.
    ///
    /// - Parameter leavingOutStorePaths: whether nothing is read of what is called like a store path, nor of `.links`, which
    ///   has nothing but other names of files in store paths.
    mutating func children(
        of folder: ImageNode, leavingOutStorePaths: Bool = false
    ) throws(ImageError) -> [(name: [UInt8], node: ImageNode)] {
        guard case (.ext4(let volume), .ext4(let node)) = (volume, folder.storage) else {
            let children = try volume.children(of: folder)
            guard children.count <= entryBudget else {
                throw ImageError(
                    .doesNotFit, "cannot read the whole FAT filesystem",
                    reason: "it has more than \(FATVolume.entryLimit) files and folders")
            }
            entryBudget -= children.count
            return children.filter { !leavingOutStorePaths || !Self.isStores($0.name) }
        }
        guard folders.insert(node.inode).inserted else {
            throw .damagedInode(node.inode, at: node.record.offset, "a folder that is in two places")
        }
        var children: [(name: [UInt8], node: ImageNode)] = []
        for entry in try volume.entries(of: node, blockBudget: &blockBudget) {
            if leavingOutStorePaths, Self.isStores(entry.name) { continue }
            children.append((entry.name, ImageNode(try volume.node(entry.inode))))
        }
        return children
    }

    private static func isStores(_ name: [UInt8]) -> Bool {
        StorePath(entry: name) != nil || name == Array(".links".utf8)
    }

    /// Adds up a file, or all that is in a folder: bytes of files and links, and names.
    mutating func sum(of top: ImageNode) throws(ImageError) -> (bytes: UInt64, entries: UInt64) {
        var bytes: UInt64 = 0, entries: UInt64 = 0
        var pending = [top]
        while let node = pending.popLast() {
            guard node.kind == .directory else {
                bytes = bytes.addingClamping(node.size)
                continue
            }
            let children = try children(of: node).map(\.node)
            entries += UInt64(children.count)
            pending += children
        }
        return (bytes, entries)
    }
}
