/// Keeps secrets from being readable by accident: private keys in the image, and the image itself.
struct SecretFiles {
    /// Nodes whose mode was said explicitly, and is meant.
    let modesAreMeant: [Range<Int>]

    /// What a private key's file has near its beginning.
    private static let ageKey = Array("AGE-SECRET-KEY-1".utf8)
    private static let armour = Array("-----BEGIN ".utf8)
    private static let key = Array("PRIVATE KEY".utf8)
    private static let longestLine = 80
    /// Bytes of a file that are looked at.
    private static let head: UInt64 = 4096

    /// Looks at everything that was added.
    ///
    /// - Returns: whether there is a file that others than its owner and group may not read, or a folder with something
    ///   in it that they may not enter. Then the image is not for everybody either.
    /// - Throws: when a file that holds a private key can be read by its group or by others in the image, or one cannot
    ///   be read by us.
    func check(_ added: [RootOverlay.Added], in tree: FileTree) throws(ImageError) -> Bool {
        var isPrivate = false
        for item in added {
            guard let top = item.node else {
                if item.attributes.permissions & 0o001 == 0 { isPrivate = true }
                continue
            }
            try tree.walk(from: top) { path, node throws(ImageError) in
                let permissions = tree.attributes(of: node).permissions
                switch tree.kind(of: node) {
                case .symlink: break
                case .directory: if permissions & 0o001 == 0, tree.size(of: node) > 0 { isPrivate = true }
                case .file:
                    if permissions & 0o004 == 0 { isPrivate = true }
                    // Each is read, so that one that cannot be is found out before anything is written.
                    guard try holdsPrivateKey(node, in: tree), permissions & 0o044 != 0,
                        !modesAreMeant.contains(where: { $0.contains(Int(node.index)) })
                    else { return }
                    let below = path.isEmpty ? "" : "/" + String(decoding: path, as: UTF8.self)
                    let mode = String(permissions, radix: 8)
                    throw ImageError(
                        .invalidInput, "a private key would be readable in the image:", path: item.path + below,
                        reason: "its mode is \(String(repeating: "0", count: max(0, 4 - mode.count)))\(mode)",
                        remedy: "'chmod 600' its source, or say which mode is meant with "
                            + "'--copy SRC:\(item.path + below):MODE'")
                }
            }
        }
        return isPrivate
    }

    /// Whether a file's first bytes are those of a private key: OpenSSH's, PEM's, PGP's or age's.
    private func holdsPrivateKey(_ node: FileTree.NodeID, in tree: FileTree) throws(ImageError) -> Bool {
        let count = Int(min(tree.size(of: node), Self.head))
        var bytes = [UInt8](repeating: 0, count: count)
        try tree.read(node, count: count, at: 0, into: &bytes)
        return Self.isPrivateKey(bytes)
    }

    static func isPrivateKey(_ bytes: [UInt8]) -> Bool {
        if bytes.firstRange(of: ageKey) != nil { return true }
        var rest = bytes[...]
        while let begin = rest.firstRange(of: armour) {
            let line = rest[begin.upperBound...].prefix(longestLine).prefix { $0 != 0x0A && $0 != 0x0D }
            if line.firstRange(of: key) != nil { return true }
            rest = rest[begin.upperBound...]
        }
        return false
    }
}
