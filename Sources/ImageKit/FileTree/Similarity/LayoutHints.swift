/// The order in which the data of a tree should be laid out on a disk.
///
/// Hints change the positions of the data and how well it compresses, and nothing else. A tree can be laid out without
/// any.
public struct LayoutHints: Sendable {
    /// A subtree whose data stays together on the disk, such as a store path.
    public struct Unit: Sendable {
        /// The top of the subtree.
        public var node: FileTree.NodeID
        /// A number that depends only on the unit's name.
        public var key: UInt64

        /// See the properties of the same names.
        public init(node: FileTree.NodeID, key: UInt64) {
            self.node = node
            self.key = key
        }
    }

    /// The units whose data is laid out first, in this order. The other data follows in tree order.
    public var units: [Unit]
    /// Parts of files that are laid out side by side because they are similar. Each cluster fits a frame.
    private(set) var clusters: [[FileTree.Part]] = []

    /// Hints without similar parts: see ``gatherSimilar(in:threads:progress:)``.
    public init(units: [Unit] = []) { self.units = units }

    /// Finds similar parts of large files of a tree, to lay them out side by side.
    ///
    /// Call it when the tree is complete and ``units`` are set.
    /// - Parameter threads: the number of threads that read, at least 1.
    public mutating func gatherSimilar(
        in tree: FileTree, threads: Int, progress: Progress? = nil
    ) throws(ImageError) {
        let groups = order(of: tree).map(\.nodes)
        clusters = try tree.similarParts(of: groups, threads: threads, progress: progress)
    }

    /// The nodes that the root reaches, each once: unit by unit, then those outside of units, without a key.
    func order(of tree: FileTree) -> [(key: UInt64?, nodes: [FileTree.NodeID])] {
        var isReachable = [Bool](repeating: false, count: tree.nodes.count)
        _ = tree.nodesInOrder(from: tree.root, seen: &isReachable)
        // A node that was replaced in the tree may still be in a unit. It is left out.
        var seen = isReachable.map { !$0 }
        var groups: [(key: UInt64?, nodes: [FileTree.NodeID])] = []
        for unit in units where !seen[Int(unit.node.index)] {
            groups.append((unit.key, tree.nodesInOrder(from: unit.node, seen: &seen)))
        }
        return groups + [(nil, tree.nodesInOrder(from: tree.root, seen: &seen))]
    }
}
