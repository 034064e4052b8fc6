/// How a FAT filesystem that somebody made is divided: its boot sector, read field by field and found to fit.
///
/// ```
///   offset   0          fatOffset                    rootOffset     dataOffset                    size
///            ├ reserved ┤ FAT ┤ FAT ┤ ·· (copies) ···┤ root directory ─┤ cluster 2 ┤ 3 ┤ 4 ┤ ···· ┤ rest │
///                                                      (not FAT32)
/// ```
///
/// Everything about it can be relied on: all that is named here lies within the source, and no sum or product of it
/// goes past 64 bits. Microsoft FAT specification 1.03, sections "Boot Sector and BPB" and "FAT Type Determination".
public struct FATLayout: Hashable, Sendable {
    /// The kind of FAT.
    public enum Kind: Int, Sendable {
        /// 12 bits a cluster, up to 4084 clusters.
        case fat12 = 12
        /// 16 bits a cluster, 4085 to 65,524 clusters.
        case fat16 = 16
        /// 32 bits a cluster, of which 28 count.
        case fat32 = 32
    }

    /// The kind of FAT: the number of clusters decides it. (A boot sector with FAT32's fields is of FAT32 even with few
    /// clusters: `mkfs.vfat -F 32` makes such filesystems, and Linux and U-Boot read them so.)
    public let kind: Kind
    /// Bytes in a sector: 512, 1024, 2048 or 4096.
    public let sectorSize: UInt64
    /// Bytes in a cluster.
    public let clusterSize: UInt64
    /// Clusters for data; they are numbered from 2.
    public let clusterCount: UInt64
    /// Bytes of the filesystem. The partition may be larger.
    public let size: UInt64
    /// The byte at which the first copy of the FAT begins, and the bytes of each.
    public let fatOffset: UInt64, fatSize: UInt64
    /// How many copies of the FAT there are.
    public let fatCopies: UInt64
    /// The copy that counts: the first, unless FAT32's flags name another.
    public let activeFAT: UInt64
    /// The byte at which the root directory of FAT12 and FAT16 begins.
    public let rootOffset: UInt64
    /// Entries in the root directory of FAT12 and FAT16, 32 bytes each; 0 for FAT32.
    public let rootEntries: UInt64
    /// The byte at which cluster 2 begins.
    public let dataOffset: UInt64
    /// The first cluster of FAT32's root directory; 0 for others.
    public let rootCluster: UInt64
    /// The byte at which FAT32's FSInfo lies, where it has one.
    public let infoOffset: UInt64?
    /// The volume's serial number, which Linux shows as UUID.
    public let serial: UInt32?
    /// The label in the boot sector: 11 bytes, padded with spaces.
    let label: [UInt8]?
    /// What the disk is: 0xF0, or 0xF8 and more.
    let media: UInt8
    /// Whether only the copy of the FAT that counts is kept up to date, as FAT32's flags may say.
    let hasOneFAT: Bool

