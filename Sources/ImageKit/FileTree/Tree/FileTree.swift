/// The content of a filesystem as a value: directories, files and symbolic links with their metadata, and the origin of
/// each file's bytes (or the bytes themselves, if they are few).
///
/// Hard links are one node with several names. The entries of a directory are sorted by the bytes of their names, so
/// equal trees have equal results. Trees are built from the leaves up: a directory is added after its entries.
///
/// ```
///   root ──▶ directory ──▶ entries, sorted by name ──▶ node (metadata, content)
///                         "busybox"     ───────────▶ 17
///                         "busybox-link" ──────────▶ 17   (a hard link)
/// ```
public struct FileTree: Sendable {
    /// A node of the tree.
    public struct NodeID: Hashable, Sendable, Comparable {
        let index: UInt32
        /// Compares by the order in which nodes were added.
        public static func < (left: NodeID, right: NodeID) -> Bool { left.index < right.index }
    }

    /// The kind of a node.
    public enum Kind: UInt8, Sendable {
        /// A directory.
        case directory
        /// A regular file.
        case file
        /// A symbolic link.
        case symlink
    }

    /// The origin of a file's bytes.
    public enum Content: Sendable {
        /// Bytes in memory.
        case bytes(ArraySlice<UInt8>)
        /// A whole host file.
        case host(HostFiles.FileID)
        /// Another source, from a byte offset on.
        case source(any ByteSource, offset: UInt64)
    }

    struct Node: Sendable {
        var kind: Kind
        var storage: Storage
        var attributes: FileAttributes
        /// Bytes; for a directory, the number of entries.
        var size: UInt64
        /// The index of a directory's first entry. For other nodes, see ``Storage``.
        var location: UInt64
    }

    /// What the location of a file or link is.
    enum Storage: UInt8, Sendable {
        /// A position in ``FileTree/bytes``.
        case memory
        /// An index of ``FileTree/hostFiles``.
        case host
        /// An index of ``FileTree/sources``.
        case source
    }

    struct Entry: Sendable {
        /// The offset of the name in ``FileTree/names``.
        var nameOffset: UInt32
        var nameLength: UInt8
        var node: NodeID
    }

    var nodes: [Node] = []
    var entries: [Entry] = []
    var names: [UInt8] = []
    /// The targets of links, and the content of files in memory.
    var bytes = BytePool()
    var sources: [(any ByteSource, UInt64)] = []
    /// The host files that content comes from.
    public var hostFiles = HostFiles()
    /// The top directory. The caller sets it when the tree is complete.
    public var root = NodeID(index: 0)

    /// Makes an empty tree.
    public init() {}

    // MARK: Building

    /// Adds a regular file with bytes in memory.
    public mutating func addFile(_ content: some Collection<UInt8>, _ attributes: FileAttributes) -> NodeID {
        add(
            Node(
                kind: .file, storage: .memory, attributes: attributes, size: UInt64(content.count),
                location: bytes.add(content)))
    }

    /// Adds a regular file with the bytes of a host file, and the size that ``hostFiles`` has.
    public mutating func addFile(_ file: HostFiles.FileID, _ attributes: FileAttributes) -> NodeID {
        add(
            Node(
                kind: .file, storage: .host, attributes: attributes, size: hostFiles.identity(of: file).size,
                location: UInt64(file.index)))
    }

    /// Adds a regular file with `size` bytes of another source from `offset` on.
    public mutating func addFile(
        _ source: any ByteSource, offset: UInt64, size: UInt64, _ attributes: FileAttributes
    ) -> NodeID {
        sources.append((source, offset))
        return add(
            Node(
                kind: .file, storage: .source, attributes: attributes, size: size, location: UInt64(sources.count - 1)))
    }

    /// Adds a symbolic link.
    public mutating func addSymlink(to target: some Collection<UInt8>, _ attributes: FileAttributes) -> NodeID {
        add(
            Node(
                kind: .symlink, storage: .memory, attributes: attributes, size: UInt64(target.count),
                location: bytes.add(target)))
    }

    /// Adds a directory with these entries, in any order.
    /// - Throws: ``ImageError/Code/invalidInput`` if a name occurs twice, is empty, is longer than 255 bytes, is `.` or
    ///   `..`, or contains a slash or a zero byte.
    public mutating func addDirectory(
        _ children: [(name: [UInt8], node: NodeID)], _ attributes: FileAttributes
    ) throws(ImageError) -> NodeID {
        let sorted = children.sorted { $0.name.lexicographicallyPrecedes($1.name) }
        let first = entries.count
        var previous: [UInt8]?
        for (name, node) in sorted {
            try Self.check(name)
            guard name != previous else { throw Self.duplicate(name) }
            let offset = UInt32(names.count)
            names.append(contentsOf: name)
            entries.append(Entry(nameOffset: offset, nameLength: UInt8(name.count), node: node))
            previous = name
        }
        return add(
            Node(
                kind: .directory, storage: .memory, attributes: attributes, size: UInt64(sorted.count),
                location: UInt64(first)))
    }

