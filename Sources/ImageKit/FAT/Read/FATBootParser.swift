/// Reads the fields of a boot sector one by one, and checks each against those before it.
///
/// Source: Microsoft FAT specification 1.03, sections "Boot Sector and BPB" and "FAT Type Determination".
struct FATBootParser {
    private typealias Field = FATBootSector.Field
    private typealias Field32 = FATBootSector.Field32
    private typealias Tail = FATBootSector.Tail

    private let bytes: [UInt8]

    // MARK: The sizes of all kinds of FAT

    private(set) var sectorSize: UInt64 = 0
    private(set) var sectorsPerCluster: UInt64 = 0
    /// Sectors before the first copy of the FAT.
    private(set) var reserved: UInt64 = 0
    /// Copies of the FAT.
    private(set) var copies: UInt64 = 0
    private(set) var media: UInt64 = 0
    private(set) var sectorsPerFAT: UInt64 = 0
    private(set) var rootEntries: UInt64 = 0
    /// Sectors of the filesystem.
    private(set) var sectors: UInt64 = 0
    private(set) var sectorsBeforeData: UInt64 = 0
    private(set) var clusterCount: UInt64 = 0
    private(set) var kind = FATKind.fat32

    // MARK: The fields of FAT32

    private(set) var isMirroringOff = false
    private(set) var activeFAT: UInt64 = 0
    private(set) var rootCluster: UInt64 = 0
    /// The sector of FSInfo, if it is one of the reserved sectors.
    private(set) var infoSector: UInt64?

    // MARK: The last fields

    private(set) var serial: UInt32?
    private(set) var label: [UInt8]?

    /// Reads all fields.
    /// - Throws: see ``FATVolume/Layout/init(_:sourceSize:)``.
    init(_ bytes: [UInt8], sourceSize: UInt64) throws(ImageError) {
        self.bytes = bytes
        try checkSignature()
        try readUnits()
        try readTables()
        try readTotal(sourceSize: sourceSize)
        try countClusters()
        try checkTableSize()
        if kind == .fat32 { try readFAT32Fields() }
        try readLastFields()
    }

    private func refuse(_ offset: Int, _ reason: String) -> ImageError {
        ImageError(
            .corrupt, "cannot read a FAT filesystem: its boot sector is wrong", offset: UInt64(max(0, offset)),
            reason: reason, remedy: "make sure that this is a FAT partition and whole; fsck.fat may repair it")
    }

    private func field<T: FixedWidthInteger & UnsignedInteger>(
        _: T.Type, _ offset: Int
    ) throws(ImageError) -> UInt64 {
        guard let value: T = bytes.load(at: offset) else {
            throw refuse(offset, "it has only \(bytes.count) bytes")
        }
        return UInt64(value)
    }

    private func checkSignature() throws(ImageError) {
        guard try field(UInt16.self, Field.signature) == FATBootSector.signature else {
            throw refuse(Field.signature, "it does not end with 55 aa")
        }
    }

    /// Reads the sizes of sectors and clusters, the reserved sectors, the number of FATs, and the kind of disk.
    private mutating func readUnits() throws(ImageError) {
        sectorSize = try field(UInt16.self, Field.bytesPerSector)
        guard [512, 1024, 2048, 4096].contains(sectorSize) else {
            throw refuse(
                Field.bytesPerSector, "a sector has \(sectorSize) bytes, and only 512, 1024, 2048 or 4096 are possible")
        }
        sectorsPerCluster = try field(UInt8.self, Field.sectorsPerCluster)
        guard sectorsPerCluster.nonzeroBitCount == 1 else {
            throw refuse(
                Field.sectorsPerCluster, "a cluster has \(sectorsPerCluster) sectors, which is no power of two")
        }
        reserved = try field(UInt16.self, Field.reservedSectors)
        guard reserved > 0 else { throw refuse(Field.reservedSectors, "no sector is reserved for the boot sector") }
        copies = try field(UInt8.self, Field.copies)
        guard copies > 0 else { throw refuse(Field.copies, "there is no copy of the FAT") }
        media = try field(UInt8.self, Field.media)
        guard media == 0xF0 || media >= 0xF8 else {
            throw refuse(Field.media, "the kind of disk is \(media), which is none")
        }
    }

