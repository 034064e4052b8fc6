/// The facts that the superblock of an ext2, ext3 or ext4 filesystem states.
public struct Ext4Information: Sendable, Hashable {
    /// `ext2`, `ext3` or `ext4`, by the features.
    public var kind: String
    /// The label; empty if there is none.
    public var label: String
    /// The UUID.
    public var uuid: GUID
    /// The features, by the names that e2fsprogs has for them.
    public var features: [String]
    /// Bytes in a block.
    public var blockSize: UInt64
    /// All blocks, the free ones, and those reserved for root.
    public var blocks: UInt64, freeBlocks: UInt64, reservedBlocks: UInt64
    /// All inodes, and the free ones.
    public var inodes: UInt64, freeInodes: UInt64
    /// Bytes in an inode record.
    public var inodeSize: UInt64
    /// The number of block groups, and the size of each in blocks and inodes.
    public var groups: UInt64, blocksPerGroup: UInt64, inodesPerGroup: UInt64
    /// Blocks reserved for the group descriptors of a larger filesystem.
    public var reservedDescriptorBlocks: UInt64
    /// Whether it was unmounted cleanly, and no error was found in it.
    public var isClean: Bool
    /// Whether the kernel found errors in it.
    public var hasErrors: Bool
    /// Whether the journal holds changes that are not written back yet. (It is not replayed here.)
    public var needsRecovery: Bool
    /// Seconds since 1970 of its making and of the last write, mount and check; 0 for never.
    public var made: Int64, written: Int64, mounted: Int64, checked: Int64
    /// Mounts since the last check.
    public var mounts: UInt64
    /// The path at which it was last mounted.
    public var lastMounted: String
}
