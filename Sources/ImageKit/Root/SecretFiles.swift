/// Keeps files that are added to the root filesystem from being readable by accident: private keys in the image, and
/// the image itself.
struct SecretFiles {
    /// Nodes whose modes were given explicitly.
    let explicitModes: [Range<Int>]

    /// Checks everything that was added to the root filesystem.
    ///
    /// - Returns: whether there is a file that only its owner and group may read, or a directory that is not empty and
    ///   that only they may enter. Then the image is not for everybody either.
    /// - Throws: when the group or others could read a private key in the image, or when a file cannot be read.
    func check(_ added: [RootOverlay.Addition], in tree: FileTree) throws(ImageError) -> Bool {
        var isPrivate = false
        for addition in added {
            guard let top = addition.node else {
                if addition.attributes.permissions & 0o001 == 0 { isPrivate = true }
                continue
            }
            try tree.walk(from: top) { path, node throws(ImageError) in
                let permissions = tree.attributes(of: node).permissions
                switch tree.kind(of: node) {
                case .symlink: break
                case .directory: if permissions & 0o001 == 0, tree.size(of: node) > 0 { isPrivate = true }
                case .file:
                    if permissions & 0o004 == 0 { isPrivate = true }
                    let below = path.isEmpty ? "" : "/" + String(decoding: path, as: UTF8.self)
                    try check(node, at: addition.path + below, in: tree)
                }
            }
        }
        return isPrivate
    }

    private func check(_ node: FileTree.NodeID, at path: String, in tree: FileTree) throws(ImageError) {
        let permissions = tree.attributes(of: node).permissions
        // Each file is read, so that an unreadable one is found before anything is written.
        guard try PrivateKey.isIn(node, of: tree), permissions & 0o044 != 0, !hasExplicitMode(node) else { return }
        throw ImageError(
            .invalidInput, "a private key would be readable in the image:", path: path,
            reason: "its mode is \(permissions.digits(radix: 8, width: 4))",
            remedy: "'chmod 600' its source, or say which mode is meant with '\(.copy, "SRC:\(path):MODE")'")
    }

    /// Whether the mode of a node was given explicitly.
    func hasExplicitMode(_ node: FileTree.NodeID) -> Bool {
        explicitModes.contains { $0.contains(Int(node.index)) }
    }
}