    /// Reads the boot sector `sector` of a source that has `sourceSize` bytes.
    ///
    /// Throws ``ImageError/Code/corrupt`` with the offset of the first field that cannot be true.
    init(_ sector: [UInt8], sourceSize: UInt64) throws(ImageError) {
        typealias Field = FATBootSector.Field
        typealias Field32 = FATBootSector.Field32
        typealias Tail = FATBootSector.Tail
        func refuse(_ offset: Int, _ reason: String) -> ImageError {
            ImageError(
                .corrupt, "cannot read a FAT filesystem: its boot sector is wrong", offset: UInt64(max(0, offset)),
                reason: reason, remedy: "make sure that this is a FAT partition and whole; fsck.fat may repair it")
        }
        func field<T: FixedWidthInteger & UnsignedInteger>(_: T.Type, _ offset: Int) throws(ImageError) -> UInt64 {
            guard let value: T = sector.load(at: offset) else {
                throw refuse(offset, "it has only \(sector.count) bytes")
            }
            return UInt64(value)
        }
        guard try field(UInt16.self, FATBootSector.signatureOffset) == FATBootSector.signature else {
            throw refuse(FATBootSector.signatureOffset, "it does not end with 55 aa")
        }
        let sectorSize = try field(UInt16.self, Field.bytesPerSector)
        guard [512, 1024, 2048, 4096].contains(sectorSize) else {
            throw refuse(
                Field.bytesPerSector, "a sector has \(sectorSize) bytes, and only 512, 1024, 2048 or 4096 are possible")
        }
        let sectorsPerCluster = try field(UInt8.self, Field.sectorsPerCluster)
        guard sectorsPerCluster.nonzeroBitCount == 1 else {
            throw refuse(
                Field.sectorsPerCluster, "a cluster has \(sectorsPerCluster) sectors, which is no power of two")
        }
        let reserved = try field(UInt16.self, Field.reservedSectors)
        guard reserved > 0 else { throw refuse(Field.reservedSectors, "no sector is reserved for the boot sector") }
        let copies = try field(UInt8.self, Field.copies)
        guard copies > 0 else { throw refuse(Field.copies, "there is no copy of the FAT") }
        let media = try field(UInt8.self, Field.media)
        guard media == 0xF0 || media >= 0xF8 else {
            throw refuse(Field.media, "the kind of disk is \(media), which is none")
        }

        let short = try field(UInt16.self, Field.sectorsPerFAT16)
        let isFAT32 = short == 0
        let sectorsPerFAT = isFAT32 ? try field(UInt32.self, Field32.sectorsPerFAT) : short
        guard sectorsPerFAT > 0 else { throw refuse(Field32.sectorsPerFAT, "the FAT has no sectors") }
        let rootEntries = try field(UInt16.self, Field.rootEntries)
        guard isFAT32 == (rootEntries == 0) else {
            throw refuse(
                Field.rootEntries, "the root folder has \(rootEntries) entries, which does not go with the FAT's size")
        }
        let few = try field(UInt16.self, Field.sectors16)
        let sectors = few != 0 ? few : try field(UInt32.self, Field.sectors32)
        // None of the following can overflow: at most 32 bits times 8 bits times 13 bits.
        let size = sectors * sectorSize
        guard sectors > 0, size <= sourceSize else {
            throw refuse(
                few != 0 ? Field.sectors16 : Field.sectors32,
                "the filesystem has \(sectors) sectors of \(sectorSize) bytes, and the partition \(sourceSize) bytes")
        }
        let rootSectors = (rootEntries * UInt64(FATDirectoryEntry.size)).dividedRoundingUp(by: sectorSize)
        let before = reserved + copies * sectorsPerFAT + rootSectors
        guard before < sectors, (sectors - before) / sectorsPerCluster > 0 else {
            throw refuse(
                isFAT32 ? Field32.sectorsPerFAT : Field.sectorsPerFAT16,
                "\(before) sectors lie before the data, and the filesystem has \(sectors) sectors in all")
        }
        let clusterCount = (sectors - before) / sectorsPerCluster
        let kind: Kind = isFAT32 ? .fat32 : clusterCount < Self.firstFAT16 ? .fat12 : .fat16
        guard clusterCount < (isFAT32 ? Self.pastFAT32 : Self.firstFAT32) else {
            throw refuse(Field.sectors32, "there are \(clusterCount) clusters, more than FAT\(kind.rawValue) can count")
        }
        let entries = sectorsPerFAT * sectorSize * 8 / UInt64(kind.rawValue)
        guard entries >= clusterCount + 2 else {
            throw refuse(
                isFAT32 ? Field32.sectorsPerFAT : Field.sectorsPerFAT16,
                "the FAT has room for \(entries) entries, and \(clusterCount) clusters need \(clusterCount + 2)")
        }

        self.kind = kind
        self.media = UInt8(truncatingIfNeeded: media)
        self.sectorSize = sectorSize
        clusterSize = sectorsPerCluster * sectorSize
        self.clusterCount = clusterCount
        self.size = size
        fatOffset = reserved * sectorSize
        fatSize = sectorsPerFAT * sectorSize
        fatCopies = copies
        rootOffset = (reserved + copies * sectorsPerFAT) * sectorSize
        self.rootEntries = rootEntries
        dataOffset = before * sectorSize
        if isFAT32 {
            let version = try field(UInt16.self, Field32.version)
            guard version == 0 else {
                throw refuse(Field32.version, "its version is \(version), and only 0 is known")
            }
            let flags = try field(UInt16.self, Field32.flags)
            hasOneFAT = flags & 0x80 != 0
            activeFAT = hasOneFAT ? flags & 0x0F : 0
            guard activeFAT < copies else {
                throw refuse(Field32.flags, "copy \(activeFAT) of the FAT counts, and there are only \(copies)")
            }
            rootCluster = try field(UInt32.self, Field32.rootCluster)
            guard (2..<clusterCount + 2).contains(rootCluster) else {
                throw refuse(
                    Field32.rootCluster,
                    "the root folder is in cluster \(rootCluster), and there are 2 to \(clusterCount + 1)")
            }
            let info = try field(UInt16.self, Field32.infoSector)
            infoOffset = info > 0 && info < reserved ? info * sectorSize : nil
        } else {
            hasOneFAT = false
            activeFAT = 0
            rootCluster = 0
            infoOffset = nil
        }
        let tail = isFAT32 ? Tail.start32 : Tail.start16
        let mark = try field(UInt8.self, tail + Tail.hasLabel)
        serial = mark == 0x29 || mark == 0x28 ? sector.load(at: tail + Tail.serial) : nil
        label = mark == 0x29 ? Array(sector.dropFirst(tail + Tail.label).prefix(11)) : nil
    }

    /// Clusters from which on it is FAT16 and FAT32, and past what FAT32 can count.
    static let firstFAT16: UInt64 = 4085, firstFAT32: UInt64 = 65_525, pastFAT32: UInt64 = 0x0FFF_FFF5

    /// The cluster numbers there are.
    var clusters: Range<UInt64> { 2..<clusterCount + 2 }

    /// The byte at which a cluster of ``clusters`` begins.
    func offset(ofCluster cluster: UInt64) -> UInt64 { dataOffset + (cluster - 2) * clusterSize }

    /// The byte at which the copy of the FAT that counts begins.
    var activeFATOffset: UInt64 { fatOffset + activeFAT * fatSize }
}
