extension FileTree {
    /// The most names that ext4 lets one file have (`EXT4_LINK_MAX`).
    static let maximumLinks = 65_000

    /// How names of one directory are joined to files.
    public enum LinkRule: Sendable {
        /// Files with the same bytes, the same executable bit and the same owner are one file; symbolic links never are.
        case byContent(threads: Int)
        /// As the host has them.
        case asScanned
    }

    /// What joining names saved.
    public struct LinkSavings: Sendable, Hashable {
        /// Names that now point to a file that another name points to.
        public var names: UInt64 = 0
        /// The bytes of those files.
        public var bytes: UInt64 = 0
    }

    /// Decides which names below `top` are hard links of one another, so that no file has more than 65,000 names.
    ///
    /// By content, the links that the host happens to have make no difference to the outcome (they only save reading).
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

    /// Points every name below `top` to its class's node, and opens a new node whenever one is full. It goes by the order
    /// of names, so the outcome does not depend on how nodes are numbered.
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
