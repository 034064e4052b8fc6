/// A filesystem of an image: FAT, or ext2, ext3 and ext4.
public enum ImageVolume: Sendable {
    /// FAT12, FAT16 or FAT32.
    case fat(FATVolume)
    /// ext2, ext3 or ext4.
    case ext4(Ext4Volume)

    /// The top directory.
    public func root() throws(ImageError) -> ImageNode {
        switch self {
        case .fat(let volume): ImageNode(volume.root, of: volume)
        case .ext4(let volume): ImageNode(try volume.root(), of: volume)
        }
    }

    /// The file or directory at a path from the top directory; `nil` where there is none. Only directories on the way
    /// are read.
    ///
    /// Links on the way are followed within the filesystem; a link at the path's end is followed only with
    /// `followingLinks`.
    public func node(at path: String, followingLinks: Bool = false) throws(ImageError) -> ImageNode? {
        switch self {
        case .fat(let volume): try volume.entry(at: path).map { ImageNode($0, of: volume) }
        case .ext4(let volume):
            // A slash at the end means the directory that a link leads to, as it does for `ls`.
            try volume.node(at: path, followingLinks: followingLinks || path.utf8.last == UInt8(ascii: "/"))
                .map { ImageNode($0, of: volume) }
        }
    }

    /// The whole filesystem, without devices, pipes and sockets, which a tree cannot hold.
    public func tree() throws(ImageError) -> FileTree {
        switch self {
        case .fat(let volume): try volume.tree()
        case .ext4(let volume): try volume.tree().tree
        }
    }
}
