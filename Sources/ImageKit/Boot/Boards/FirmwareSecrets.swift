/// Secrets among the files that directories bring to the firmware partition, where FAT keeps none of their modes.
struct FirmwareSecrets {
    /// Whether there is a file that not everybody may read on the host.
    private(set) var isPrivate = false
    /// A sentence for each private key.
    private(set) var warnings: [Advice] = []

    /// Looks at each file that came from one of the directories and was not replaced by another.
    ///
    /// - Parameters:
    ///   - directories: the nodes of each directory.
    ///   - root: the directories after each was merged into those before it.
    /// - Throws: when a file cannot be read.
    init(
        in directories: [Range<Int>], below root: FileTree.NodeID, of tree: FileTree
    ) throws(ImageError) {
        var hidden: Set<FileTree.NodeID> = []
        // The content of a directory is added before the directory.
        for index in directories.joined().reversed() {
            let node = FileTree.NodeID(index: UInt32(index))
            guard tree.isClosed(node) || hidden.contains(node) else { continue }
            for (_, child) in tree.children(of: node) { hidden.insert(child) }
        }
        try tree.walk(from: root) { path, node throws(ImageError) in
            guard tree.kind(of: node) == .file, directories.contains(where: { $0.contains(Int(node.index)) }) else {
                return
            }
            if tree.attributes(of: node).permissions & 0o004 == 0 || hidden.contains(node) { isPrivate = true }
            if try PrivateKey.isIn(node, of: tree) {
                warnings.append(
                    "'/\(String(decoding: path, as: UTF8.self))' on the firmware partition is a private key, and FAT "
                        + "has no modes: anybody on the running system may be able to read it")
            }
        }
    }
}

extension FileTree {
    /// Whether a node is a directory that has something in it and hides that, or its names, from others.
    func isClosed(_ node: NodeID) -> Bool {
        kind(of: node) == .directory && size(of: node) > 0 && attributes(of: node).permissions & 0o005 != 0o005
    }
}
