extension Finding.Kind {
    // MARK: The filesystem

    static let ext4Superblock = Finding.Kind(
        "ext4-superblock", .damage, "the filesystem cannot be read at all")
    static let ext4SuperblockChecksum = Finding.Kind(
        "ext4-superblock-checksum", .damage, "Linux refuses to mount the filesystem")
    static let ext4State = Finding.Kind(
        "ext4-state", .warning, "the filesystem was not unmounted, and is checked when it is next used")
    static let ext4Errors = Finding.Kind(
        "ext4-errors", .warning, "Linux has found errors in the filesystem while it was mounted")
    static let ext4Recovery = Finding.Kind(
        "ext4-recovery", .warning,
        "the last changes are only in the journal; until they are written back, other findings may be due to it")
    static let ext4Orphans = Finding.Kind(
        "ext4-orphans", .warning, "files that were deleted while they were open are cleared by the next mount")
    static let ext4Unsupported = Finding.Kind(
        "ext4-unsupported", .note, "that part of the filesystem has not been checked")
    static let ext4BackupSuperblock = Finding.Kind(
        "ext4-backup-superblock", .damage, "the filesystem cannot be rescued with this copy of its superblock")
    static let ext4BackupFeatures = Finding.Kind(
        "ext4-backup-features", .warning, "a rescue with this copy of the superblock would miss features")
    static let ext4BackupDescriptors = Finding.Kind(
        "ext4-backup-descriptors", .damage, "the filesystem cannot be rescued with this copy of its descriptors")

    // MARK: Groups

    static let ext4GroupChecksum = Finding.Kind(
        "ext4-group-checksum", .damage, "Linux refuses to mount the filesystem, or to use the group")
    static let ext4GroupLocation = Finding.Kind(
        "ext4-group-location", .damage, "the group's files cannot be found, or are overwritten")
    static let ext4BlockBitmapChecksum = Finding.Kind(
        "ext4-block-bitmap-checksum", .damage, "Linux writes nothing more into the group, or mounts read-only")
    static let ext4InodeBitmapChecksum = Finding.Kind(
        "ext4-inode-bitmap-checksum", .damage, "Linux makes no more files in the group, or mounts read-only")
    static let ext4BitmapPadding = Finding.Kind(
        "ext4-bitmap-padding", .damage, "blocks or inodes that do not exist may be handed out")
    static let ext4FreeBlocks = Finding.Kind(
        "ext4-free-blocks", .damage, "Linux finds the group's block bitmap corrupt and stops using it")
    static let ext4FreeInodes = Finding.Kind(
        "ext4-free-inodes", .damage, "Linux finds the group's inode bitmap corrupt and stops using it")
    static let ext4DirectoryCount = Finding.Kind(
        "ext4-folder-count", .damage, "new folders are spread by a wrong number")
    static let ext4Totals = Finding.Kind(
        "ext4-totals", .warning, "readers that do not count for themselves show a wrong free space")
    static let ext4UnusedInodes = Finding.Kind(
        "ext4-unused-inodes", .damage, "inodes that are in use count as never used, and a check loses them")
    static let ext4BlockFree = Finding.Kind(
        "ext4-block-free", .damage, "blocks that are in use are overwritten by the next files")
    static let ext4BlockLeaked = Finding.Kind(
        "ext4-block-leaked", .warning, "the space is lost until the filesystem is repaired")
    static let ext4BlockTwice = Finding.Kind(
        "ext4-block-twice", .damage, "one of the two has the other's bytes")
    static let ext4BlockOutside = Finding.Kind(
        "ext4-block-outside", .damage, "the file's bytes cannot be read")
    static let ext4InodeFree = Finding.Kind(
        "ext4-inode-free", .damage, "the file is overwritten by the next one that is made")
    static let ext4InodeLeaked = Finding.Kind(
        "ext4-inode-leaked", .warning, "the inode is lost until the filesystem is repaired")
    static let ext4InodeOrphan = Finding.Kind(
        "ext4-inode-orphan", .warning, "a file has no name, and takes space until the filesystem is repaired")

