/// What a filesystem holds, as a value: directories, files and symbolic links, with their metadata, and where each file's
/// bytes can be had (or the bytes themselves, where they are few).
///
/// Hard links are one node under several names. The children of a directory are sorted by the bytes of their names, so the
/// same tree always comes out the same. Trees are built from the leaves up: a node is added once everything in it is.
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
        /// Nodes in the order in which they were added.
        public static func < (left: NodeID, right: NodeID) -> Bool { left.index < right.index }
    }

    /// What a node is.
    public enum Kind: UInt8, Sendable {
        /// A directory.
        case directory
        /// A regular file.
        case file
        /// A symbolic link.
        case symlink
    }

    /// Where a file's bytes are.
    public enum Content: Sendable {
        /// In memory.
        case bytes(ArraySlice<UInt8>)
        /// In a file of the host, whole.
        case host(HostFiles.FileID)
        /// In another source, from a byte offset on.
        case source(any ByteSource, offset: UInt64)
    }

    struct Node: Sendable {
        var kind: Kind
        var storage: Storage
        var attributes: FileAttributes
        var size: UInt64  // bytes; of a directory, its number of entries
        var place: UInt64  // of a directory, its first entry; else what `storage` says
    }

    enum Storage: UInt8, Sendable { case memory, host, source }

    struct Entry: Sendable {
        var name: UInt32
        var nameLength: UInt8
        var node: NodeID
    }

    var nodes: [Node] = []
    var entries: [Entry] = []
    var names: [UInt8] = []
    /// Links' targets, and the content of files that are in memory.
    var bytes = BytePool()
    var sources: [(any ByteSource, UInt64)] = []
    /// The host's files that the tree's content comes from.
    public var hostFiles = HostFiles()
    /// The top directory. Set once the tree is built.
    public var root = NodeID(index: 0)

    /// An empty tree.
    public init() {}

    // MARK: Building

    /// Adds a regular file whose bytes are in memory.
    public mutating func addFile(_ content: some Collection<UInt8>, _ attributes: FileAttributes) -> NodeID {
        add(
            Node(
                kind: .file, storage: .memory, attributes: attributes, size: UInt64(content.count),
                place: bytes.add(content)))
    }

    /// Adds a regular file whose bytes are a host file's; its size is the one in ``hostFiles``.
    public mutating func addFile(_ file: HostFiles.FileID, _ attributes: FileAttributes) -> NodeID {
        add(
            Node(
                kind: .file, storage: .host, attributes: attributes, size: hostFiles.identity(of: file).size,
                place: UInt64(file.index)))
    }

    /// Adds a regular file whose bytes are `size` bytes of another source from `offset` on.
    public mutating func addFile(
        _ source: any ByteSource, offset: UInt64, size: UInt64, _ attributes: FileAttributes
    ) -> NodeID {
        sources.append((source, offset))
        return add(
            Node(
                kind: .file, storage: .source, attributes: attributes, size: size, place: UInt64(sources.count - 1)))
    }

    /// Adds a symbolic link.
    public mutating func addSymlink(to target: some Collection<UInt8>, _ attributes: FileAttributes) -> NodeID {
        add(
            Node(
                kind: .symlink, storage: .memory, attributes: attributes, size: UInt64(target.count),
                place: bytes.add(target)))
    }

    /// Adds a directory with these entries, in any order. A name that no filesystem takes, or that comes twice, is an error.
    public mutating func addDirectory(
        _ children: [(name: [UInt8], node: NodeID)], _ attributes: FileAttributes
    ) throws(ImageError) -> NodeID {
        let sorted = children.sorted { $0.name.lexicographicallyPrecedes($1.name) }
        let first = entries.count
        var previous: [UInt8]?
        for (name, node) in sorted {
            try Self.check(name)
            guard name != previous else { throw Self.twice(name) }
            let place = UInt32(names.count)
            names.append(contentsOf: name)
            entries.append(Entry(name: place, nameLength: UInt8(name.count), node: node))
            previous = name
        }
        return add(
            Node(
                kind: .directory, storage: .memory, attributes: attributes, size: UInt64(sorted.count),
                place: UInt64(first)))
    }

    /// Adds a directory with these names, which are those of a directory of the host, each of which is a node.
    mutating func addDirectory(
        _ children: DirectoryNames, _ childNodes: [NodeID], _ attributes: FileAttributes
    ) throws(ImageError) -> NodeID {
        let first = entries.count
        for (index, node) in childNodes.enumerated() {
            let place = names.count
            children.withName(at: index) { name, length in
                names.append(contentsOf: UnsafeRawBufferPointer(start: name, count: length))
            }
            // Some filesystems have longer names than others, and a directory that changes may give a name twice.
            if names.count - place > 255 { try Self.check(children[index]) }
            if index > 0, children.isSame(index - 1, index) { throw Self.twice(children[index]) }
            entries.append(Entry(name: UInt32(place), nameLength: UInt8(names.count - place), node: node))
        }
        return add(
            Node(
                kind: .directory, storage: .memory, attributes: attributes, size: UInt64(childNodes.count),
                place: UInt64(first)))
    }

    private static func twice(_ name: [UInt8]) -> ImageError {
        ImageError(
            .invalidInput, "two entries of one folder have the same name", path: String(decoding: name, as: UTF8.self))
    }

    mutating func add(_ node: Node) -> NodeID {
        nodes.append(node)
        return NodeID(index: UInt32(nodes.count - 1))
    }

    /// Throws when `name` cannot be a file's name: empty, longer than 255 bytes, `.`, `..`, or with a slash or zero.
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

    // MARK: Looking

    /// What the node is.
    public func kind(of node: NodeID) -> Kind { nodes[Int(node.index)].kind }

    /// Its metadata.
    public func attributes(of node: NodeID) -> FileAttributes { nodes[Int(node.index)].attributes }

    /// A file's or link's size in bytes; a directory's number of entries.
    public func size(of node: NodeID) -> UInt64 { nodes[Int(node.index)].size }

    /// A regular file's content. (Of a directory, nothing.)
    public func content(of node: NodeID) -> Content {
        let node = nodes[Int(node.index)]
        switch (node.kind, node.storage) {
        case (.directory, _): return .bytes([])
        case (_, .memory): return .bytes(bytes[node.place, count: node.size])
        case (_, .host): return .host(HostFiles.FileID(index: UInt32(node.place)))
        case (_, .source):
            let (source, offset) = sources[Int(node.place)]
            return .source(source, offset: offset)
        }
    }

    /// A symbolic link's target.
    public func target(of node: NodeID) -> ArraySlice<UInt8> {
        let node = nodes[Int(node.index)]
        return node.kind == .symlink ? bytes[node.place, count: node.size] : []
    }

    /// Where in ``bytes`` a link's target is, or a file's content that is in memory.
    func placeInMemory(of node: NodeID) -> (chunk: Int, bytes: Range<Int>) {
        let node = nodes[Int(node.index)]
        return BytePool.range(at: node.place, count: node.size)
    }

    /// The indices of a directory's entries, in the order of their names; empty for anything else.
    func entryRange(of node: NodeID) -> Range<Int> {
        let node = nodes[Int(node.index)]
        return node.kind == .directory ? Int(node.place)..<Int(node.place) + Int(node.size) : 0..<0
    }

    /// An entry's name.
    func name(ofEntry index: Int) -> ArraySlice<UInt8> {
        let entry = entries[index]
        return names[Int(entry.name)..<Int(entry.name) + Int(entry.nameLength)]
    }

    /// A directory's entries in the order of their names' bytes; empty for anything else.
    public func children(of node: NodeID) -> [(name: ArraySlice<UInt8>, node: NodeID)] {
        entryRange(of: node).map { (name(ofEntry: $0), entries[$0].node) }
    }

    /// The entry of that name in a directory.
    public func child(_ name: some Collection<UInt8>, of node: NodeID) -> NodeID? {
        let range = entryRange(of: node)
        let index = range.partitioningIndex { !self.name(ofEntry: $0).lexicographicallyPrecedes(name) }
        guard index < range.upperBound, self.name(ofEntry: index).elementsEqual(name) else { return nil }
        return entries[index].node
    }

    /// The node at a path of names from the root (links are not followed).
    public func node(at path: String) -> NodeID? {
        var node = root
        for part in path.utf8.split(separator: UInt8(ascii: "/")) {
            guard let next = child(part, of: node) else { return nil }
            node = next
        }
        return node
    }
}
