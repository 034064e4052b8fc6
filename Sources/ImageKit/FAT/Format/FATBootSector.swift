/// The first sector of a new FAT filesystem, which describes how the rest is divided; and FAT32's FSInfo sector.
///
/// ```
///   0       3          11                36 (FAT16)              62          510
///   ├ jump ─┤ OEM name ┤ common fields ──┤ drive, serial, label ─┤ code ·····┤ 55 aa ┤
///                                        36 (FAT32)              64                    90      510
///                                        ├ FAT32's own fields ───┤ drive, serial, label┤ code ·┤ 55 aa ┤
/// ```
///
/// Source: Microsoft FAT specification 1.03, sections "Boot Sector and BPB" and "FAT32 FSInfo Sector Structure and
/// Backup Boot Sector". The fields have the values that mkfs.vfat writes, including the OEM name; only the code
/// differs.
struct FATBootSector {
    var geometry: FATGeometry
    /// The volume's label, 11 bytes, padded with spaces.
    var label: [UInt8]
    /// The volume's serial number, which Linux shows as its UUID (`2178-694E`).
    var serial: UInt32
    /// The sectors of the disk before the partition.
    var hiddenSectors: UInt32

    /// The sectors of FAT32 that hold FSInfo, and the backup of both sectors.
    static let infoSector: UInt64 = 1, backupSector: UInt64 = 6
    /// The first cluster of FAT32's root directory.
    static let rootCluster: UInt64 = 2
    /// The kind of disk: fixed.
    static let media: UInt8 = 0xF8

    /// Bytes of the structure, whatever the sector size is.
    static let size = 512
    /// The last two bytes of the structure, 55 aa.
    static let signature: UInt16 = 0xAA55

    /// The offsets of the fields that all kinds of FAT have.
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
        static let signature = 510
    }

    /// The offsets of FAT32's own fields.
    enum Field32 {
        static let sectorsPerFAT = 36
        static let flags = 40
        static let version = 42
        static let rootCluster = 44
        static let infoSector = 48
        static let backupSector = 50

        /// The flag for a FAT of which only one copy is kept up to date, and the bits with the number of that copy.
        static let isMirroringOff: UInt64 = 0x80, activeFAT: UInt64 = 0x0F
    }

    /// The offsets of the last fields, from the byte at which they begin.
    enum Tail {
        /// The byte at which they begin in FAT12 and FAT16, and in FAT32.
        static let start16 = 36, start32 = 64
        static let drive = 0
        static let state = 1
        static let signature = 2
        static let serial = 3
        static let label = 7
        static let type = 18
        static let code = 26

        /// The signature before a serial number, a label and a type, and the one before a serial number alone.
        static let labelSignature: UInt8 = 0x29, serialSignature: UInt8 = 0x28
        /// The bits of the state: the filesystem is in use; the disk had errors.
        static let isDirty: UInt8 = 1, hasErrors: UInt8 = 2

        /// The byte at which they begin.
        static func start(of kind: FATKind) -> Int { kind == .fat32 ? start32 : start16 }
    }

    /// The offsets of the fields of FSInfo, which ends with the boot sector's signature.
    enum InfoField {
        static let lead = 0
        static let structure = 484
        static let freeClusters = 488
        static let lastUsed = 492

        static let leadSignature: UInt32 = 0x4161_5252
        static let structureSignature: UInt32 = 0x6141_7272
    }

    /// The sector's 512 bytes.
    func encoded() -> [UInt8] {
        let isFAT32 = geometry.kind == .fat32
        let tail = Tail.start(of: geometry.kind)
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
        sector[tail + Tail.signature] = Tail.labelSignature
        sector.store(serial, at: tail + Tail.serial)
        sector.store(bytes: label, at: tail + Tail.label)
        sector.store(bytes: (isFAT32 ? "FAT32   " : "FAT16   ").utf8, at: tail + Tail.type)
        // A PC that boots from here: interrupt 18h continues with the next device; if it returns, loop forever.
        sector.store(bytes: [0xCD, 0x18, 0xEB, 0xFE], at: code)
        sector.store(Self.signature, at: Field.signature)
        return sector
    }

    /// FAT32's FSInfo sector: hints that save the reader a search through the FAT.
    static func encodedInfo(freeClusters: UInt64, lastUsed: UInt64) -> [UInt8] {
        var sector = [UInt8](repeating: 0, count: size)
        sector.store(InfoField.leadSignature, at: InfoField.lead)
        sector.store(InfoField.structureSignature, at: InfoField.structure)
        sector.store(UInt32(truncatingIfNeeded: freeClusters), at: InfoField.freeClusters)
        sector.store(UInt32(truncatingIfNeeded: lastUsed), at: InfoField.lastUsed)
        sector.store(signature, at: Field.signature)
        return sector
    }
}
