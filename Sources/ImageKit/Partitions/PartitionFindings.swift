/// The findings of ``PartitionCheck``.
extension Finding.Kind {
    /// There is no partition table.
    public static let partitionTable = Self(
        "partition-table", .damage, "Nothing can find the partitions, and no board boots from the disk.")
    /// Two partitions have the same sectors.
    public static let partitionOverlap = Self(
        "partition-overlap", .damage, "Writing one of them destroys the other.")
    /// A partition ends past the end of the disk.
    public static let partitionPastEnd = Self(
        "partition-past-end", .damage, "The end of the partition is missing; Linux refuses or shortens it.")
    /// A partition begins at sector 0, which holds the table.
    public static let partitionOnTable = Self(
        "partition-on-table", .damage, "Writing to the partition destroys the table.")
    /// More than one partition is marked as the one to boot from.
    public static let partitionActive = Self(
        "partition-active", .warning, "Which one is booted depends on the boot loader.")
    /// A partition does not begin at a multiple of 1 MiB.
    public static let partitionAlignment = Self(
        "partition-alignment", .note,
        "Cards and disks write whole blocks, and are slower where a partition divides them.")
    /// The disk's identifier is zero.
    public static let partitionIdentifier = Self(
        "partition-identifier", .warning, "'root=PARTUUID=…' finds nothing, or the partition of another disk.")
    /// The chain of logical partitions is broken.
    public static let partitionChain = Self(
        "partition-chain", .damage, "Logical partitions after that place cannot be found.")
    /// The chain of logical partitions comes back to itself.
    public static let partitionChainCircle = Self(
        "partition-chain-circle", .damage, "Some systems never come to an end of it, and hang.")
    /// A logical partition is not inside the extended one.
    public static let partitionOutside = Self(
        "partition-outside", .warning, "Tools that change partitions may take its place for something else.")
    /// The MBR does not protect the GPT.
    public static let gptUnprotected = Self(
        "gpt-unprotected", .damage, "Linux takes no notice of such a GPT, and others may take the disk for empty.")
    /// The MBR has other partitions besides the entry that protects the GPT.
    public static let gptProtection = Self(
        "gpt-protection", .warning, "Which partitions the disk has depends on the table that a system looks at.")
    /// The first header of the GPT, or its entries, are damaged.
    public static let gptPrimary = Self(
        "gpt-primary", .damage, "Systems that do not look for the copy at the disk's end find no partitions.")
    /// The last header of the GPT, or its entries, are damaged, or differ from the first.
    public static let gptBackup = Self(
        "gpt-backup", .warning, "Should the first be lost, there is nothing to repair it from.")
    /// The last header of the GPT is past the end of the disk.
    public static let gptBackupMissing = Self(
        "gpt-backup-missing", .warning, "The image is shorter than its disk was, or was never written completely.")
    /// The last header of the GPT is not in the last sector of the disk.
    public static let gptBackupPlace = Self(
        "gpt-backup-place", .note,
        "The image was made longer; 'sfdisk --relocate gpt-bak-std' moves the copy to its end.")
    /// A partition has sectors outside of the range that the GPT has for partitions.
    public static let gptRange = Self("gpt-range", .damage, "Linux takes no notice of the partition table.")
    /// Two partitions have the same identifier.
    public static let gptSameIdentifier = Self(
        "gpt-same-identifier", .warning, "'root=PARTUUID=…' may find the wrong one.")
}
