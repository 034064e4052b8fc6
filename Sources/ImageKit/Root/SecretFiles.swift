import Glibc

/// Keeps secrets from being readable by accident: private keys in the image, and the image itself.
struct SecretFiles {
    /// Nodes whose mode was said explicitly, and is meant.
    let modesAreMeant: [Range<Int>]

    /// What a private key's file has somewhere. After age's come the digits of a Bech32 text, or the name of a newer kind.
    private static let ageKey = Array("AGE-SECRET-KEY-".utf8)
    private static let armour = Array("-----BEGIN ".utf8)
    private static let key = Array("PRIVATE KEY".utf8)
    private static let longestLine = 80
    /// What a program begins with: those that read and write keys have all these words in them.
    private static let program: [UInt8] = [0x7F, 0x45, 0x4C, 0x46]
    /// Bytes of a file that are looked at: a key may come after a long chain of certificates.
    static let head: UInt64 = 1 << 20
    /// Bytes that are looked at at once, and how many of them again with the next, which a key may begin in.
    private static let window: UInt64 = 1 << 17
    private static let overlap = UInt64(armour.count + longestLine)

    /// Looks at everything that was added to the root filesystem.
    ///
    /// - Returns: whether there is a file that others than its owner and group may not read, or a directory with something
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
                    guard try Self.holdsPrivateKey(node, in: tree), permissions & 0o044 != 0, !isMeant(node) else {
                        return
                    }
                    let below = path.isEmpty ? "" : "/" + String(decoding: path, as: UTF8.self)
                    throw ImageError(
                        .invalidInput, "a private key would be readable in the image:", path: item.path + below,
                        reason: "its mode is \(permissions.digits(radix: 8, width: 4))",
                        remedy: "'chmod 600' its source, or say which mode is meant with "
                            + "'--copy SRC:\(item.path + below):MODE'")
                }
            }
        }
        return isPrivate
    }

    /// Looks at what directories brought to the firmware partition, where FAT keeps none of their modes.
    ///
    /// - Parameters:
    ///   - directories: the nodes of each.
    ///   - root: has what is left of them after one was laid over the other.
    /// - Returns: whether there is a file that not everybody may read on the host, and a sentence for each private key.
    /// - Throws: when a file cannot be read.
    static func checkFirmware(
        _ directories: [Range<Int>], below root: FileTree.NodeID, in tree: FileTree
    ) throws(ImageError) -> (isPrivate: Bool, warnings: [String]) {
        var hidden: Set<FileTree.NodeID> = []
        // What is in a directory was added before it.
        for index in directories.joined().reversed() {
            let node = FileTree.NodeID(index: UInt32(index))
            guard isClosed(node, in: tree) || hidden.contains(node) else { continue }
            for (_, child) in tree.children(of: node) { hidden.insert(child) }
        }
        var isPrivate = false
        var warnings: [String] = []
        try tree.walk(from: root) { path, node throws(ImageError) in
            guard tree.kind(of: node) == .file, directories.contains(where: { $0.contains(Int(node.index)) }) else {
                return
            }
            if tree.attributes(of: node).permissions & 0o004 == 0 || hidden.contains(node) { isPrivate = true }
            if try holdsPrivateKey(node, in: tree) {
                warnings.append(
                    "'/\(String(decoding: path, as: UTF8.self))' on the firmware partition is a private key, and FAT has "
                        + "no modes: anybody on the running system may be able to read it")
            }
        }
        return (isPrivate, warnings)
    }

    /// Whether a node is a directory that hides what is in it from others, or the names of that.
    static func isClosed(_ node: FileTree.NodeID, in tree: FileTree) -> Bool {
        tree.kind(of: node) == .directory && tree.size(of: node) > 0
            && tree.attributes(of: node).permissions & 0o005 != 0o005
    }

    /// Whether the mode that a node has was said explicitly.
    func isMeant(_ node: FileTree.NodeID) -> Bool { modesAreMeant.contains { $0.contains(Int(node.index)) } }

    // MARK: What is a private key

    /// Whether there is a private key near a file's beginning: OpenSSH's, PEM's, PGP's or age's.
    private static func holdsPrivateKey(_ node: FileTree.NodeID, in tree: FileTree) throws(ImageError) -> Bool {
        let end = min(tree.size(of: node), head)
        var bytes = [UInt8](repeating: 0, count: Int(min(end, window)))
        var offset: UInt64 = 0
        while true {
            let count = Int(min(end - offset, window))
            try tree.read(node, count: count, at: offset, into: &bytes)
            if offset == 0, bytes.starts(with: Self.program) { return false }
            if bytes.withUnsafeBytes({ isPrivateKey($0[..<count]) }) { return true }
            if offset + UInt64(count) >= end { return false }
            offset += window - overlap
        }
    }

    static func isPrivateKey(_ bytes: [UInt8]) -> Bool { bytes.withUnsafeBytes { isPrivateKey($0[...]) } }

    private static func isPrivateKey(_ part: Slice<UnsafeRawBufferPointer>) -> Bool {
        let bytes = UnsafeRawBufferPointer(rebasing: part)
        var start = 0
        while let end = self.end(of: ageKey, in: bytes, from: start) {
            if let next = bytes[end...].first, isUppercaseOrDigit(next) { return true }
            start = end
        }
        start = 0
        while let end = self.end(of: armour, in: bytes, from: start) {
            let line = bytes[end...].prefix(longestLine).prefix { $0 != 0x0A && $0 != 0x0D }
            if self.end(of: key, in: UnsafeRawBufferPointer(rebasing: line), from: 0) != nil { return true }
            start = end
        }
        return false
    }

    private static func isUppercaseOrDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }

    /// Where a word that is found from a place on ends. (The collection's own search takes seconds for large directories.)
    private static func end(of word: [UInt8], in bytes: UnsafeRawBufferPointer, from start: Int) -> Int? {
        guard let base = bytes.baseAddress, let first = word.first else { return nil }
        var start = start
        while bytes.count - start >= word.count,
            let found = memchr(base + start, Int32(first), bytes.count - start - word.count + 1)
        {
            if memcmp(found, word, word.count) == 0 { return UnsafeRawPointer(found) - base + word.count }
            start = UnsafeRawPointer(found) - base + 1
        }
        return nil
    }
}
