/// A file, directory or link in a filesystem of an image.
///
/// A node holds the volume that it belongs to, so everything about it can be asked of the node itself.
public struct ImageNode: Sendable {
    /// A FAT entry and its volume are large and rare, so they are kept in a box of their own.
    enum Storage: Sendable {
        indirect case fat(FATVolume.Entry, FATVolume)
        case ext4(Ext4Volume.Node, Ext4Volume)
    }

    let storage: Storage

    init(_ entry: FATVolume.Entry, of volume: FATVolume) { storage = .fat(entry, volume) }
    init(_ node: Ext4Volume.Node, of volume: Ext4Volume) { storage = .ext4(node, volume) }

    // MARK: Metadata

    /// The filesystem that it is in.
    public var volume: ImageVolume {
        switch storage {
        case .fat(_, let volume): .fat(volume)
        case .ext4(_, let volume): .ext4(volume)
        }
    }

    /// Whether it is a file, a directory, a link or a device. On FAT there are only files and directories.
    public var kind: FileKind {
        switch storage {
        case .fat(let entry, _): entry.isDirectory ? .directory : .file
        case .ext4(let node, _): node.kind
        }
    }

    /// The size in bytes of a file or of a link's target; a directory's as its filesystem counts it.
    public var size: UInt64 {
        switch storage {
        case .fat(let entry, _): entry.size
        case .ext4(let node, _): node.size
        }
    }

    /// Permissions, owner and time of modification; on FAT, the ones that Linux shows.
    public var attributes: FileAttributes {
        switch storage {
        case .fat(let entry, _): entry.attributes
        case .ext4(let node, _): node.attributes
        }
    }

    /// How many names it has; always 1 on FAT.
    public var links: Int {
        switch storage {
        case .fat: 1
        case .ext4(let node, _): node.links
        }
    }

    /// The nanoseconds of the time of modification, 0 to 999,999,999.
    public var nanoseconds: UInt32 {
        switch storage {
        case .fat: 0
        case .ext4(let node, _): node.nanoseconds
        }
    }

    /// Unique in its filesystem: the inode number, or the first cluster (0 for every empty FAT file).
    ///
    /// Reading files in this order reads the disk forward, as far as the filesystem was filled in order.
    var identity: UInt64 {
        switch storage {
        case .fat(let entry, _): entry.firstCluster
        case .ext4(let node, _): UInt64(node.inode)
        }
    }

    /// The inode number; `nil` on FAT, which has no inodes.
    public var inode: UInt32? {
        switch storage {
        case .fat: nil
        case .ext4(let node, _): node.inode
        }
    }

    // MARK: Content

    /// A regular file's bytes; an empty source for everything else.
    public func content() throws(ImageError) -> any ByteSource {
        switch storage {
        case .fat(let entry, let volume): try volume.content(of: entry)
        case .ext4(let node, let volume): try volume.content(of: node)
        }
    }

    /// A symbolic link's target; empty for everything else.
    public func target() throws(ImageError) -> [UInt8] {
        switch storage {
        case .fat: []
        case .ext4(let node, let volume): try volume.target(of: node)
        }
    }

    /// The names in a directory, sorted by their bytes. No inode in it is read.
    public func names() throws(ImageError) -> [[UInt8]] {
        switch storage {
        case .fat(let entry, let volume):
            try volume.entries(of: entry).map { Array($0.name.utf8) }.sorted { $0.lexicographicallyPrecedes($1) }
        case .ext4(let node, let volume): try volume.entries(of: node).map(\.name)
        }
    }

    /// The files and directories in a directory, sorted by the bytes of their names.
    ///
    /// - Parameter onDamage: is called for each inode that cannot be read. If it returns, the other children are still
    ///   listed; the default throws.
    public func children(
        onDamage: (_ name: [UInt8], ImageError) throws(ImageError) -> Void = { (_, error) throws(ImageError) in
            throw error
        }
    ) throws(ImageError) -> [(name: [UInt8], node: ImageNode)] {
        var reader = DirectoryReader(volume)
        return try reader.children(of: self, onDamage: onDamage)
    }
}
