extension FileTree {
    /// The number of names that a file of ext4 can have (`EXT4_LINK_MAX`).
    static let maximumLinks = 65_000

    /// The rule that makes names hard links of one file.
    public enum LinkRule: Sendable {
        /// Files with equal bytes, permissions and owners become one file. Symbolic links stay separate.
        case byContent(threads: Int)
        /// The links are those of the host.
        case asScanned
    }

    /// The effect of joining names.
    public struct LinkSavings: Sendable, Hashable {
        /// The number of names that now share the file of another name.
        public var names: UInt64 = 0
        /// The bytes that the files of these names had.
        public var bytes: UInt64 = 0
    }

    /// Decides which names below `top` are hard links of each other. No file gets more than 65,000 names.
    ///
    /// With ``LinkRule/byContent(threads:)``, hard links of the host do not influence the result; they only save
    /// reading.
    ///
    /// - Throws: errors of reading files, and ``ImageError/Code/cancelled``.
    @discardableResult
    public mutating func joinLinks(
        under top: NodeID, _ rule: LinkRule, progress: Progress? = nil
    ) throws(ImageError) -> LinkSavings {
        var classes = Array(nodes.indices.map { UInt32($0) })
        var keepsSymlinks = true
        if case .byContent(let threads) = rule {
            var search = DuplicateSearch(tree: self, top: top)
            try search.run(threads: threads, progress: progress, into: &classes)
            keepsSymlinks = false
        }
        return relink(under: top, classes: classes, keepsSymlinks: keepsSymlinks)
    }

    /// Points every name below `top` to the node of its class. A node with too many names is followed by a copy. The
    /// order of names decides, so the result does not depend on the numbers of nodes.
    private mutating func relink(under top: NodeID, classes: [UInt32], keepsSymlinks: Bool) -> LinkSavings {
        var savings = LinkSavings()
        var current: [UInt32: (node: NodeID, links: Int)] = [:]
        var stack = [entryRange(of: top)]
        while let range = stack.last {
            guard let index = range.first else {
                stack.removeLast()
                continue
            }
            stack[stack.count - 1] = range.dropFirst()
            let node = entries[index].node
            let kind = kind(of: node)
            if kind == .directory {
                stack.append(entryRange(of: node))
                continue
            }
            let key = classes[Int(node.index)]
            if let known = current[key] {
                if known.links < Self.maximumLinks, kind == .file || keepsSymlinks {
                    current[key]?.links += 1
                    entries[index].node = known.node
                    savings.names += 1
                    savings.bytes += size(of: node)
                } else {
                    nodes.append(nodes[Int(node.index)])
                    let copy = NodeID(index: UInt32(nodes.count - 1))
                    current[key] = (copy, 1)
                    entries[index].node = copy
                }
            } else {
                current[key] = (node, 1)
            }
        }
        return savings
    }
}
