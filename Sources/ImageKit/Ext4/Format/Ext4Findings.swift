/// The findings of ``Ext4Check``.
extension Finding.Kind {
    // MARK: The filesystem

    /// The superblock is missing, or its numbers contradict each other.
    public static let ext4Superblock = Self("ext4-superblock", .damage, "The filesystem cannot be read at all.")
    /// The superblock's checksum is wrong.
    public static let ext4SuperblockChecksum = Self(
        "ext4-superblock-checksum", .damage, "Linux refuses to mount the filesystem.")
    /// The superblock says that the filesystem was not unmounted.
    public static let ext4State = Self(
        "ext4-state", .warning, "The filesystem was not unmounted, and is checked when it is next used.")
    /// The superblock says that errors were found.
    public static let ext4Errors = Self(
        "ext4-errors", .warning, "Linux has found errors in the filesystem while it was mounted.")
    /// The journal holds changes that are not written back.
    public static let ext4Recovery = Self(
        "ext4-recovery", .warning,
        "The last changes are only in the journal; until they are written back, other findings may be due to it.")
    /// The filesystem lists files that were deleted while they were open.
    public static let ext4Orphans = Self(
        "ext4-orphans", .warning, "Files that were deleted while they were open are cleared by the next mount.")
    /// A part of the filesystem that `Ext4Check` cannot read.
    public static let ext4Unsupported = Self(
        "ext4-unsupported", .note, "That part of the filesystem has not been checked.")
    /// A copy of the superblock differs from it.
    public static let ext4BackupSuperblock = Self(
        "ext4-backup-superblock", .damage, "The filesystem cannot be rescued with this copy of its superblock.")
    /// A copy of the superblock has other features.
    public static let ext4BackupFeatures = Self(
        "ext4-backup-features", .warning, "A rescue with this copy of the superblock would miss features.")
    /// A copy of the group descriptors differs from them.
    public static let ext4BackupDescriptors = Self(
        "ext4-backup-descriptors", .damage, "The filesystem cannot be rescued with this copy of its descriptors.")

    // MARK: Groups

    /// The checksum of a group descriptor is wrong.
    public static let ext4GroupChecksum = Self(
        "ext4-group-checksum", .damage, "Linux refuses to mount the filesystem, or to use the group.")
    /// A bitmap or inode table is outside of the filesystem, or on another structure.
    public static let ext4GroupLocation = Self(
        "ext4-group-location", .damage, "The group's files cannot be found, or are overwritten.")
    /// The checksum of a block bitmap is wrong.
    public static let ext4BlockBitmapChecksum = Self(
        "ext4-block-bitmap-checksum", .damage, "Linux writes nothing more into the group, or mounts read-only.")
    /// The checksum of an inode bitmap is wrong.
    public static let ext4InodeBitmapChecksum = Self(
        "ext4-inode-bitmap-checksum", .damage, "Linux makes no more files in the group, or mounts read-only.")
    /// Bits after the end of a bitmap are not set.
    public static let ext4BitmapPadding = Self(
        "ext4-bitmap-padding", .damage, "Blocks or inodes that do not exist may be handed out.")
    /// A group's number of free blocks differs from its bitmap.
    public static let ext4FreeBlocks = Self(
        "ext4-free-blocks", .damage, "Linux finds the group's block bitmap corrupt and stops using it.")
    /// A group's number of free inodes differs from its bitmap.
    public static let ext4FreeInodes = Self(
        "ext4-free-inodes", .damage, "Linux finds the group's inode bitmap corrupt and stops using it.")
    /// A group's number of directories is wrong.
    public static let ext4DirectoryCount = Self(
        "ext4-folder-count", .damage, "New folders are spread by a wrong number.")
    /// The superblock's free blocks or inodes differ from the sums of the groups.
    public static let ext4Totals = Self(
        "ext4-totals", .warning, "Readers that do not count for themselves show a wrong free space.")
    /// A group states that inodes were never used, and some are in use.
    public static let ext4UnusedInodes = Self(
        "ext4-unused-inodes", .damage, "Inodes that are in use count as never used, and a check loses them.")
    /// Blocks are in use, and free in the bitmap.
    public static let ext4BlockFree = Self(
        "ext4-block-free", .damage, "Blocks that are in use are overwritten by the next files.")
    /// Blocks are in use in the bitmap only.
    public static let ext4BlockLeaked = Self(
        "ext4-block-leaked", .warning, "The space is lost until the filesystem is repaired.")
    /// Two owners have the same blocks.
    public static let ext4BlockTwice = Self("ext4-block-twice", .damage, "One of the two has the other's bytes.")
    /// A file has blocks outside of the filesystem.
    public static let ext4BlockOutside = Self("ext4-block-outside", .damage, "The file's bytes cannot be read.")
    /// An inode is in use, and free in the bitmap.
    public static let ext4InodeFree = Self(
        "ext4-inode-free", .damage, "The file is overwritten by the next one that is made.")
    /// An inode is in use in the bitmap only.
    public static let ext4InodeLeaked = Self(
        "ext4-inode-leaked", .warning, "The inode is lost until the filesystem is repaired.")
    /// An inode is in use, and no name leads to it.
    public static let ext4InodeOrphan = Self(
        "ext4-inode-orphan", .warning, "A file has no name, and takes space until the filesystem is repaired.")

