/// Reads directories of one volume, each at most once, so that all of them together cost no more than the filesystem
/// can hold: a budget of blocks (ext4) or entries (FAT) is spent over all directories.
struct DirectoryReader {
    private var directories: Set<UInt64> = []
    private var blockBudget: UInt64 = 0
    private var entryBudget = FATVolume.maximumEntries

    init(_ volume: ImageVolume) {
        if case .ext4(let volume) = volume { blockBudget = volume.superblock.blocks }
    }

    /// The files and directories in a directory, sorted by the bytes of their names.
    ///
    /// - Parameters:
    ///   - path: the directory's path, for errors.
    ///   - leavingOutStorePaths: whether to skip names that are store paths, without reading their inodes, and
    ///     `.links`, where Nix keeps further names of files in store paths.
    ///   - onDamage: is called for each inode that cannot be read. If it returns, the other children are still listed;
    ///     the default throws.
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
        switch directory.storage {
        case .fat(let directory, let volume):
            let entries = try volume.entries(of: directory)
            guard entries.count <= entryBudget else { throw FATVolume.tooMany() }
            entryBudget -= entries.count
            return entries.map { (Array($0.name.utf8), ImageNode($0, of: volume)) }
                .filter { !leavingOutStorePaths || !Self.isOfStore($0.name) }
                .sorted { $0.name.lexicographicallyPrecedes($1.name) }
        case .ext4(let directory, let volume):
            var children: [(name: [UInt8], node: ImageNode)] = []
            for entry in try volume.entries(of: directory, blockBudget: &blockBudget) {
                if leavingOutStorePaths, Self.isOfStore(entry.name) { continue }
                do throws(ImageError) {
                    children.append((entry.name, ImageNode(try volume.node(entry.inode), of: volume)))
                } catch {
                    try onDamage(entry.name, error)
                }
            }
            return children
        }
    }

    private static func isOfStore(_ name: [UInt8]) -> Bool {
        StorePath(entry: name) != nil || name.elementsEqual(".links".utf8)
    }

    /// The bytes of a file or link, or of everything below a directory, and the number of names below it.
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
