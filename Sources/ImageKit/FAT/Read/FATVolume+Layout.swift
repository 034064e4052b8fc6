extension FATVolume {
    /// The division of an existing FAT filesystem, read from its boot sector. (`FATGeometry` is that of a new one.)
    ///
    /// ```
    ///   offset   0          fatOffset                    rootOffset     dataOffset                    size
    ///            ├ reserved ┤ FAT ┤ FAT ┤ ·· (copies) ···┤ root directory ─┤ cluster 2 ┤ 3 ┤ 4 ┤ ···· ┤ rest │
    ///                                                      (not FAT32)
    /// ```
    ///
    /// All values are checked: every range is within the source, and no sum or product of the values exceeds 64 bits.
    /// Offsets are in bytes from the start of the partition.
    public struct Layout: Hashable, Sendable {
        /// The kind of FAT, which follows from the number of clusters. (A boot sector with FAT32's fields makes it
        /// FAT32 even if there are few clusters: `mkfs.vfat -F 32` makes such filesystems, and Linux and U-Boot read
        /// them.)
        public let kind: FATKind
        /// Bytes in a sector: 512, 1024, 2048 or 4096.
        public let sectorSize: UInt64
        /// Bytes in a cluster.
        public let clusterSize: UInt64
        /// Clusters for data; they are numbered from 2.
        public let clusterCount: UInt64
        /// Bytes of the filesystem. The partition may be larger.
        public let size: UInt64
        /// The offset of the first copy of the FAT, and the bytes of each copy.
        public let fatOffset: UInt64, fatSize: UInt64
        /// The number of copies of the FAT.
        public let fatCopies: UInt64
        /// The copy that is in use: the first, unless FAT32's flags name another.
        public let activeFAT: UInt64
        /// The offset of the root directory of FAT12 and FAT16.
        public let rootOffset: UInt64
        /// Entries in the root directory of FAT12 and FAT16, 32 bytes each; 0 for FAT32.
        public let rootEntries: UInt64
        /// The offset of cluster 2.
        public let dataOffset: UInt64
        /// The first cluster of FAT32's root directory; 0 for other kinds.
        public let rootCluster: UInt64
        /// The offset of FAT32's FSInfo, if it has one.
        public let infoOffset: UInt64?
        /// The volume's serial number, which Linux shows as UUID.
        public let serial: UInt32?
        /// The label in the boot sector: 11 bytes, padded with spaces.
        let label: [UInt8]?
        /// The kind of disk: 0xF0, or 0xF8 and more.
        let media: UInt8
        /// Whether only the active copy of the FAT is kept up to date, as FAT32's flags may say.
        let isMirroringOff: Bool

        /// Reads the boot sector `sector` of a source that has `sourceSize` bytes.
        ///
        /// - Throws: ``ImageError/Code/corrupt`` with the offset of the first field that has an impossible value.
        init(_ sector: [UInt8], sourceSize: UInt64) throws(ImageError) {
            let parser = try FATBootParser(sector, sourceSize: sourceSize)
            kind = parser.kind
            media = UInt8(truncatingIfNeeded: parser.media)
            sectorSize = parser.sectorSize
            clusterSize = parser.sectorsPerCluster * parser.sectorSize
            clusterCount = parser.clusterCount
            size = parser.sectors * parser.sectorSize
            fatOffset = parser.reserved * parser.sectorSize
            fatSize = parser.sectorsPerFAT * parser.sectorSize
            fatCopies = parser.copies
            rootOffset = (parser.reserved + parser.copies * parser.sectorsPerFAT) * parser.sectorSize
            rootEntries = parser.rootEntries
            dataOffset = parser.sectorsBeforeData * parser.sectorSize
            isMirroringOff = parser.isMirroringOff
            activeFAT = parser.activeFAT
            rootCluster = parser.rootCluster
            infoOffset = parser.infoSector.map { $0 * parser.sectorSize }
            serial = parser.serial
            label = parser.label
        }

        /// The numbers of all clusters.
        var clusters: Range<UInt64> { 2..<clusterCount + 2 }

        /// The offset of a cluster of ``clusters``.
        func offset(ofCluster cluster: UInt64) -> UInt64 { dataOffset + (cluster - 2) * clusterSize }

        /// The offset of the active copy of the FAT.
        var activeFATOffset: UInt64 { fatOffset + activeFAT * fatSize }
    }
}
