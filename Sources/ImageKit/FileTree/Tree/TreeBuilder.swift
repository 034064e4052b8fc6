/// The upper directories of a tree while nodes are added at paths.
///
/// The builder makes the directories on the way to a path. It never replaces a node.
public struct TreeBuilder: Sendable {
    private enum Item: Sendable {
        case node(FileTree.NodeID)
        case directory(TreeBuilder)
    }

    private var items: [[UInt8]: Item] = [:]
    /// Metadata of the directories that the builder makes: everyone may read them, and only root may change them.
    private static let attributes = FileAttributes(permissions: 0o755)

    /// Makes an empty top directory.
    public init() {}

    /// Adds a node at an absolute path.
    /// - Throws: ``ImageError/Code/invalidInput`` if the path is not absolute, is too long or contains `.` or `..`, if
    ///   it has a node already, or if a component on the way is no directory that this builder made.
    public mutating func put(_ node: FileTree.NodeID, at path: String) throws(ImageError) {
        try put(node, at: Self.components(of: path)[...], path)
    }

    /// The components of a file's absolute path.
    /// - Throws: when the path is not absolute or too long, names the top directory, or has `.` or `..` in it.
    static func components(of path: String) throws(ImageError) -> [[UInt8]] {
        guard path.utf8.count < 4096 else {
            throw ImageError(
                .invalidInput, "cannot put a file at a path of \(path.utf8.count) bytes", reason: "4,095 is the limit")
        }
        let parts = path.utf8.split(separator: UInt8(ascii: "/")).map(Array.init)
        guard path.utf8.first == UInt8(ascii: "/"), !parts.isEmpty, !parts.contains([0x2E]),
            !parts.contains([0x2E, 0x2E])
        else {
            throw ImageError(
                .invalidInput, "cannot put a file at", path: path, reason: "it is no absolute path of a file",
                remedy: "write it from the root on, without '..'")
        }
        return parts
    }

    /// The error for a path where there is a file already, or that leads through one.
    static func taken(_ path: String) -> ImageError {
        ImageError(
            .invalidInput, "cannot put a file at", path: path, reason: "something else is there already",
            remedy: "choose another place")
    }

    private mutating func put(
        _ node: FileTree.NodeID, at parts: ArraySlice<[UInt8]>, _ path: String
    ) throws(ImageError) {
        guard let name = parts.first else { return }
        if parts.count == 1 {
            guard items[name] == nil else { throw Self.taken(path) }
            items[name] = .node(node)
            return
        }
        var directory = TreeBuilder()
        switch items[name] {
        case .directory(let existing): directory = existing
        case .node: throw Self.taken(path)
        case nil: break
        }
        try directory.put(node, at: parts.dropFirst(), path)
        items[name] = .directory(directory)
    }

    /// Adds the directories to a tree.
    /// - Returns: the node of the top directory.
    public func build(into tree: inout FileTree) throws(ImageError) -> FileTree.NodeID {
        var children: [(name: [UInt8], node: FileTree.NodeID)] = []
        for (name, item) in items {
            switch item {
            case .node(let node): children.append((name, node))
            case .directory(let directory): children.append((name, try directory.build(into: &tree)))
            }
        }
        return try tree.addDirectory(children, Self.attributes)
    }
}
