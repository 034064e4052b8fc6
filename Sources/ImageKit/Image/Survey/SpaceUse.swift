/// What takes the space: a tree of sizes.
///
/// ```
///   disk ─┬─ partition ─┬─ store path ── directory ── file
///         │             ├─ directory, file            (what is not in /nix/store)
///         │             ├─ what the filesystem keeps for itself
///         │             └─ free space
///         └─ space in no partition
/// ```
///
/// Store paths lie right below their partition, whatever directories they are in. A file with several names is counted with the
/// first of them, as it takes its space only once.
public struct SpaceUse: Sendable {
    /// What a node is.
    public enum Kind: UInt8, Sendable, Hashable, CaseIterable {
        /// The whole disk, or a partition.
        case disk, partition
        /// What lies in `/nix/store`.
        case storePath
        /// What a filesystem holds; `special` are devices, pipes and sockets.
        case directory, file, link, special
        /// What a filesystem keeps for itself, and what it has free; what cannot be told; what is in no partition.
        case structures, free, other, gap
    }

    /// A part of what is in the one above it.
    public struct Node: Sendable {
        /// The node that it is in, which has a smaller number; −1 of the disk.
        public var parent: Int32
        /// What it is.
        public var kind: Kind
        /// Its name in the one above it. Anything may be in it that can be in a file's name.
        public var name: String
        /// A file's bytes as its length says.
        public var size: UInt64 = 0
        /// Bytes that it takes on the disk itself, without what is in it.
        public var disk: UInt64 = 0
        /// Bytes that it takes in a compressed image, about.
        public var compressed = 0.0
        /// Of a file with several names, how many were met; otherwise 1.
        public var names: UInt32 = 1
    }

    /// A store path's own figures.
    public struct StorePathUse: Sendable {
        /// Its node.
        public var node: Int32
        /// Names of files and links in it, and the bytes of these files, whether other store paths have them too or not.
        public var files: UInt64 = 0, size: UInt64 = 0
        /// How many of these bytes are counted elsewhere, with a name that came first.
        public var shared: UInt64 = 0
    }

    /// All nodes, one above before what is in it. The first is the disk.
    public internal(set) var nodes: [Node] = [Node(parent: -1, kind: .disk, name: "disk")]
    /// The store paths, in the order of the disk's filesystems and of their names.
    public internal(set) var storePaths: [StorePathUse] = []
    /// Files with several names.
    public internal(set) var linked: [Int32] = []
    /// Names that no node was made for, because there are too many. Their space is counted with the directory above.
    public internal(set) var omitted: UInt64 = 0

    /// As many nodes are kept.
    static let limit = 1 << 21

    init() {}

    mutating func add(_ kind: Kind, _ name: String, in parent: Int32) -> Int32 {
        nodes.append(Node(parent: parent, kind: kind, name: name))
        return Int32(nodes.count - 1)
    }

    /// Sums of a figure over each node and all that is in it.
    public func totals<Figure: AdditiveArithmetic>(_ figure: (Node) -> Figure) -> [Figure] {
        var sums = nodes.map(figure)
        for index in nodes.indices.reversed() {
            let parent = Int(nodes[index].parent)
            if parent >= 0 { sums[parent] += sums[index] }
        }
        return sums
    }

    /// The names from the partition down to a node, joined by slashes.
    public func path(of node: Int32) -> String {
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

    /// What links save: the bytes that further names would take.
    public var savings: (files: Int, names: UInt64, bytes: UInt64) {
        var names: UInt64 = 0, bytes: UInt64 = 0
        for index in linked {
            let node = nodes[Int(index)]
            names += UInt64(node.names) - 1
            bytes = bytes.addingClamping(node.disk.multipliedClamping(by: UInt64(node.names) - 1))
        }
        return (linked.count, names, bytes)
    }
}
