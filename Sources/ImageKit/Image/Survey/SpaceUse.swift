/// The space that an image's content takes: a tree of sizes.
///
/// ```
///   disk ─┬─ partition ─┬─ store path ── directory ── file
///         │             ├─ directory, file            (outside of /nix/store)
///         │             ├─ the filesystem's own structures
///         │             └─ free space
///         └─ space in no partition
/// ```
///
/// Store paths are directly below their partition. A file with several names is counted with the first one that the
/// walk meets, since it takes its space only once.
package struct SpaceUse: Sendable {
    /// The kind of a node.
    package enum Kind: UInt8, Sendable, Hashable, CaseIterable {
        /// The whole disk, or a partition.
        case disk, partition
        /// An entry of `/nix/store`.
        case storePath
        /// An entry of any other directory; `special` are devices, pipes and sockets.
        case directory, file, link, special
        /// A filesystem's own structures, and its free space; space of unknown use; space in no partition.
        case structures, free, other, gap
    }

    /// A node of the tree.
    package struct Node: Sendable {
        /// The index of its parent, which is smaller than its own; −1 for the disk.
        package var parent: Int32
        /// Its kind.
        package var kind: Kind
        /// Its name in the parent. It may contain any character that a file's name can contain.
        package var name: String
        /// The length of a file in bytes, holes included.
        package var size: UInt64 = 0
        /// Bytes that it takes on the disk itself, without its children.
        package var disk: UInt64 = 0
        /// The estimated bytes that it takes in a compressed image, without its children.
        package var compressed = 0.0
        /// The number of names that a file has in the image; 1 for everything else.
        package var names: UInt32 = 1
    }

    /// The figures of a store path.
    package struct StorePathUse: Sendable {
        /// The index of its node.
        package var node: Int32
        /// The number of names of files and links in it, and the bytes of these files, including those that are shared.
        package var files: UInt64 = 0, size: UInt64 = 0
        /// The part of these bytes that belongs to files whose first name is elsewhere.
        package var shared: UInt64 = 0
    }

    /// All nodes, parents before their children. The first is the disk.
    package internal(set) var nodes: [Node] = [Node(parent: -1, kind: .disk, name: "disk")]
    /// The store paths, in the order of the disk's filesystems and of their names.
    package internal(set) var storePaths: [StorePathUse] = []
    /// The indices of files with several names.
    package internal(set) var linked: [Int32] = []
    /// The number of names without a node, because there are too many. Their space is counted with their directory.
    package internal(set) var omitted: UInt64 = 0

    /// The number of nodes that are recorded.
    static let maximumNodes = 1 << 21

    init() {}

    /// Adds a node.
    /// - Returns: its index.
    mutating func add(_ kind: Kind, _ name: String, in parent: Int32) -> Int32 {
        nodes.append(Node(parent: parent, kind: kind, name: name))
        return Int32(nodes.count - 1)
    }

    /// For each node, the sum of a figure over the node and all nodes below it.
    package func totals<Figure: AdditiveArithmetic>(_ figure: (Node) -> Figure) -> [Figure] {
        var sums = nodes.map(figure)
        for index in nodes.indices.reversed() {
            let parent = Int(nodes[index].parent)
            if parent >= 0 { sums[parent] += sums[index] }
        }
        return sums
    }

    /// The names from the partition down to a node, joined by slashes.
    package func path(of node: Int32) -> String {
        var names: [String] = []
        var index = Int(node)
        while nodes.indices.contains(index) {
            let node = nodes[index]
            if node.kind == .partition || node.kind == .disk { break }
            names.append(node.kind == .storePath ? "nix/store/" + node.name : node.name)
            index = Int(node.parent)
        }
        return "/" + names.reversed().joined(separator: "/")
    }

    /// The files with several names, the number of their further names, and the bytes that these would take as copies.
    package var savings: (files: Int, names: UInt64, bytes: UInt64) {
        var names: UInt64 = 0, bytes: UInt64 = 0
        for index in linked {
            let node = nodes[Int(index)]
            names += UInt64(node.names) - 1
            bytes = bytes.addingClamping(node.disk.multipliedClamping(by: UInt64(node.names) - 1))
        }
        return (linked.count, names, bytes)
    }
}