    // MARK: Inodes

    static let ext4Inode = Finding.Kind("ext4-inode", .damage, "the file cannot be read")
    static let ext4InodeChecksum = Finding.Kind("ext4-inode-checksum", .damage, "Linux refuses to open the file")
    static let ext4InodeKind = Finding.Kind("ext4-inode-kind", .damage, "Linux refuses to open the file")
    static let ext4InodeSize = Finding.Kind("ext4-inode-size", .damage, "the file ends too early or too late")
    static let ext4InodeBlocks = Finding.Kind("ext4-inode-blocks", .damage, "the space of the file is counted wrong")
    static let ext4InodeFlags = Finding.Kind("ext4-inode-flags", .damage, "Linux refuses to open the file")
    static let ext4DeletionTime = Finding.Kind(
        "ext4-deletion-time", .warning, "a repair may take the file for a deleted one")
    static let ext4LinkCount = Finding.Kind(
        "ext4-link-count", .damage, "the file is deleted with one of its names, or never")
    static let ext4LinkTarget = Finding.Kind(
        "ext4-link-target", .damage, "the symbolic link leads nowhere")
    static let ext4ExtentTree = Finding.Kind("ext4-extent-tree", .damage, "the file's bytes cannot be read")
    static let ext4ExtentChecksum = Finding.Kind("ext4-extent-checksum", .damage, "Linux refuses to read the file")
    static let ext4Attributes = Finding.Kind("ext4-attributes", .damage, "the file's extended attributes are lost")
    static let ext4AttributesChecksum = Finding.Kind(
        "ext4-attributes-checksum", .damage, "Linux refuses to read the file's extended attributes")
    static let ext4AttributesCount = Finding.Kind(
        "ext4-attributes-count", .damage, "extended attributes are freed too early, or never")
    static let ext4Journal = Finding.Kind("ext4-journal", .damage, "Linux refuses to mount the filesystem")
    static let ext4ResizeInode = Finding.Kind("ext4-resize-inode", .damage, "the filesystem cannot grow")

    // MARK: Directories

    static let ext4DirectoryDots = Finding.Kind(
        "ext4-folder-dots", .damage, "the way back from the folder is wrong, or Linux refuses to open it")
    static let ext4DirectoryBlock = Finding.Kind("ext4-folder-block", .damage, "names in the folder are lost")
    static let ext4DirectorySize = Finding.Kind("ext4-folder-size", .damage, "names in the folder are lost")
    static let ext4DirectoryTwice = Finding.Kind("ext4-folder-twice", .damage, "the folder has two ways to it")
    static let ext4DirectoryChecksum = Finding.Kind("ext4-folder-checksum", .damage, "Linux refuses to read the folder")
    static let ext4EntryInode = Finding.Kind("ext4-entry-inode", .damage, "the name leads to no file")
    static let ext4EntryKind = Finding.Kind("ext4-entry-kind", .damage, "programs take the file for something else")
    static let ext4EntryName = Finding.Kind("ext4-entry-name", .damage, "the file cannot be opened by its name")
    static let ext4EntryTwice = Finding.Kind("ext4-entry-twice", .damage, "one of the two files cannot be opened")
    static let ext4Index = Finding.Kind("ext4-index", .damage, "Linux does not find the folder's files by their names")
    static let ext4IndexChecksum = Finding.Kind("ext4-index-checksum", .damage, "Linux refuses to read the folder")
    static let ext4IndexOrder = Finding.Kind(
        "ext4-index-order", .damage, "Linux does not find the folder's files by their names")
    static let ext4IndexHash = Finding.Kind(
        "ext4-index-hash", .damage, "Linux does not find the file by its name, though it is listed")
    static let ext4IndexLeaf = Finding.Kind(
        "ext4-index-leaf", .damage, "Linux does not find the files of that block by their names")
}
