/// The division of a new FAT filesystem, chosen for the size of its partition. (``FATVolume/Layout`` is that of an
/// existing filesystem, read from its boot sector.)
///
/// ```
///   FAT16   ├ reserved: boot sector ·········┤ FAT ┤ FAT ┤ root directory ┤ cluster 2 ┤ 3 ┤ 4 ┤ ····
///   FAT32   ├ reserved: boot sector, FSInfo,
///             backup of both at sector 6 ····┤ FAT ┤ FAT ┤ cluster 2 (root) ┤ 3 ┤ 4 ┤ ····
/// ```
///
/// Source: Microsoft FAT specification 1.03, section "FAT Data Structure". The numbers are those that `mkfs.vfat` of
/// dosfstools 4.2 was seen to choose, so that a partition of the same size is divided in the same way. Below 8 MiB it
/// would choose FAT12, which the Raspberry Pi's boot ROM does not reliably read: there it is FAT16 with smaller
/// clusters.
struct FATGeometry: Hashable, Sendable {
    /// Bytes in a sector.
    static let sectorSize: UInt64 = 512
    /// The size that NixOS gives the firmware partition: 30 MiB.
    static let defaultSize: UInt64 = 30 << 20
    /// The smallest partition in whole MiB that can hold FAT16.
    static let minimumSize: UInt64 = 3 << 20
    /// The number of copies of the FAT.
    static let copies: UInt64 = 2

    /// The partition's size in bytes.
    let partitionSize: UInt64
    /// The kind of FAT: FAT16 or FAT32.
    let kind: FATKind
    /// Sectors of the filesystem: the partition's, rounded down to whole tracks (as mkfs.vfat does, and mtools wants).
    let totalSectors: UInt64
    /// Sectors before the first FAT.
    let reservedSectors: UInt64
    /// Sectors of one FAT.
    let sectorsPerFAT: UInt64
    /// Sectors in a cluster, a power of two.
    let sectorsPerCluster: UInt64
    /// Entries in the root directory of FAT16, 32 bytes each; 0 for FAT32.
    let rootEntries: UInt64
    /// Clusters for data; they are numbered from 2.
    let clusterCount: UInt64
    /// The disk geometry in the boot sector. Only old BIOSes and the checks of mtools use it.
    let sectorsPerTrack: UInt64, heads: UInt64

    /// Chooses for a partition of `partitionSize` bytes.
    ///
    /// - Throws: ``ImageError/Code/invalidInput`` unless the size is a multiple of 512; ``ImageError/Code/doesNotFit``
    ///   if it is too small for FAT16 (about 2.1 MiB) or too large for any FAT filesystem (2 TiB).
    init(partitionSize: UInt64) throws(ImageError) {
        guard partitionSize % Self.sectorSize == 0 else {
            throw ImageError(
                .invalidInput, "a FAT partition cannot have \(partitionSize) bytes",
                reason: "it must be a multiple of \(Self.sectorSize)", remedy: "give \(.fatSize) in MiB, like 30M")
        }
        let sectors = partitionSize / Self.sectorSize
        guard sectors <= UInt64(UInt32.max) else {
            throw ImageError(
                .doesNotFit, "a FAT partition cannot have \(ByteSize.format(partitionSize))",
                reason: "FAT counts at most \(UInt32.max) sectors of 512 bytes (2 TiB)",
                remedy: "choose a smaller \(.fatSize)")
        }
        if sectors >= Self.minimumFAT32Sectors {
            self.init(sectors, .fat32, sectorsPerCluster: Self.fat32ClusterSectors(sectors))
            return
        }
        // 2 KiB clusters if possible; smaller ones where FAT16 has too few clusters, larger ones where it has too many.
        for sectorsPerCluster: UInt64 in [4, 2, 1, 8, 16] {
            let geometry = Self(sectors, .fat16, sectorsPerCluster: sectorsPerCluster)
            if Self.fat16Clusters.contains(geometry.clusterCount) {
                self = geometry
                return
            }
        }
        throw ImageError(
            .doesNotFit, "a FAT partition cannot have \(ByteSize.format(partitionSize))",
            reason: "FAT16 needs at least \(Self.fat16Clusters.lowerBound) clusters of 512 bytes, and the Raspberry Pi "
                + "does not reliably boot from FAT12",
            remedy: "use \(.fatSize, "\(Self.minimumSize >> 20)M") or more")
    }

