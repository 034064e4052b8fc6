/// Reads a volume's directories one by one, so that all together cost no more than the filesystem has: no directory is read twice,
/// and no more blocks or entries than there can be.
struct DirectoryReader {
    let volume: ImageVolume
    private var directories: Set<UInt64> = []
    private var blockBudget: UInt64 = 0
    private var entryBudget = FATVolume.maximumEntries

    init(_ volume: ImageVolume) {
        self.volume = volume
        if case .ext4(let volume) = volume { blockBudget = volume.superblock.blocks }
    }

    /// What is in a directory, in the order of the names' bytes.
    ///
    /// - Parameters:
    ///   - path: how errors call it.
    ///   - leavingOutStorePaths: whether nothing is read of what is called like a store path, nor of `.links`, which
    ///     has nothing but other names of files in store paths.
    ///   - onDamage: hears of inodes that cannot be read; unless it throws (as it does by default), the others are
    ///     given.
    mutating func children(
        of directory: ImageNode, at path: [UInt8]? = nil, leavingOutStorePaths: Bool = false,
        onDamage: (_ name: [UInt8], ImageError) throws(ImageError) -> Void = { (_, error) throws(ImageError) in
            throw error
        }
    ) throws(ImageError) -> [(name: [UInt8], node: ImageNode)] {
        guard directories.insert(directory.identity).inserted else {
            throw ImageError(
                .corrupt, "cannot read a folder that is in two places\(path == nil ? "" : ":")",
                path: path.map { String(decoding: $0, as: UTF8.self) },
                reason: directory.inode.map { "its inode is \($0)" })
        }
        var children: [(name: [UInt8], node: ImageNode)] = []
        switch (volume, directory.storage) {
        case (.fat(let volume), .fat(let directory)):
            let entries = try volume.entries(of: directory)
            guard entries.count <= entryBudget else { throw FATVolume.tooMany() }
            entryBudget -= entries.count
            children = entries.map { (Array($0.name.utf8), ImageNode($0)) }
                .filter { !leavingOutStorePaths || !Self.isStores($0.name) }
                .sorted { $0.name.lexicographicallyPrecedes($1.name) }
        case (.ext4(let volume), .ext4(let node)):
            for entry in try volume.entries(of: node, blockBudget: &blockBudget) {
                if leavingOutStorePaths, Self.isStores(entry.name) { continue }
                do throws(ImageError) {
                    children.append((entry.name, ImageNode(try volume.node(entry.inode))))
                } catch {
                    try onDamage(entry.name, error)
                }
            }
        default: throw ImageVolume.mixed
        }
        return children
    }

    private static func isStores(_ name: [UInt8]) -> Bool {
        StorePath(entry: name) != nil || name == Array(".links".utf8)
    }

    /// Adds up a file, or all that is in a directory: bytes of files and links, and names.
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
