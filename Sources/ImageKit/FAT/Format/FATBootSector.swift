/// The first sector of a FAT filesystem, which says how the rest is divided; and FAT32's FSInfo sector.
///
/// ```
///   0       3          11                36 (FAT16)              62          510
///   ├ jump ─┤ OEM name ┤ common fields ──┤ drive, serial, label ─┤ code ·····┤ 55 aa ┤
///                                        36 (FAT32)              64                    90      510
///                                        ├ FAT32's own fields ───┤ drive, serial, label┤ code ·┤ 55 aa ┤
/// ```
///
/// Microsoft FAT specification 1.03, sections "Boot Sector and BPB" and "FAT32 FSInfo Sector Structure and Backup Boot
/// Sector". Field values are those that mkfs.vfat writes, the OEM name among them; only the code is different.
struct FATBootSector {
    var geometry: FATGeometry
    /// The volume's label, 11 bytes, padded with spaces.
    var label: [UInt8]
    /// The volume's serial number: what Linux shows as its UUID (`2178-694E`).
    var serial: UInt32
    /// Sectors of the disk before the partition.
    var hiddenSectors: UInt32

    /// Sectors in which FAT32 keeps FSInfo, and both once more.
    static let infoSector: UInt64 = 1, backupSector: UInt64 = 6
    /// The first cluster of FAT32's root directory.
    static let rootCluster: UInt64 = 2
    /// What the disk is: fixed.
    static let media: UInt8 = 0xF8

    static let size = 512
    static let signature: UInt16 = 0xAA55
    static let signatureOffset = 510

    /// Where things lie in the boot sector of both kinds.
    enum Field {
        static let jump = 0
        static let name = 3
        static let bytesPerSector = 11
        static let sectorsPerCluster = 13
        static let reservedSectors = 14
        static let copies = 16
        static let rootEntries = 17
        static let sectors16 = 19
        static let media = 21
        static let sectorsPerFAT16 = 22
        static let sectorsPerTrack = 24
        static let heads = 26
        static let hiddenSectors = 28
        static let sectors32 = 32
    }

    /// Where FAT32's own fields lie.
    enum Field32 {
        static let sectorsPerFAT = 36
        static let flags = 40
        static let version = 42
        static let rootCluster = 44
        static let infoSector = 48
        static let backupSector = 50
    }

    /// Where the last fields lie, from their start: byte 36 of FAT16, byte 64 of FAT32.
    enum Tail {
        static let start16 = 36
        static let start32 = 64
        static let drive = 0
        static let hasLabel = 2
        static let serial = 3
        static let label = 7
        static let type = 18
        static let code = 26
    }

    /// Where things lie in FSInfo.
    enum Info {
        static let lead = 0
        static let structure = 484
        static let freeClusters = 488
        static let lastUsed = 492
        static let leadSignature: UInt32 = 0x4161_5252
        static let structureSignature: UInt32 = 0x6141_7272
    }

    /// The sector's 512 bytes.
    func encoded() -> [UInt8] {
        let isFAT32 = geometry.width == .fat32
        let tail = isFAT32 ? Tail.start32 : Tail.start16
        let code = tail + Tail.code
        var sector = [UInt8](repeating: 0, count: Self.size)
        sector.store(bytes: [0xEB, UInt8(code - 2), 0x90], at: Field.jump)  // over the fields, to the code
        sector.store(bytes: "mkfs.fat".utf8, at: Field.name)
        sector.store(UInt16(FATGeometry.sectorSize), at: Field.bytesPerSector)
        sector[Field.sectorsPerCluster] = UInt8(truncatingIfNeeded: geometry.sectorsPerCluster)
        sector.store(UInt16(truncatingIfNeeded: geometry.reservedSectors), at: Field.reservedSectors)
        sector[Field.copies] = UInt8(FATGeometry.copies)
        sector.store(UInt16(truncatingIfNeeded: geometry.rootEntries), at: Field.rootEntries)
        if !isFAT32, geometry.totalSectors <= UInt64(UInt16.max) {
            sector.store(UInt16(truncatingIfNeeded: geometry.totalSectors), at: Field.sectors16)
        } else {
            sector.store(UInt32(truncatingIfNeeded: geometry.totalSectors), at: Field.sectors32)
        }
        sector[Field.media] = Self.media
        sector.store(UInt16(truncatingIfNeeded: geometry.sectorsPerTrack), at: Field.sectorsPerTrack)
        sector.store(UInt16(truncatingIfNeeded: geometry.heads), at: Field.heads)
        sector.store(hiddenSectors, at: Field.hiddenSectors)
        if isFAT32 {
            sector.store(UInt32(truncatingIfNeeded: geometry.sectorsPerFAT), at: Field32.sectorsPerFAT)
            sector.store(UInt32(Self.rootCluster), at: Field32.rootCluster)
            sector.store(UInt16(Self.infoSector), at: Field32.infoSector)
            sector.store(UInt16(Self.backupSector), at: Field32.backupSector)
        } else {
            sector.store(UInt16(truncatingIfNeeded: geometry.sectorsPerFAT), at: Field.sectorsPerFAT16)
        }
        sector[tail + Tail.drive] = 0x80  // the BIOS's first fixed disk
        sector[tail + Tail.hasLabel] = 0x29
        sector.store(serial, at: tail + Tail.serial)
        sector.store(bytes: label, at: tail + Tail.label)
        sector.store(bytes: (isFAT32 ? "FAT32   " : "FAT16   ").utf8, at: tail + Tail.type)
        // A PC that boots from here: interrupt 18h goes on to the next device; where it returns, stay.
        sector.store(bytes: [0xCD, 0x18, 0xEB, 0xFE], at: code)
        sector.store(Self.signature, at: Self.signatureOffset)
        return sector
    }

    /// FAT32's FSInfo sector: hints that spare the reader a search through the FAT.
    static func encodedInfo(freeClusters: UInt64, lastUsed: UInt64) -> [UInt8] {
        var sector = [UInt8](repeating: 0, count: size)
        sector.store(Info.leadSignature, at: Info.lead)
        sector.store(Info.structureSignature, at: Info.structure)
        sector.store(UInt32(truncatingIfNeeded: freeClusters), at: Info.freeClusters)
        sector.store(UInt32(truncatingIfNeeded: lastUsed), at: Info.lastUsed)
        sector.store(signature, at: signatureOffset)
        return sector
    }
}
