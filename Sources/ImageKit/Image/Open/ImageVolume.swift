/// A filesystem of an image, of whatever kind.
public enum ImageVolume: Sendable {
    /// FAT12, FAT16 or FAT32.
    case fat(FATVolume)
    /// ext2, ext3 or ext4.
    case ext4(Ext4Volume)

    /// The top directory.
    public func root() throws(ImageError) -> ImageNode {
        switch self {
        case .fat(let volume): ImageNode(volume.root)
        case .ext4(let volume): ImageNode(try volume.root())
        }
    }

    /// What is at a path from the top directory on; `nil` where nothing is. Only the directories on the way are read.
    ///
    /// Links on the way are followed, within the filesystem; the last one only if asked for.
    public func node(at path: String, followingLinks: Bool = false) throws(ImageError) -> ImageNode? {
        switch self {
        case .fat(let volume): try volume.entry(at: path).map { ImageNode($0) }
        case .ext4(let volume):
            // A slash at the end means the directory, as it does for `ls`.
            try volume.node(at: path, followingLinks: followingLinks || path.utf8.last == UInt8(ascii: "/"))
                .map { ImageNode($0) }
        }
    }

    /// The names in a directory, in the order of their bytes. Nothing about them is read.
    public func names(of directory: ImageNode) throws(ImageError) -> [[UInt8]] {
        switch (self, directory.storage) {
        case (.fat(let volume), .fat(let entry)):
            try volume.entries(of: entry).map { Array($0.name.utf8) }.sorted { $0.lexicographicallyPrecedes($1) }
        case (.ext4(let volume), .ext4(let node)): try volume.entries(of: node).map(\.name)
        default: throw Self.mixed
        }
    }

    /// What is in a directory, in the order of the names' bytes. Of an inode that cannot be read, `onDamage` hears; unless it
    /// throws (as it does by default), the others are given all the same.
    public func children(
        of directory: ImageNode,
        onDamage: (_ name: [UInt8], ImageError) throws(ImageError) -> Void = { (_, error) throws(ImageError) in
            throw error
        }
    ) throws(ImageError) -> [(name: [UInt8], node: ImageNode)] {
        var reader = DirectoryReader(self)
        return try reader.children(of: directory, onDamage: onDamage)
    }

    /// A regular file's bytes; nothing of anything else.
    public func content(of file: ImageNode) throws(ImageError) -> any ByteSource {
        switch (self, file.storage) {
        case (.fat(let volume), .fat(let entry)): try volume.content(of: entry)
        case (.ext4(let volume), .ext4(let node)): try volume.content(of: node)
        default: throw Self.mixed
        }
    }

    /// A symbolic link's target; nothing of anything else.
    public func target(of link: ImageNode) throws(ImageError) -> [UInt8] {
        switch (self, link.storage) {
        case (.fat, .fat): []
        case (.ext4(let volume), .ext4(let node)): try volume.target(of: node)
        default: throw Self.mixed
        }
    }

    /// Everything in it, but what a tree cannot hold (devices, pipes, sockets).
    public func tree() throws(ImageError) -> FileTree {
        switch self {
        case .fat(let volume): try volume.tree()
        case .ext4(let volume): try volume.tree().tree
        }
    }

    static let mixed = ImageError(.internal, "a node was looked for in another filesystem than its own")
}

/// A file, directory or link in a filesystem of an image.
public struct ImageNode: Sendable {
    /// What it is.
    public typealias Kind = FileKind

    enum Storage: Sendable {
        case fat(FATVolume.Entry)
        case ext4(Ext4Volume.Node)
    }

    let storage: Storage

    init(_ entry: FATVolume.Entry) { storage = .fat(entry) }
    init(_ node: Ext4Volume.Node) { storage = .ext4(node) }

    /// What it is.
    public var kind: Kind {
        switch storage {
        case .fat(let entry): entry.isDirectory ? .directory : .file
        case .ext4(let node): node.kind
        }
    }

    /// A file's or link's size in bytes; a directory's as its filesystem counts it.
    public var size: UInt64 {
        switch storage {
        case .fat(let entry): entry.size
        case .ext4(let node): node.size
        }
    }

    /// Permissions, owner and time of modification; of FAT, as Linux shows them.
    public var attributes: FileAttributes {
        switch storage {
        case .fat(let entry): entry.attributes
        case .ext4(let node): node.attributes
        }
    }

    /// How many names it has; of FAT, 1.
    public var links: Int {
        switch storage {
        case .fat: 1
        case .ext4(let node): node.links
        }
    }

    /// What is to be added to the time of modification, 0 to 999,999,999.
    public var nanoseconds: UInt32 {
        switch storage {
        case .fat: 0
        case .ext4(let node): node.nanoseconds
        }
    }

    /// What tells it from every other node of its filesystem: its inode, or its first cluster (0 of empty FAT files). Reading
    /// files in this order reads the disk forward, as far as the filesystem was filled in order.
    var identity: UInt64 {
        switch storage {
        case .fat(let entry): entry.firstCluster
        case .ext4(let node): UInt64(node.inode)
        }
    }

    /// Its inode's number; `nil` of FAT, which has none.
    public var inode: UInt32? {
        switch storage {
        case .fat: nil
        case .ext4(let node): node.inode
        }
    }
}