    /// Adds a directory with the names of a host directory. `childNodes` are the nodes of the names, in the same order.
    mutating func addDirectory(
        _ children: DirectoryNames, _ childNodes: [NodeID], _ attributes: FileAttributes
    ) throws(ImageError) -> NodeID {
        let first = entries.count
        for (index, node) in childNodes.enumerated() {
            let offset = names.count
            children.withName(at: index) { name, length in
                names.append(contentsOf: UnsafeRawBufferPointer(start: name, count: length))
            }
            // Some filesystems allow longer names, and a directory that changes during the scan may list a name twice.
            if names.count - offset > 255 { try Self.check(children[index]) }
            if index > 0, children.isSame(index - 1, index) { throw Self.duplicate(children[index]) }
            entries.append(
                Entry(nameOffset: UInt32(offset), nameLength: UInt8(names.count - offset), node: node))
        }
        return add(
            Node(
                kind: .directory, storage: .memory, attributes: attributes, size: UInt64(childNodes.count),
                location: UInt64(first)))
    }

    private static func duplicate(_ name: [UInt8]) -> ImageError {
        ImageError(
            .invalidInput, "two entries of one folder have the same name", path: String(decoding: name, as: UTF8.self))
    }

    mutating func add(_ node: Node) -> NodeID {
        nodes.append(node)
        return NodeID(index: UInt32(nodes.count - 1))
    }

    /// Throws if `name` cannot be the name of a file: empty, longer than 255 bytes, `.`, `..`, or with a slash or zero.
    static func check(_ name: [UInt8]) throws(ImageError) {
        func refuse(_ reason: String) -> ImageError {
            ImageError(
                .invalidInput, "a file cannot have the name", path: String(decoding: name.prefix(300), as: UTF8.self),
                reason: reason, remedy: "rename it")
        }
        if name.isEmpty { throw refuse("it is empty") }
        if name.count > 255 { throw refuse("it has \(name.count) bytes and 255 is the limit") }
        if name == [0x2E] || name == [0x2E, 0x2E] { throw refuse("it means the folder itself or the one above") }
        if name.contains(0x2F) || name.contains(0) { throw refuse("it contains a slash or a zero byte") }
    }

    // MARK: Reading

    /// The kind of a node.
    public func kind(of node: NodeID) -> Kind { nodes[Int(node.index)].kind }

    /// The metadata of a node.
    public func attributes(of node: NodeID) -> FileAttributes { nodes[Int(node.index)].attributes }

    /// The size of a file or link in bytes; for a directory, the number of entries.
    public func size(of node: NodeID) -> UInt64 { nodes[Int(node.index)].size }

    /// The content of a regular file; empty for a directory.
    public func content(of node: NodeID) -> Content {
        let node = nodes[Int(node.index)]
        switch (node.kind, node.storage) {
        case (.directory, _): return .bytes([])
        case (_, .memory): return .bytes(bytes[node.location, count: node.size])
        case (_, .host): return .host(HostFiles.FileID(index: UInt32(node.location)))
        case (_, .source):
            let (source, offset) = sources[Int(node.location)]
            return .source(source, offset: offset)
        }
    }

    /// The target of a symbolic link; empty for other nodes.
    public func target(of node: NodeID) -> ArraySlice<UInt8> {
        let node = nodes[Int(node.index)]
        return node.kind == .symlink ? bytes[node.location, count: node.size] : []
    }

    /// The chunk of ``bytes`` that has a link's target, or a file's content in memory, and the range in the chunk.
    func memoryRange(of node: NodeID) -> (chunk: Int, bytes: Range<Int>) {
        let node = nodes[Int(node.index)]
        return BytePool.range(at: node.location, count: node.size)
    }

    /// The indices of a directory's entries, in the order of their names; empty for other nodes.
    func entryRange(of node: NodeID) -> Range<Int> {
        let node = nodes[Int(node.index)]
        return node.kind == .directory ? Int(node.location)..<Int(node.location) + Int(node.size) : 0..<0
    }

    /// The name of an entry.
    func name(ofEntry index: Int) -> ArraySlice<UInt8> {
        let entry = entries[index]
        return names[Int(entry.nameOffset)..<Int(entry.nameOffset) + Int(entry.nameLength)]
    }

    /// The entries of a directory in the order of their names' bytes; empty for other nodes.
    public func children(of node: NodeID) -> [(name: ArraySlice<UInt8>, node: NodeID)] {
        entryRange(of: node).map { (name(ofEntry: $0), entries[$0].node) }
    }

    /// The entry with a name in a directory; `nil` if there is none.
    public func child(_ name: some Collection<UInt8>, of node: NodeID) -> NodeID? {
        let range = entryRange(of: node)
        let index = range.partitioningIndex { !self.name(ofEntry: $0).lexicographicallyPrecedes(name) }
        guard index < range.upperBound, self.name(ofEntry: index).elementsEqual(name) else { return nil }
        return entries[index].node
    }

    /// The node at a path of names from the root; `nil` if there is none. Symbolic links are not followed.
    public func node(at path: String) -> NodeID? {
        var node = root
        for name in path.utf8.split(separator: UInt8(ascii: "/")) {
            guard let next = child(name, of: node) else { return nil }
            node = next
        }
        return node
    }
}
