/// What ``FATCheck`` finds.
extension Finding.Kind {
    // MARK: The boot sector

    /// The boot sector says what cannot be.
    public static let fatBootSector = Self(
        "fat-boot-sector", .damage, "Nothing can read the filesystem where its boot sector is wrong.")
    /// A part of the boot sector that readers disagree about.
    public static let fatBootUnusual = Self(
        "fat-boot-unusual", .warning, "Some readers may refuse the filesystem, or read it differently.")
    /// FAT32 with fewer clusters than it should have.
    public static let fatFewClusters = Self(
        "fat-few-clusters", .warning, "Windows and mtools take such a filesystem for FAT16; Linux and U-Boot do not.")
    /// FAT32's second boot sector is missing.
    public static let fatBackupMissing = Self(
        "fat-backup-missing", .note, "Should the boot sector be lost, there is nothing to repair it from.")
    /// FAT32's second boot sector is not the same as the first.
    public static let fatBackup = Self(
        "fat-backup", .warning, "Repairing the filesystem from its second boot sector would change it.")
    /// FAT32's FSInfo is missing.
    public static let fatInfoMissing = Self(
        "fat-info-missing", .note, "The free space must be counted each time the filesystem is mounted.")
    /// FSInfo is not what it should be.
    public static let fatInfo = Self(
        "fat-info", .warning, "What FSInfo says of free space is not used, or used wrongly.")
    /// FSInfo does not say how much is free.
    public static let fatInfoUnknown = Self(
        "fat-info-unknown", .note, "The free space must be counted each time the filesystem is mounted.")
    /// FSInfo has a wrong number of free clusters.
    public static let fatFreeCount = Self(
        "fat-free-count", .warning, "The filesystem shows more or less free space than there is.")
    /// Marked as not unmounted.
    public static let fatDirty = Self(
        "fat-dirty", .warning, "The filesystem was not unmounted; the last changes to it may be missing.")
    /// Marked as having met errors of the disk.
    public static let fatDiskErrors = Self(
        "fat-disk-errors", .warning, "A disk that the filesystem was on could not read or write parts of it.")
    /// The label in the boot sector is not the root directory's.
    public static let fatLabel = Self(
        "fat-label", .note, "Systems show the root folder's label; some tools show the boot sector's.")

    // MARK: The FAT

    /// The first entry of the FAT does not repeat the kind of disk.
    public static let fatMedia = Self(
        "fat-media", .warning, "Some readers take this for a sign that the filesystem is none.")
    /// The copies of the FAT are not the same.
    public static let fatCopies = Self(
        "fat-copies", .damage, "What is read depends on which copy of the FAT a system looks at.")
    /// Clusters that are marked as bad.
    public static let fatBadClusters = Self(
        "fat-bad-clusters", .note, "They are not used; an image has no reason to have any.")
    /// Clusters that are taken, but by no file.
    public static let fatLostClusters = Self(
        "fat-lost-clusters", .warning, "They hold what no file has any more, and cannot be used.")

    // MARK: Chains

    /// A file or directory begins where no cluster is.
    public static let fatChainStart = Self("fat-chain-start", .damage, "Its content cannot be found.")
    /// A chain leads to a cluster that is free.
    public static let fatChainFree = Self(
        "fat-chain-free", .damage, "Its content is lost from there on, or will be overwritten.")
    /// A chain leads to a cluster that is marked as bad.
    public static let fatChainBad = Self("fat-chain-bad", .damage, "Its content is lost from there on.")
    /// A chain leads to a number that no cluster has.
    public static let fatChainRange = Self("fat-chain-range", .damage, "Its content is lost from there on.")
    /// A chain comes back to itself.
    public static let fatChainCircle = Self(
        "fat-chain-circle", .damage, "Its content is lost from there on, and reading it may never end.")
    /// Two files or directories have the same cluster.
    public static let fatCrossLink = Self(
        "fat-cross-link", .damage, "One of the two has the other's content, and writing one changes the other.")
    /// A file has more clusters than its size needs.
    public static let fatChainLong = Self(
        "fat-chain-long", .damage, "Either its size is wrong, or clusters are wasted.")
    /// A file has fewer clusters than its size needs.
    public static let fatChainShort = Self("fat-chain-short", .damage, "The end of its content is lost.")

    // MARK: Directories

    /// A name that no file can have.
    public static let fatName = Self("fat-name", .damage, "Systems cannot open it by that name.")
    /// A short name with characters, or a byte about its case with bits, that it should not have.
    public static let fatNameUnusual = Self(
        "fat-name-unusual", .note, "Systems that know only short names may not find it.")
    /// Two entries of a directory have the same name.
    public static let fatDuplicateName = Self(
        "fat-duplicate-name", .damage, "Only one of the two can be reached.")
    /// Two names that differ only in the case of characters which not every system knows.
    public static let fatAlikeNames = Self(
        "fat-alike-names", .note, "Some systems take them for the same name, and reach only one of the two.")
    /// Pieces of a long name without the file that they belong to.
    public static let fatLongNameOrphaned = Self(
        "fat-long-name-orphaned", .warning, "Something that does not know long names has deleted or renamed the file.")
    /// Pieces of a long name in the wrong order, or not all of them.
    public static let fatLongNameOrder = Self(
        "fat-long-name-order", .damage, "The file can only be reached by its short name.")
    /// Pieces of a long name that belong to another short name.
    public static let fatLongNameSum = Self(
        "fat-long-name-sum", .damage, "The file can only be reached by its short name.")
    /// Fields of a long name's piece that should be zero.
    public static let fatLongNameFields = Self(
        "fat-long-name-fields", .warning, "Systems may read something else into the name.")
    /// The entries `.` and `..` are not what they should be.
    public static let fatDots = Self(
        "fat-dots", .warning, "Systems that follow them (Linux does not) end up in the wrong folder.")
    /// A directory with a size.
    public static let fatDirectorySize = Self(
        "fat-folder-size", .warning, "A folder's size should be 0; some systems take such a one for a file.")
    /// A directory with more slots than there can be.
    public static let fatDirectoryLong = Self(
        "fat-folder-long", .damage, "What lies past 65,536 slots (2 MiB) is not read.")
    /// Slots in use after the one that ends a directory.
    public static let fatAfterEnd = Self(
        "fat-after-end", .warning, "Readers stop before them, but some go on, and show files that are not there.")
    /// A label where none should be.
    public static let fatLabels = Self("fat-labels", .warning, "Which label is shown depends on the system.")

    // MARK: The whole

    /// More than is looked at.
    public static let fatTooLarge = Self(
        "fat-too-large", .warning, "Nothing is known of what was not looked at.")
    /// Something that cannot be read though nothing of the above was found.
    public static let fatUnreadable = Self("fat-unreadable", .damage, "A file or folder cannot be read.")
}
