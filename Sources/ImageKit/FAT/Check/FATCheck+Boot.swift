/// The boot sector, its backup and FSInfo.
extension FATCheck {
    private typealias Field = FATBootSector.Field
    private typealias Field32 = FATBootSector.Field32
    private typealias Tail = FATBootSector.Tail
    private typealias Info = FATBootSector.Info

    /// Where the byte with the state lies in the last fields: bit 0 says that the filesystem is in use, bit 1 that the
    /// disk had errors.
    private static let state = 1
    private static let isDirty: UInt8 = 1, hasErrors: UInt8 = 2

    /// How the filesystem is divided, and its boot sector: `nil` where that is wrong and the layout is of its backup.
    static func bootSector(
        of source: any ByteSource, _ hear: (Finding) -> Void
    ) throws(ImageError) -> (FATLayout, sector: [UInt8]?)? {
        let size = FATBootSector.size
        guard source.size >= UInt64(size) else {
            hear(Finding(.fatBootSector, "\(source.size) bytes are too few for a boot sector", offset: 0))
            return nil
        }
        let sector = try source.read(size, at: 0)
        let failure: ImageError
        do throws(ImageError) {
            return (try FATLayout(sector, sourceSize: source.size), sector)
        } catch {
            failure = error
        }
        // Only FAT32 has another. It lies in sector 6, but how long a sector is, the first one would have said.
        var found: (layout: FATLayout, offset: UInt64)?
        for sectorSize in [512, 1024, 2048, 4096] as [UInt64] where found == nil {
            let offset = FATBootSector.backupSector * sectorSize
            guard offset + UInt64(size) <= source.size else { break }
            let backup = try source.read(size, at: offset)
            if let layout = try? FATLayout(backup, sourceSize: source.size), layout.kind == .fat32,
                layout.sectorSize == sectorSize
            {
                found = (layout, offset)
            }
        }
        let rest = found.map { "; its backup at byte \($0.offset) is sound, and the rest was checked by that" } ?? ""
        hear(Finding(.fatBootSector, (failure.reason ?? failure.message) + rest, offset: failure.offset))
        return found.map { ($0.layout, nil) }
    }

    /// What readers can do without, or disagree about.
    func checkBootSector(_ sector: [UInt8], _ hear: (Finding) -> Void) throws(ImageError) {
        func unusual(_ what: String, _ offset: Int) {
            hear(Finding(.fatBootUnusual, what, offset: UInt64(clamping: offset)))
        }
        let jump = Array(sector.prefix(3))
        if jump.first != 0xE9, jump.first != 0xEB || jump.last != 0x90 {
            unusual("it does not begin with a jump", Field.jump)
        }
        if layout.fatCopies > 2 { unusual("there are \(layout.fatCopies) copies of the FAT, not 1 or 2", Field.copies) }
        if let few: UInt16 = sector.load(at: Field.sectors16), let many: UInt32 = sector.load(at: Field.sectors32),
            few != 0, many != 0, UInt32(few) != many
        {
            unusual("it says twice how many sectors there are: \(few) and \(many)", Field.sectors32)
        }
        let tail = layout.kind == .fat32 ? Tail.start32 : Tail.start16
        let type = String(decoding: sector.dropFirst(tail + Tail.type).prefix(8), as: UTF8.self)
        let expected = "FAT\(layout.kind.rawValue)   "
        if ["FAT12   ", "FAT16   ", "FAT32   "].contains(type), type != expected, layout.serial != nil {
            unusual("it calls itself \(type.prefix(5)), and is \(expected.prefix(5))", tail + Tail.type)
        }
        if layout.kind == .fat32, layout.clusterCount < FATLayout.firstFAT32 {
            hear(
                Finding(
                    .fatFewClusters,
                    "it is FAT32 with \(layout.clusterCount) clusters, and that needs \(FATLayout.firstFAT32)",
                    offset: UInt64(Field32.sectorsPerFAT)))
        }
        if let state: UInt8 = sector.load(at: tail + Self.state) {
            let offset = UInt64(tail + Self.state)
            if state & Self.isDirty != 0 {
                hear(Finding(.fatDirty, "the boot sector says that it is in use", offset: offset))
            }
            if state & Self.hasErrors != 0 {
                hear(Finding(.fatDiskErrors, "the boot sector says that the disk had errors", offset: offset))
            }
        }
        if layout.kind == .fat32 { try checkBackup(sector, hear) }
    }

