/// Follows ``Ext4Volume`` while it reads the whole tree, so that a check needs no walk of its own.
///
/// ```
///   for each directory:   willReadDirectory  (map  (block  entry …) … │ inlineParent  entry …)  didReadDirectory
///   for each name in it:  willFollow  (node  map  didAdd │ didRevisit │ didFail)
/// ```
///
/// Functions with an observer are generic, so that reading without one (``Ext4NoObserver``) costs nothing.
protocol Ext4TreeObserver {
    /// Whether maps are read beyond the end of the file, and list all of their blocks.
    static var readsWholeMaps: Bool { get }

    /// Throws `cancelled` if the work is to stop.
    func checkCancelled() throws(ImageError)

    /// A name leads to an inode that is going to be read, if it has not been before.
    func willFollow(_ entry: Ext4DirectoryEntry)
    /// An inode has been read.
    /// - Parameter entry: the entry that leads to it; `nil` for the root directory.
    func didRead(_ node: Ext4Volume.Node, by entry: Ext4DirectoryEntry?) throws(ImageError)
    /// A further name leads to an inode that has been read.
    func didRevisit(_ entry: Ext4DirectoryEntry)
    /// The map of a file, a directory or a symbolic link has been read.
    func didRead(_ map: Ext4BlockMap, of node: Ext4Volume.Node)
    /// An inode has become the next node of the tree.
    func didAdd(_ inode: UInt32)
    /// An inode, or a part of it, could not be read.
    func didFail(_ inode: UInt32, _ error: ImageError)

    /// The blocks of a directory are going to be read.
    func willReadDirectory(_ node: Ext4Volume.Node, parent: UInt32, path: String)
    /// The directory is in its inode, which states its parent.
    func didReadInlineParent(_ inode: UInt32)
    /// A block of the directory has been read; its entries follow.
    func didReadBlock(_ bytes: [UInt8], number: UInt64, at offset: UInt64)
    /// An entry has been read, used or not.
    /// - Parameter position: its offset in its block in bytes.
    func didReadEntry(_ entry: Ext4DirectoryEntry, at position: Int)
    /// All blocks of the directory have been read.
    func didReadDirectory()
}

/// Observes nothing.
struct Ext4NoObserver: Ext4TreeObserver {
    static let readsWholeMaps = false

    func checkCancelled() throws(ImageError) {}
    func willFollow(_ entry: Ext4DirectoryEntry) {}
    func didRead(_ node: Ext4Volume.Node, by entry: Ext4DirectoryEntry?) throws(ImageError) {}
    func didRevisit(_ entry: Ext4DirectoryEntry) {}
    func didRead(_ map: Ext4BlockMap, of node: Ext4Volume.Node) {}
    func didAdd(_ inode: UInt32) {}
    func didFail(_ inode: UInt32, _ error: ImageError) {}
    func willReadDirectory(_ node: Ext4Volume.Node, parent: UInt32, path: String) {}
    func didReadInlineParent(_ inode: UInt32) {}
    func didReadBlock(_ bytes: [UInt8], number: UInt64, at offset: UInt64) {}
    func didReadEntry(_ entry: Ext4DirectoryEntry, at position: Int) {}
    func didReadDirectory() {}
}
