/// How a FAT filesystem is divided: everything about it that follows from the size of its partition.
///
/// ```
///   FAT16   ├ reserved: boot sector ·········┤ FAT ┤ FAT ┤ root directory ┤ cluster 2 ┤ 3 ┤ 4 ┤ ····
///   FAT32   ├ reserved: boot sector, FSInfo,
///             backup of both at sector 6 ····┤ FAT ┤ FAT ┤ cluster 2 (root) ┤ 3 ┤ 4 ┤ ····
/// ```
///
/// The layout is that of the Microsoft FAT specification 1.03 (section "FAT Data Structure"). The numbers are the ones
/// that `mkfs.vfat` of dosfstools 4.2 was seen to choose, so that the same partition comes out divided the same; below
/// 8 MiB it would choose FAT12, which the Raspberry Pi's boot ROM does not reliably read: there it is FAT16 with
/// smaller clusters.
public struct FATGeometry: Hashable, Sendable {
    /// The kind of FAT. The number of clusters decides it, not a field on the disk.
    public enum Width: UInt64, Sendable {
        /// 2 bytes a cluster, 4087 to 65,524 clusters, a root directory of fixed size.
        case fat16 = 2
        /// 4 bytes a cluster, 65,525 clusters or more, a root directory in clusters.
        case fat32 = 4

        /// Bytes of one entry in the FAT.
        var entrySize: UInt64 { rawValue }
    }

    /// Bytes in a sector.
    public static let sectorSize: UInt64 = 512
    /// The size that NixOS gives the firmware partition: 30 MiB.
    public static let defaultSize: UInt64 = 30 << 20
    /// The smallest partition in whole MiB that FAT16 is possible in.
    public static let smallestSize: UInt64 = 3 << 20
    /// How many copies of the FAT there are.
    static let copies: UInt64 = 2

    /// The partition's size in bytes.
    public let partitionSize: UInt64
    /// The kind of FAT.
    public let width: Width
    /// Sectors of the filesystem: the partition's, rounded down to whole tracks (as mkfs.vfat does, and mtools wants).
    public let totalSectors: UInt64
    /// Sectors before the first FAT.
    public let reservedSectors: UInt64
    /// Sectors of one FAT.
    public let sectorsPerFAT: UInt64
    /// Sectors in a cluster, a power of two.
    public let sectorsPerCluster: UInt64
    /// Entries in the root directory of FAT16, 32 bytes each; 0 for FAT32.
    public let rootEntries: UInt64
    /// Clusters for data; they are numbered from 2.
    public let clusterCount: UInt64
    /// The disk geometry in the boot sector, which nothing but old BIOSes and mtools' checks look at.
    public let sectorsPerTrack: UInt64, heads: UInt64

    /// Chooses for a partition of `partitionSize` bytes.
    ///
    /// Throws ``ImageError/Code/invalidInput`` where that is no multiple of 512, ``ImageError/Code/doesNotFit`` where
    /// it is too small for FAT16 (about 2.1 MiB) or larger than a FAT filesystem can be (2 TiB).
    public init(partitionSize: UInt64) throws(ImageError) {
        guard partitionSize % Self.sectorSize == 0 else {
            throw ImageError(
                .invalidInput, "a FAT partition cannot have \(partitionSize) bytes",
                reason: "it must be a multiple of \(Self.sectorSize)", remedy: "give --firmware-size in MiB, like 30M")
        }
        let sectors = partitionSize / Self.sectorSize
        guard sectors <= UInt64(UInt32.max) else {
            throw ImageError(
                .doesNotFit, "a FAT partition cannot have \(ByteSize.format(partitionSize))",
                reason: "FAT counts at most \(UInt32.max) sectors of 512 bytes (2 TiB)",
                remedy: "choose a smaller --firmware-size")
        }
        if sectors >= Self.firstFAT32Sectors {
            self.init(sectors, .fat32, sectorsPerCluster: Self.fat32ClusterSectors(sectors))
            return
        }
        // 2 KiB clusters where they are possible; smaller ones where FAT16 has too few, larger ones where too many.
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
            remedy: "use --firmware-size \(Self.smallestSize >> 20)M or more")
    }

    /// From 512 MiB on it is FAT32.
    private static let firstFAT32Sectors: UInt64 = 512 << 11
    /// Where a reader takes the filesystem for FAT16 (specification, section "FAT Type Determination"); its lowest two
    /// numbers are left out, as readers of old disagree there.
    private static let fat16Clusters: ClosedRange<UInt64> = 4087...65_524

    private static func fat32ClusterSectors(_ sectors: UInt64) -> UInt64 {
        switch sectors {
        case ...(8 << 21): 8
        case ...(16 << 21): 16
        case ...(32 << 21): 32
        default: 64
        }
    }

    private init(_ sectors: UInt64, _ width: Width, sectorsPerCluster: UInt64) {
        let track = Self.track(sectors)
        let total = sectors / track.sectors * track.sectors
        // Everything before the data is made of whole clusters, so that these lie aligned like the partition itself.
        let reserved = (width == .fat32 ? 32 : 1 as UInt64).roundedUp(to: sectorsPerCluster)
        let rootEntries: UInt64 = width == .fat16 ? 512 : 0
        let before = reserved + rootEntries * 32 / Self.sectorSize
        let available = total > before ? total - before : 0

        // The shortest FAT that has an entry for each cluster it leaves, and two besides. The first guess, where data
        // and FATs share the space without rounding, is never too long.
        func clusters(_ length: UInt64) -> UInt64 {
            available > Self.copies * length ? (available - Self.copies * length) / sectorsPerCluster : 0
        }
        let entriesPerSector = Self.sectorSize / width.entrySize
        var length = available / (entriesPerSector * sectorsPerCluster + Self.copies)
        length = length / sectorsPerCluster * sectorsPerCluster
        while length * entriesPerSector < clusters(length) + 2 { length += sectorsPerCluster }

        partitionSize = sectors * Self.sectorSize
        self.width = width
        totalSectors = total
        reservedSectors = reserved
        sectorsPerFAT = length
        self.sectorsPerCluster = sectorsPerCluster
        self.rootEntries = rootEntries
        clusterCount = clusters(length)
        sectorsPerTrack = track.sectors
        heads = track.heads
    }

    /// Sectors per track and heads for a size, after the table of the SD File System Specification, appendix C.
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
    public var clusterSize: UInt64 { sectorsPerCluster * Self.sectorSize }
    /// The byte at which copy `index` of the FAT begins.
    func offset(ofFAT index: UInt64) -> UInt64 { (reservedSectors + index * sectorsPerFAT) * Self.sectorSize }
    /// The byte at which the root directory of FAT16 begins, and everything behind the FATs.
    var rootOffset: UInt64 { offset(ofFAT: Self.copies) }
    /// The byte at which a cluster begins (2 is the first).
    func offset(ofCluster cluster: UInt64) -> UInt64 { rootOffset + rootEntries * 32 + (cluster - 2) * clusterSize }
}