    // MARK: Inodes

    /// An inode contradicts itself.
    public static let ext4Inode = Self("ext4-inode", .damage, "The file cannot be read.")
    /// The checksum of an inode is wrong.
    public static let ext4InodeChecksum = Self("ext4-inode-checksum", .damage, "Linux refuses to open the file.")
    /// An inode's kind of file does not exist, or is not the required one.
    public static let ext4InodeKind = Self("ext4-inode-kind", .damage, "Linux refuses to open the file.")
    /// An inode's size does not fit its blocks.
    public static let ext4InodeSize = Self("ext4-inode-size", .damage, "The file ends too early or too late.")
    /// An inode's number of sectors does not fit its blocks.
    public static let ext4InodeBlocks = Self("ext4-inode-blocks", .damage, "The space of the file is counted wrong.")
    /// An inode has a flag that its kind or the filesystem's features do not allow.
    public static let ext4InodeFlags = Self("ext4-inode-flags", .damage, "Linux refuses to open the file.")
    /// An inode in use has a time of deletion.
    public static let ext4DeletionTime = Self(
        "ext4-deletion-time", .warning, "A repair may take the file for a deleted one.")
    /// An inode's number of links differs from its names.
    public static let ext4LinkCount = Self(
        "ext4-link-count", .damage, "The file is deleted with one of its names, or never.")
    /// The target of a symbolic link is empty, has a zero byte, or does not fit its size.
    public static let ext4LinkTarget = Self("ext4-link-target", .damage, "The symbolic link leads nowhere.")
    /// A file's tree of extents is damaged.
    public static let ext4ExtentTree = Self("ext4-extent-tree", .damage, "The file's bytes cannot be read.")
    /// The checksum of a block of extents is wrong.
    public static let ext4ExtentChecksum = Self("ext4-extent-checksum", .damage, "Linux refuses to read the file.")
    /// Extended attributes are damaged.
    public static let ext4Attributes = Self("ext4-attributes", .damage, "The file's extended attributes are lost.")
    /// The checksum of a block of extended attributes is wrong.
    public static let ext4AttributesChecksum = Self(
        "ext4-attributes-checksum", .damage, "Linux refuses to read the file's extended attributes.")
    /// The number of inodes that share a block of extended attributes is wrong.
    public static let ext4AttributesCount = Self(
        "ext4-attributes-count", .damage, "Extended attributes are freed too early, or never.")
    /// The journal's first block or its inode is damaged.
    public static let ext4Journal = Self("ext4-journal", .damage, "Linux refuses to mount the filesystem.")
    /// The map of the space for more group descriptors is damaged.
    public static let ext4ResizeInode = Self("ext4-resize-inode", .damage, "The filesystem cannot grow.")

    // MARK: Directories

    /// The entries `.` and `..` of a directory are missing or wrong.
    public static let ext4DirectoryDots = Self(
        "ext4-folder-dots", .damage, "The way back from the folder is wrong, or Linux refuses to open it.")
    /// A block of a directory does not consist of entries.
    public static let ext4DirectoryBlock = Self("ext4-folder-block", .damage, "Names in the folder are lost.")
    /// A directory's size does not fit its blocks.
    public static let ext4DirectorySize = Self("ext4-folder-size", .damage, "Names in the folder are lost.")
    /// Two names lead to one directory.
    public static let ext4DirectoryTwice = Self("ext4-folder-twice", .damage, "The folder has two ways to it.")
    /// The checksum of a block of a directory is wrong.
    public static let ext4DirectoryChecksum = Self("ext4-folder-checksum", .damage, "Linux refuses to read the folder.")
    /// A name leads to an inode that is not in use, reserved or does not exist.
    public static let ext4EntryInode = Self("ext4-entry-inode", .damage, "The name leads to no file.")
    /// A directory entry states another kind of file than its inode has.
    public static let ext4EntryKind = Self("ext4-entry-kind", .damage, "Programs take the file for something else.")
    /// A name is empty, or has a slash or a zero byte.
    public static let ext4EntryName = Self("ext4-entry-name", .damage, "The file cannot be opened by its name.")
    /// A directory has a name twice.
    public static let ext4EntryTwice = Self("ext4-entry-twice", .damage, "One of the two files cannot be opened.")
    /// The index of a directory is damaged.
    public static let ext4Index = Self("ext4-index", .damage, "Linux does not find the folder's files by their names.")
    /// The checksum of a block of a directory's index is wrong.
    public static let ext4IndexChecksum = Self("ext4-index-checksum", .damage, "Linux refuses to read the folder.")
    /// The hashes of a directory's index do not ascend.
    public static let ext4IndexOrder = Self(
        "ext4-index-order", .damage, "Linux does not find the folder's files by their names.")
    /// A name is in a block to which its hash does not lead.
    public static let ext4IndexHash = Self(
        "ext4-index-hash", .damage, "Linux does not find the file by its name, though it is listed.")
    /// A directory's index leads to a block twice, to none, or outside of the directory.
    public static let ext4IndexLeaf = Self(
        "ext4-index-leaf", .damage, "Linux does not find the files of that block by their names.")
}