    /// Reads the sizes of the FAT and of the root directory, which also distinguish FAT32 from the other kinds.
    private mutating func readTables() throws(ImageError) {
        let short = try field(UInt16.self, Field.sectorsPerFAT16)
        // FAT12 and FAT16 are distinguished when the number of clusters is known.
        kind = short == 0 ? .fat32 : .fat16
        sectorsPerFAT = kind == .fat32 ? try field(UInt32.self, Field32.sectorsPerFAT) : short
        guard sectorsPerFAT > 0 else { throw refuse(Field32.sectorsPerFAT, "the FAT has no sectors") }
        rootEntries = try field(UInt16.self, Field.rootEntries)
        guard (kind == .fat32) == (rootEntries == 0) else {
            throw refuse(
                Field.rootEntries, "the root folder has \(rootEntries) entries, which does not go with the FAT's size")
        }
    }

    /// Reads the size of the filesystem, which the source must contain.
    private mutating func readTotal(sourceSize: UInt64) throws(ImageError) {
        let short = try field(UInt16.self, Field.sectors16)
        sectors = short != 0 ? short : try field(UInt32.self, Field.sectors32)
        // No later product can overflow: its factors have at most 32, 8 and 13 bits.
        guard sectors > 0, sectors * sectorSize <= sourceSize else {
            throw refuse(
                short != 0 ? Field.sectors16 : Field.sectors32,
                "the filesystem has \(sectors) sectors of \(sectorSize) bytes, and the partition \(sourceSize) bytes")
        }
    }

    /// The offset of the field with the size of the FAT.
    private var sectorsPerFATField: Int { kind == .fat32 ? Field32.sectorsPerFAT : Field.sectorsPerFAT16 }

    /// Computes the number of clusters, which decides the kind of FAT.
    private mutating func countClusters() throws(ImageError) {
        let rootSectors = (rootEntries * UInt64(FATDirectoryEntry.size)).dividedRoundingUp(by: sectorSize)
        sectorsBeforeData = reserved + copies * sectorsPerFAT + rootSectors
        guard sectorsBeforeData < sectors, (sectors - sectorsBeforeData) / sectorsPerCluster > 0 else {
            throw refuse(
                sectorsPerFATField,
                "\(sectorsBeforeData) sectors lie before the data, and the filesystem has \(sectors) sectors in all")
        }
        clusterCount = (sectors - sectorsBeforeData) / sectorsPerCluster
        if kind == .fat16, clusterCount < FATKind.fat16.clusterCounts.lowerBound { kind = .fat12 }
        guard clusterCount <= kind.clusterCounts.upperBound else {
            throw refuse(Field.sectors32, "there are \(clusterCount) clusters, more than FAT\(kind.rawValue) can count")
        }
    }

    private func checkTableSize() throws(ImageError) {
        let entries = sectorsPerFAT * sectorSize * 8 / kind.bits
        guard entries >= clusterCount + 2 else {
            throw refuse(
                sectorsPerFATField,
                "the FAT has room for \(entries) entries, and \(clusterCount) clusters need \(clusterCount + 2)")
        }
    }

    private mutating func readFAT32Fields() throws(ImageError) {
        let version = try field(UInt16.self, Field32.version)
        guard version == 0 else {
            throw refuse(Field32.version, "its version is \(version), and only 0 is known")
        }
        let flags = try field(UInt16.self, Field32.flags)
        isMirroringOff = flags & Field32.isMirroringOff != 0
        activeFAT = isMirroringOff ? flags & Field32.activeFAT : 0
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
        infoSector = info > 0 && info < reserved ? info : nil
    }

    private mutating func readLastFields() throws(ImageError) {
        let start = Tail.start(of: kind)
        let signature = try field(UInt8.self, start + Tail.signature)
        let hasLabel = signature == Tail.labelSignature
        serial = hasLabel || signature == Tail.serialSignature ? bytes.load(at: start + Tail.serial) : nil
        label = hasLabel ? Array(bytes.dropFirst(start + Tail.label).prefix(11)) : nil
    }
}
