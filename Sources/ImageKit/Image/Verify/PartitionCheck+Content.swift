/// The check of partition types against the filesystems in the partitions.
extension PartitionCheck {
    /// Compares each partition's type with the filesystem that its first bytes show. Only a FAT filesystem in a
    /// partition for Linux, and an ext filesystem in a partition for FAT, are findings.
    ///
    /// - Parameter onFinding: receives the findings, with offsets from the disk's beginning.
    /// - Throws: only errors of reading the disk.
    static func checkContents(
        of disk: DiskImage, onFinding report: (Finding) -> Void
    ) throws(ImageError) {
        for partition in disk.table.partitions where !partition.isExtended {
            guard let name = partition.typeName else { continue }
            let content = try disk.content(of: partition)
            guard (partition.isForFAT && content == .ext) || (partition.isForLinux && content == .fat) else { continue }
            report(
                Finding(
                    .partitionType,
                    "partition \(partition.number) is for \(name) (type \(partition.typeText)), and holds "
                        + (content == .fat ? "a FAT filesystem" : "an ext filesystem"),
                    offset: partition.bytes.lowerBound))
        }
    }
}

extension Partition {
    /// Whether its type is one for FAT filesystems, which includes the EFI system partition.
    var isForFAT: Bool { typeName.map { $0.hasPrefix("FAT") || $0 == "EFI system" } ?? false }

    /// Whether its type is one for Linux filesystems.
    var isForLinux: Bool { typeName.map { $0 == "Linux" || $0.hasPrefix("Linux root") } ?? false }
}

extension Finding.Kind {
    /// A partition's type does not match its filesystem.
    static let partitionType = Self(
        "partition-type", .warning,
        "Linux does not mind, but the firmware of boards looks for FAT in partitions of its types alone.")
}
