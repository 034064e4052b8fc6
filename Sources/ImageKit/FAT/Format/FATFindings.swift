/// The findings of ``FATCheck``.
extension Finding.Kind {
    // MARK: The boot sector

    /// The boot sector has a field with an impossible value.
    public static let fatBootSector = Self(
        "fat-boot-sector", .damage, "Nothing can read the filesystem where its boot sector is wrong.")
    /// A field of the boot sector has a value that readers interpret differently.
    public static let fatBootUnusual = Self(
        "fat-boot-unusual", .warning, "Some readers may refuse the filesystem, or read it differently.")
    /// The filesystem is FAT32 with fewer clusters than FAT32 needs.
    public static let fatFewClusters = Self(
        "fat-few-clusters", .warning, "Windows and mtools take such a filesystem for FAT16; Linux and U-Boot do not.")
    /// FAT32's backup boot sector is missing.
    public static let fatBackupMissing = Self(
        "fat-backup-missing", .note, "Should the boot sector be lost, there is nothing to repair it from.")
    /// FAT32's backup boot sector differs from the first.
    public static let fatBackup = Self(
        "fat-backup", .warning, "Repairing the filesystem from its second boot sector would change it.")
    /// FAT32's FSInfo is missing.
    public static let fatInfoMissing = Self(
        "fat-info-missing", .note, "The free space must be counted each time the filesystem is mounted.")
    /// FSInfo has a wrong signature, an impossible cluster, or an impossible sector.
    public static let fatInfo = Self(
        "fat-info", .warning, "What FSInfo says of free space is not used, or used wrongly.")
    /// FSInfo does not have the number of free clusters.
    public static let fatInfoUnknown = Self(
        "fat-info-unknown", .note, "The free space must be counted each time the filesystem is mounted.")
    /// FSInfo has a wrong number of free clusters.
    public static let fatFreeCount = Self(
        "fat-free-count", .warning, "The filesystem shows more or less free space than there is.")
    /// The filesystem is marked as in use: it was not unmounted.
    public static let fatDirty = Self(
        "fat-dirty", .warning, "The filesystem was not unmounted; the last changes to it may be missing.")
    /// The filesystem is marked: the disk had errors.
    public static let fatDiskErrors = Self(
        "fat-disk-errors", .warning, "A disk that the filesystem was on could not read or write parts of it.")
    /// The label in the boot sector differs from that in the root directory.
    public static let fatLabel = Self(
        "fat-label", .note, "Systems show the root folder's label; some tools show the boot sector's.")

    // MARK: The FAT

    /// The first two entries of the FAT do not have the values that the format requires.
    public static let fatMedia = Self(
        "fat-media", .warning, "Some readers take this for a sign that the filesystem is none.")
    /// The copies of the FAT differ.
    public static let fatCopies = Self(
        "fat-copies", .damage, "What is read depends on which copy of the FAT a system looks at.")
    /// The FAT marks clusters as bad.
    public static let fatBadClusters = Self(
        "fat-bad-clusters", .note, "They are not used; an image has no reason to have any.")
    /// Clusters are in use by the FAT, but belong to no file.
    public static let fatLostClusters = Self(
        "fat-lost-clusters", .warning, "They hold what no file has any more, and cannot be used.")

    // MARK: Chains

    /// The first cluster of a file or directory does not exist.
    public static let fatChainStart = Self("fat-chain-start", .damage, "Its content cannot be found.")
    /// A chain leads to a cluster that is free.
    public static let fatChainFree = Self(
        "fat-chain-free", .damage, "Its content is lost from there on, or will be overwritten.")
    /// A chain leads to a cluster that is marked as bad.
    public static let fatChainBad = Self("fat-chain-bad", .damage, "Its content is lost from there on.")
    /// A chain leads to a cluster that does not exist.
    public static let fatChainRange = Self("fat-chain-range", .damage, "Its content is lost from there on.")
    /// A chain comes back to itself.
    public static let fatChainCircle = Self(
        "fat-chain-circle", .damage, "Its content is lost from there on, and reading it may never end.")
    /// Two files or directories share a cluster.
    public static let fatCrossLink = Self(
        "fat-cross-link", .damage, "One of the two has the other's content, and writing one changes the other.")
    /// A file has more clusters than its size needs.
    public static let fatChainLong = Self(
        "fat-chain-long", .damage, "Either its size is wrong, or clusters are wasted.")
    /// A file has fewer clusters than its size needs.
    public static let fatChainShort = Self("fat-chain-short", .damage, "The end of its content is lost.")

    // MARK: Directories

    /// A name is invalid.
    public static let fatName = Self("fat-name", .damage, "Systems cannot open it by that name.")
    /// A short name has unusual characters, or its case byte has unknown bits.
    public static let fatNameUnusual = Self(
        "fat-name-unusual", .note, "Systems that know only short names may not find it.")
    /// Two entries of a directory have the same name.
    public static let fatDuplicateName = Self(
        "fat-duplicate-name", .damage, "Only one of the two can be reached.")
    /// Two names differ only in the case of characters that not every system knows.
    public static let fatAlikeNames = Self(
        "fat-alike-names", .note, "Some systems take them for the same name, and reach only one of the two.")
    /// Pieces of a long name are not followed by the short name that they belong to.
    public static let fatLongNameOrphaned = Self(
        "fat-long-name-orphaned", .warning, "Something that does not know long names has deleted or renamed the file.")
    /// Pieces of a long name are missing or in the wrong order.
    public static let fatLongNameOrder = Self(
        "fat-long-name-order", .damage, "The file can only be reached by its short name.")
    /// Pieces of a long name carry the checksum of another short name.
    public static let fatLongNameSum = Self(
        "fat-long-name-sum", .damage, "The file can only be reached by its short name.")
    /// Fields of a long name's piece that should be zero are not.
    public static let fatLongNameFields = Self(
        "fat-long-name-fields", .warning, "Systems may read something else into the name.")
    /// The entries `.` and `..` are missing or wrong.
    public static let fatDots = Self(
        "fat-dots", .warning, "Systems that follow them (Linux does not) end up in the wrong folder.")
    /// A directory has a size.
    public static let fatDirectorySize = Self(
        "fat-folder-size", .warning, "A folder's size should be 0; some systems take such a one for a file.")
    /// A directory has more slots than the format allows.
    public static let fatDirectoryLong = Self(
        "fat-folder-long", .damage, "What lies past 65,536 slots (2 MiB) is not read.")
    /// Slots are in use after the slot that ends a directory.
    public static let fatAfterEnd = Self(
        "fat-after-end", .warning, "Readers stop before them, but some go on, and show files that are not there.")
    /// There is a second volume label, or one outside of the root directory.
    public static let fatLabels = Self("fat-labels", .warning, "Which label is shown depends on the system.")

    // MARK: The whole

    /// The filesystem has more than the check reads.
    public static let fatTooLarge = Self(
        "fat-too-large", .warning, "Nothing is known of what was not looked at.")
    /// A file or directory cannot be read although the check found no damage.
    public static let fatUnreadable = Self("fat-unreadable", .damage, "A file or folder cannot be read.")
}
