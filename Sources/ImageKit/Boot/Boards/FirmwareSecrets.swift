/// Secrets among the files that the user's directories bring to the firmware partition. FAT does not store their modes,
/// so anybody may be able to read them there.
struct FirmwareSecrets {
    /// Whether there is a file that not everybody may read on the host.
    private(set) var isPrivate = false
    /// A sentence for each private key.
    private(set) var warnings: [Advice] = []

    /// Looks at each file of the directories that a later directory did not replace.
    ///
    /// - Parameters:
    ///   - directories: for each directory, the range of the indices of its nodes.
    ///   - root: the top directory that results from merging the directories in their order.
    /// - Throws: when a file cannot be read.
    init(
        in directories: [Range<Int>], below root: FileTree.NodeID, of tree: FileTree
    ) throws(ImageError) {
        var hidden: Set<FileTree.NodeID> = []
        // A scan gives the content of a directory smaller indices than the directory, so this goes from the top down.
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
    /// Whether a node is a directory that is not empty, and that users other than owner and group cannot list or enter.
    func isClosed(_ node: NodeID) -> Bool {
        kind(of: node) == .directory && size(of: node) > 0 && attributes(of: node).permissions & 0o005 != 0o005
    }
}