    /// From 512 MiB on, the filesystem is FAT32.
    private static let minimumFAT32Sectors: UInt64 = 512 << 11
    /// Numbers of clusters with which every reader takes the filesystem for FAT16. The lowest two of the specification
    /// are left out, because old readers disagree about them.
    private static let fat16Clusters = 4087...FATKind.fat16.clusterCounts.upperBound

    private static func fat32ClusterSectors(_ sectors: UInt64) -> UInt64 {
        switch sectors {
        case ...(8 << 21): 8
        case ...(16 << 21): 16
        case ...(32 << 21): 32
        default: 64
        }
    }

    private init(_ sectors: UInt64, _ kind: FATKind, sectorsPerCluster: UInt64) {
        let track = Self.track(sectors)
        let total = sectors / track.sectors * track.sectors
        // The structures before the data fill whole clusters, so that clusters have the alignment of the partition.
        let reserved = (kind == .fat32 ? 32 : 1 as UInt64).roundedUp(to: sectorsPerCluster)
        let rootEntries: UInt64 = kind == .fat16 ? 512 : 0
        let before = reserved + rootEntries * UInt64(FATDirectoryEntry.size) / Self.sectorSize
        let available = total > before ? total - before : 0

        // The shortest FAT that has an entry for each remaining cluster, and two more. The first guess divides the
        // space between data and FATs without rounding, so it is never too long.
        func clusters(_ length: UInt64) -> UInt64 {
            available > Self.copies * length ? (available - Self.copies * length) / sectorsPerCluster : 0
        }
        let entriesPerSector = Self.sectorSize * 8 / kind.bits
        var length = available / (entriesPerSector * sectorsPerCluster + Self.copies)
        length = length / sectorsPerCluster * sectorsPerCluster
        while length * entriesPerSector < clusters(length) + 2 { length += sectorsPerCluster }

        partitionSize = sectors * Self.sectorSize
        self.kind = kind
        totalSectors = total
        reservedSectors = reserved
        sectorsPerFAT = length
        self.sectorsPerCluster = sectorsPerCluster
        self.rootEntries = rootEntries
        clusterCount = clusters(length)
        sectorsPerTrack = track.sectors
        heads = track.heads
    }

    /// Sectors per track and heads for a size, from the table of the SD File System Specification, appendix C.
    private static func track(_ sectors: UInt64) -> (sectors: UInt64, heads: UInt64) {
        switch sectors {
        case ...4096: (16, 2)
        case ...32_768: (32, 2)
        case ...65_536: (32, 4)
        case ...262_144: (32, 8)
        case ...524_288: (32, 16)
        case ...1_032_192: (63, 16)
        case ...2_064_384: (63, 32)
        case ...4_128_768: (63, 64)
        case ...8_257_536: (63, 128)
        default: (63, 255)
        }
    }

    /// Bytes in a cluster.
    var clusterSize: UInt64 { sectorsPerCluster * Self.sectorSize }
    /// The offset of copy `index` of the FAT, in bytes from the start of the partition.
    func offset(ofFAT index: UInt64) -> UInt64 { (reservedSectors + index * sectorsPerFAT) * Self.sectorSize }
    /// The offset of the first byte after the FATs, where the root directory of FAT16 begins.
    var rootOffset: UInt64 { offset(ofFAT: Self.copies) }
    /// The offset of a cluster (2 is the first), in bytes from the start of the partition.
    func offset(ofCluster cluster: UInt64) -> UInt64 {
        rootOffset + rootEntries * UInt64(FATDirectoryEntry.size) + (cluster - 2) * clusterSize
    }
}