    private func checkBackup(_ sector: [UInt8], _ hear: (Finding) -> Void) throws(ImageError) {
        let number = UInt64(sector.load(UInt16.self, at: Field32.backupSector) ?? 0)
        let field = UInt64(Field32.backupSector)
        if number == 0 || number == 0xFFFF {
            hear(Finding(.fatBackupMissing, "the boot sector names no backup of itself", offset: field))
            return
        }
        let offset = number * layout.sectorSize
        guard offset < layout.fatOffset else {
            hear(
                Finding(
                    .fatBackup, "its backup should be in sector \(number), which is not one of the reserved ones",
                    offset: field))
            return
        }
        var (one, other) = (sector, try source.read(FATBootSector.size, at: offset))
        // Whether it is in use stands in the first one alone.
        one[Tail.start32 + Self.state] = 0
        other[Tail.start32 + Self.state] = 0
        let different = zip(one, other).enumerated().filter { $0.element.0 != $0.element.1 }
        if let first = different.first {
            hear(
                Finding(
                    .fatBackup,
                    "\(different.count) bytes of its backup in sector \(number) are different, the first at byte "
                        + "\(first.offset)", offset: offset + UInt64(first.offset)))
        }
    }

    /// FAT32's FSInfo, against the FAT.
    func checkInfo(_ boot: [UInt8], _ hear: (Finding) -> Void) throws(ImageError) {
        guard layout.kind == .fat32 else { return }
        guard let offset = layout.infoOffset else {
            let number = boot.load(UInt16.self, at: Field32.infoSector) ?? 0
            let isNone = number == 0 || number == 0xFFFF
            hear(
                Finding(
                    isNone ? .fatInfoMissing : .fatInfo,
                    isNone
                        ? "there is no FSInfo sector"
                        : "FSInfo should be in sector \(number), which is not a reserved one",
                    offset: UInt64(Field32.infoSector)))
            return
        }
        let sector = try source.read(FATBootSector.size, at: offset)
        for (place, expected) in [(Info.lead, Info.leadSignature), (Info.structure, Info.structureSignature)]
        where sector.load(UInt32.self, at: place) != expected {
            hear(
                Finding(
                    .fatInfo, "FSInfo has a wrong signature at its byte \(place)", offset: offset + UInt64(place)))
            return
        }
        if sector.load(UInt16.self, at: FATBootSector.signatureOffset) != FATBootSector.signature {
            hear(
                Finding(
                    .fatInfo, "FSInfo does not end with 55 aa", offset: offset + UInt64(FATBootSector.signatureOffset)))
        }
        let count = sector.load(UInt32.self, at: Info.freeClusters) ?? .max
        if count == .max {
            hear(
                Finding(
                    .fatInfoUnknown, "FSInfo does not say how many clusters are free",
                    offset: offset + UInt64(Info.freeClusters)))
        } else if UInt64(count) != free {
            hear(
                Finding(
                    .fatFreeCount, "FSInfo says that \(count) clusters are free, and \(free) are",
                    offset: offset + UInt64(Info.freeClusters)))
        }
        let last = sector.load(UInt32.self, at: Info.lastUsed) ?? .max
        if last != .max, last != 0, !layout.clusters.contains(UInt64(last)) {
            hear(
                Finding(
                    .fatInfo,
                    "FSInfo says that cluster \(last) was used last, and there are 2 to "
                        + "\(layout.clusterCount + 1)", offset: offset + UInt64(Info.lastUsed)))
        }
    }

    /// The boot sector's label, against the root directory's.
    func checkLabel(_ sector: [UInt8], _ hear: (Finding) -> Void) {
        let boot = volume.bootLabel
        let root = label.map(CodePage437.text).flatMap { $0.isEmpty ? nil : $0 }
        guard boot != root else { return }
        let tail = layout.kind == .fat32 ? Tail.start32 : Tail.start16
        // A boot sector without the field for it says nothing.
        guard layout.label != nil else { return }
        let described = { (label: String?) in label.map { "'\($0)'" } ?? "none" }
        hear(
            Finding(
                .fatLabel,
                "the boot sector has \(boot == nil ? "no label" : "the label \(described(boot))"), and the root folder "
                    + (root == nil ? "none" : described(root)), offset: UInt64(tail + Tail.label)))
    }
}
