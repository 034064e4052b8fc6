/// What partitions hold, against what the table says that they are for.
extension PartitionCheck {
    /// Looks at the first bytes of each partition. Only FAT and ext are told apart; an empty partition can be anything.
    ///
    /// - Parameter onFinding: hears what is found, with offsets from the disk's beginning.
    /// - Throws: only what reading the disk throws.
    public static func checkContents(
        of disk: DiskImage, onFinding hear: (Finding) -> Void
    ) throws(ImageError) {
        for partition in disk.table.partitions where !partition.isExtended {
            guard let name = partition.typeName else { continue }
            let isForFAT = name.hasPrefix("FAT") || name == "EFI system"
            let isForLinux = name == "Linux" || name.hasPrefix("Linux root")
            let content = try disk.content(of: partition)
            guard (isForFAT && content == .ext) || (isForLinux && content == .fat) else { continue }
            hear(
                Finding(
                    .partitionType,
                    "partition \(partition.number) is for \(name) (type \(partition.typeText)), and holds "
                        + (content == .fat ? "a FAT filesystem" : "an ext filesystem"),
                    offset: partition.bytes.lowerBound))
        }
    }
}

extension Finding.Kind {
    /// A partition's type is not that of its filesystem.
    public static let partitionType = Self(
        "partition-type", .warning,
        "Linux does not mind, but the firmware of boards looks for FAT in partitions of its types alone.")
}
