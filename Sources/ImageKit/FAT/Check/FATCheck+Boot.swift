/// The boot sector, its backup and FSInfo.
extension FATCheck {
    private typealias Field = FATBootSector.Field
    private typealias Field32 = FATBootSector.Field32
    private typealias Tail = FATBootSector.Tail
    private typealias InfoField = FATBootSector.InfoField

    /// The division of the filesystem, and its boot sector. The sector is `nil` if it is damaged and the layout is from
    /// its backup. The result is `nil` if the backup is damaged as well.
    static func bootSector(
        of source: any ByteSource, onFinding report: (Finding) -> Void
    ) throws(ImageError) -> (FATVolume.Layout, sector: [UInt8]?)? {
        let size = FATBootSector.size
        guard source.size >= UInt64(size) else {
            report(Finding(.fatBootSector, "\(source.size) bytes are too few for a boot sector", offset: 0))
            return nil
        }
        let sector = try source.read(size, at: 0)
        let damage: ImageError
        do throws(ImageError) {
            return (try FATVolume.Layout(sector, sourceSize: source.size), sector)
        } catch {
            damage = error
        }
        // Only FAT32 has a backup. It is in sector 6, but the sector size is not known without the boot sector.
        var found: (layout: FATVolume.Layout, offset: UInt64)?
        for sectorSize in [512, 1024, 2048, 4096] as [UInt64] where found == nil {
            let offset = FATBootSector.backupSector * sectorSize
            guard offset + UInt64(size) <= source.size else { break }
            let backup = try source.read(size, at: offset)
            if let layout = try? FATVolume.Layout(backup, sourceSize: source.size), layout.kind == .fat32,
                layout.sectorSize == sectorSize
            {
                found = (layout, offset)
            }
        }
        let rest = found.map { "; its backup at byte \($0.offset) is sound, and the rest was checked by that" } ?? ""
        report(Finding(.fatBootSector, (damage.reason ?? damage.message) + rest, offset: damage.offset))
        return found.map { ($0.layout, nil) }
    }

    /// Checks the fields that readers do not need, or interpret differently.
    func checkBootSector(_ sector: [UInt8], onFinding report: (Finding) -> Void) throws(ImageError) {
        func reportUnusual(_ what: String, _ offset: Int) {
            report(Finding(.fatBootUnusual, what, offset: UInt64(clamping: offset)))
        }
        let jump = Array(sector.prefix(3))
        if jump.first != 0xE9, jump.first != 0xEB || jump.last != 0x90 {
            reportUnusual("it does not begin with a jump", Field.jump)
        }
        if layout.fatCopies > 2 {
            reportUnusual("there are \(layout.fatCopies) copies of the FAT, not 1 or 2", Field.copies)
        }
        if let short: UInt16 = sector.load(at: Field.sectors16), let long: UInt32 = sector.load(at: Field.sectors32),
            short != 0, long != 0, UInt32(short) != long
        {
            reportUnusual("it says twice how many sectors there are: \(short) and \(long)", Field.sectors32)
        }
        let tail = Tail.start(of: layout.kind)
        let type = String(decoding: sector.dropFirst(tail + Tail.type).prefix(8), as: UTF8.self)
        let expected = "FAT\(layout.kind.rawValue)   "
        if ["FAT12   ", "FAT16   ", "FAT32   "].contains(type), type != expected, layout.serial != nil {
            reportUnusual("it calls itself \(type.prefix(5)), and is \(expected.prefix(5))", tail + Tail.type)
        }
        if layout.kind == .fat32, layout.clusterCount < FATKind.fat32.clusterCounts.lowerBound {
            report(
                Finding(
                    .fatFewClusters,
                    "it is FAT32 with \(layout.clusterCount) clusters, and that needs "
                        + "\(FATKind.fat32.clusterCounts.lowerBound)",
                    offset: UInt64(Field32.sectorsPerFAT)))
        }
        if let state: UInt8 = sector.load(at: tail + Tail.state) {
            let offset = UInt64(tail + Tail.state)
            if state & Tail.isDirty != 0 {
                report(Finding(.fatDirty, "the boot sector says that it is in use", offset: offset))
            }
            if state & Tail.hasErrors != 0 {
                report(Finding(.fatDiskErrors, "the boot sector says that the disk had errors", offset: offset))
            }
        }
        if layout.kind == .fat32 { try checkBackup(sector, onFinding: report) }
    }

