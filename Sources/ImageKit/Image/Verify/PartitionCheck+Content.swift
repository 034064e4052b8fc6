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
            let content = try disk.content(of: partition)
            guard (partition.isForFAT && content == .ext) || (partition.isForLinux && content == .fat) else { continue }
            hear(
                Finding(
                    .partitionType,
                    "partition \(partition.number) is for \(name) (type \(partition.typeText)), and holds "
                        + (content == .fat ? "a FAT filesystem" : "an ext filesystem"),
                    offset: partition.bytes.lowerBound))
        }
    }
}

extension Partition {
    /// Whether its type says that a FAT filesystem is in it.
    var isForFAT: Bool { typeName.map { $0.hasPrefix("FAT") || $0 == "EFI system" } ?? false }

    /// Whether its type says that a filesystem of Linux is in it.
    var isForLinux: Bool { typeName.map { $0 == "Linux" || $0.hasPrefix("Linux root") } ?? false }
}

extension Finding.Kind {
    /// A partition's type is not that of its filesystem.
    public static let partitionType = Self(
        "partition-type", .warning,
        "Linux does not mind, but the firmware of boards looks for FAT in partitions of its types alone.")
}