    private func checkBackup(_ sector: [UInt8], onFinding report: (Finding) -> Void) throws(ImageError) {
        let number = UInt64(sector.load(UInt16.self, at: Field32.backupSector) ?? 0)
        let field = UInt64(Field32.backupSector)
        if number == 0 || number == 0xFFFF {
            report(Finding(.fatBackupMissing, "the boot sector names no backup of itself", offset: field))
            return
        }
        let offset = number * layout.sectorSize
        guard offset < layout.fatOffset else {
            report(
                Finding(
                    .fatBackup, "its backup should be in sector \(number), which is not one of the reserved ones",
                    offset: field))
            return
        }
        var (original, backup) = (sector, try source.read(FATBootSector.size, at: offset))
        // Only the original has the state of the filesystem.
        original[Tail.start32 + Tail.state] = 0
        backup[Tail.start32 + Tail.state] = 0
        let different = zip(original, backup).enumerated().filter { $0.element.0 != $0.element.1 }
        if let first = different.first {
            report(
                Finding(
                    .fatBackup,
                    "\(different.count) bytes of its backup in sector \(number) are different, the first at byte "
                        + "\(first.offset)", offset: offset + UInt64(first.offset)))
        }
    }

    /// Compares FAT32's FSInfo with the FAT.
    func checkInfo(_ boot: [UInt8], onFinding report: (Finding) -> Void) throws(ImageError) {
        guard layout.kind == .fat32 else { return }
        guard let offset = layout.infoOffset else {
            let number = boot.load(UInt16.self, at: Field32.infoSector) ?? 0
            let isMissing = number == 0 || number == 0xFFFF
            report(
                Finding(
                    isMissing ? .fatInfoMissing : .fatInfo,
                    isMissing
                        ? "there is no FSInfo sector"
                        : "FSInfo should be in sector \(number), which is not a reserved one",
                    offset: UInt64(Field32.infoSector)))
            return
        }
        let sector = try source.read(FATBootSector.size, at: offset)
        for (field, expected) in [
            (InfoField.lead, InfoField.leadSignature), (InfoField.structure, InfoField.structureSignature),
        ] where sector.load(UInt32.self, at: field) != expected {
            report(
                Finding(
                    .fatInfo, "FSInfo has a wrong signature at its byte \(field)", offset: offset + UInt64(field)))
            return
        }
        if sector.load(UInt16.self, at: Field.signature) != FATBootSector.signature {
            report(
                Finding(
                    .fatInfo, "FSInfo does not end with 55 aa", offset: offset + UInt64(Field.signature)))
        }
        let count = sector.load(UInt32.self, at: InfoField.freeClusters) ?? .max
        if count == .max {
            report(
                Finding(
                    .fatInfoUnknown, "FSInfo does not say how many clusters are free",
                    offset: offset + UInt64(InfoField.freeClusters)))
        } else if UInt64(count) != free {
            report(
                Finding(
                    .fatFreeCount, "FSInfo says that \(count) clusters are free, and \(free) are",
                    offset: offset + UInt64(InfoField.freeClusters)))
        }
        let last = sector.load(UInt32.self, at: InfoField.lastUsed) ?? .max
        if last != .max, last != 0, !layout.clusters.contains(UInt64(last)) {
            report(
                Finding(
                    .fatInfo,
                    "FSInfo says that cluster \(last) was used last, and there are 2 to "
                        + "\(layout.clusterCount + 1)", offset: offset + UInt64(InfoField.lastUsed)))
        }
    }

    /// Compares the boot sector's label with the root directory's.
    func checkLabel(_ sector: [UInt8], onFinding report: (Finding) -> Void) {
        let boot = volume.bootLabel
        let root = label.map(CodePage437.text).flatMap { $0.isEmpty ? nil : $0 }
        guard boot != root else { return }
        let tail = Tail.start(of: layout.kind)
        // A boot sector without the field for a label is not in conflict with the root directory.
        guard layout.label != nil else { return }
        let described = { (label: String?) in label.map { "'\($0)'" } ?? "none" }
        report(
            Finding(
                .fatLabel,
                "the boot sector has \(boot == nil ? "no label" : "the label \(described(boot))"), and the root folder "
                    + (root == nil ? "none" : described(root)), offset: UInt64(tail + Tail.label)))
    }
}
