import Foundation
import Testing

@testable import ImageKit

/// Checks of whole FAT volumes: no finding for a sound volume, and the expected findings for each damage.
@Suite struct FATCheckTests {
    private typealias Boot = FATBootSector.Field
    private typealias Boot32 = FATBootSector.Field32
    private typealias Tail = FATBootSector.Tail
    private typealias Info = FATBootSector.InfoField
    private typealias Slot = FATDirectoryEntry.Field
    private typealias Piece = FATDirectoryEntry.LongField

    /// The offsets of FSInfo, and of the backup of the boot sector.
    private static let info = 512, backup = 6 * 512

    private func findings(_ source: any ByteSource) throws -> [Finding] {
        var found: [Finding] = []
        let tree = try FATCheck.run(source) { found.append($0) }
        #expect(tree != nil)
        return found
    }

    @Test(arguments: FATFormatterTests.special.indices)
    func isSilentOnVolumesOfTheFormatter(index: Int) throws {
        let sample = FATFormatterTests.special[index].1
        for size in index == 0 ? [nil, 520 << 20] : [nil] as [UInt64?] {
            for label in ["FIRMWARE", ""] {
                let options = FATOptions(label: label, size: size)
                #expect(try findings(FATFormatter.layOut(sample.built(), options).map) == [])
            }
        }
    }

    @Test(arguments: 0..<3 as Range<UInt64>)
    func isSilentOnOddNames(seed: UInt64) throws {
        let sample = FATFormatterTests.generated(seed, emoji: true)
        let map = try FATFormatter.layOut(sample.built(), FATOptions(size: 3 << 20)).map
        #expect(try findings(map) == [])
    }

    @Test(.enabled(if: Judge.hasFATTools, "\(Judge.fatReason)"), arguments: FATVolumeTests.layouts.indices)
    func isSilentOnVolumesOfOtherTools(index: Int) throws {
        let (options, mebibytes, _, cluster) = FATVolumeTests.layouts[index]
        let fat = try ForeignFAT(options + (index % 2 == 0 ? ["-n", "a label"] : []), size: mebibytes << 20)
        #expect(try findings(FATImageFile(fat.image)) == [])
        for directory in ["/one", "/Zwei Ordner", "/Zwei Ordner/drei", "/gone"] { try fat.directory(directory) }
        for (name, count) in [
            ("empty", 0), ("a whole cluster", Int(cluster)), ("one/x.dtbo", 5000), ("Zwei Ordner/drei/日本.txt", 50),
            ("README.txt", 12), ("lower.EXT", 9), ("gone/a long name that goes", 700), ("gone/also.txt", 1),
            ("plus+one", 3),
        ] {
            try fat.put(FATFormatterTests.bytes(count, UInt64(count)), "/" + name)
        }
        try fat.delete("/gone/a long name that goes")
        try fat.delete("/README.txt")
        try ForeignFAT.must("mren", ["-i", fat.image, "::/lower.EXT", "::/another longer name"])
        try ForeignFAT.must("mmove", ["-i", fat.image, "::/Zwei Ordner/drei", "::/one"])
        try ForeignFAT.must("mmove", ["-i", fat.image, "::/one/drei", "::/"])
        try ForeignFAT.must("mdeltree", ["-i", fat.image, "::/gone"])
        try ForeignFAT.must("mattrib", ["+r", "+h", "+s", "-i", fat.image, "::/empty"])
        try ForeignFAT.must("mlabel", ["-i", fat.image, "::NEW LABEL"])
        #expect(try Judge.fsckFAT(fat.image) == "")
        #expect(try findings(FATImageFile(fat.image)) == [])
    }

    /// Volumes of mkfs.vfat with unusual options, and the findings about them.
    @Test(
        .enabled(if: Judge.hasFATTools, "\(Judge.fatReason)"),
        arguments: [
            (["-F", "32", "-s", "8"], 20, [.fatFewClusters]),
            (["-F", "32", "-s", "1", "-b", "0"], 40, [.fatBackupMissing]),
            (["-F", "32", "-s", "1", "-R", "40", "-b", "12"], 40, []), (["-F", "16", "-M", "0xF0"], 20, []),
            (["-F", "12", "-f", "1"], 2, []), (["-F", "16", "-f", "3"], 20, [.fatBootUnusual]),
        ] as [([String], UInt64, [Finding.Kind])])
    func reportsUnusualVolumes(options: [String], mebibytes: UInt64, expected: [Finding.Kind]) throws {
        let fat = try ForeignFAT(options, size: mebibytes << 20)
        #expect(try findings(FATImageFile(fat.image)).map(\.kind) == expected)
    }

    // MARK: Damage

    /// A planted damage, all kinds of findings that follow from it, and whether fsck.fat reports it too.
    struct Damage: Sendable, CustomTestStringConvertible {
        var name: String
        var kinds: Set<Finding.Kind>
        var fsckReports = true
        var plant: @Sendable (inout DamagedFAT) throws -> Void
        var testDescription: String { name }

        init(
            _ name: String, _ kinds: Set<Finding.Kind>, fsckReports: Bool = true,
            _ plant: @escaping @Sendable (inout DamagedFAT) throws -> Void
        ) {
            (self.name, self.kinds, self.fsckReports, self.plant) = (name, kinds, fsckReports, plant)
        }
    }

    static let damages: [Damage] = [
        // fsck.fat continues without it; Linux refuses the filesystem.
        Damage("no signature", [.fatBootSector], fsckReports: false) { $0.set(0 as UInt16, at: Boot.signature) },
        Damage("too many sectors", [.fatBootSector]) { $0.set(0xFFFF as UInt16, at: Boot.sectors16) },
        // Linux does not read the jump either; Windows does.
        Damage("no jump", [.fatBootUnusual], fsckReports: false) { $0.set(0 as UInt8, at: Boot.jump) },
        // By the specification the text has no meaning, but some readers use it.
        Damage("another type", [.fatBootUnusual], fsckReports: false) {
            $0.set("FAT12   ", at: Tail.start16 + Tail.type)
        },
        // fsck.fat uses the shorter number, like every reader.
        Damage("two numbers of sectors", [.fatBootUnusual], fsckReports: false) {
            $0.set(5 as UInt32, at: Boot.sectors32)
        },
        // fsck.fat does not compare the kind of disk.
        Damage("another kind of disk", [.fatMedia], fsckReports: false) { $0.set(0xF0 as UInt8, at: Boot.media) },
        Damage("a second entry that is no end", [.fatMedia], fsckReports: false) { $0.link(1, 0xC005) },
        Damage("in use, by the boot sector", [.fatDirty]) { $0.set(Tail.isDirty, at: Tail.start16 + Tail.state) },
        Damage("in use, by the FAT", [.fatDirty]) { $0.link(1, 0x7FFF) },
        // fsck.fat ignores the bit beside it.
        Damage("errors of the disk", [.fatDiskErrors], fsckReports: false) { $0.link(1, 0xBFFF) },
        Damage("copies differ", [.fatCopies]) { $0.link(900, 5, copy: 1) },
        // fsck.fat counts bad clusters only with -v.
        Damage("bad clusters", [.fatBadClusters], fsckReports: false) { $0.link(900, 0xFFF7) },
        Damage("lost clusters", [.fatLostClusters]) {
            $0.link(900, 901)
            $0.link(901, 0xFFFF)
        },
        Damage("circle", [.fatChainCircle, .fatLostClusters]) {
            let a = try $0.cluster("A")
            $0.link(a + 1, UInt32(a))
        },
        Damage("cross-link", [.fatCrossLink, .fatLostClusters]) {
            try $0.link($0.cluster("B"), UInt32($0.cluster("A") + 1))
        },
        Damage("the same beginning", [.fatCrossLink, .fatLostClusters]) {
            try $0.set(UInt16($0.cluster("A")), at: $0.slot("B") + Slot.clusterLow)
        },
        Damage("leads to a free cluster", [.fatChainFree, .fatLostClusters]) { try $0.link($0.cluster("A") + 1, 0) },
        Damage("the last is free", [.fatChainFree]) { try $0.link($0.cluster("A") + 2, 0) },
        Damage("leads to a bad cluster", [.fatChainBad, .fatLostClusters, .fatBadClusters]) {
            try $0.link($0.cluster("A") + 1, 0xFFF7)
        },
        Damage("leads to a reserved number", [.fatChainRange, .fatLostClusters]) { try $0.link($0.cluster("A"), 1) },
        Damage("leads past the end", [.fatChainRange, .fatLostClusters]) { try $0.link($0.cluster("A"), 0xFFEE) },
        Damage("begins nowhere", [.fatChainStart, .fatLostClusters]) {
            try $0.set(0 as UInt16, at: $0.slot("A") + Slot.clusterLow)
        },
        Damage("begins past the end", [.fatChainStart, .fatLostClusters]) {
            try $0.set(0xFFF0 as UInt16, at: $0.slot("A") + Slot.clusterLow)
        },
        Damage("a folder begins nowhere", [.fatChainStart, .fatLostClusters]) {
            try $0.set(0 as UInt16, at: $0.slot("E") + Slot.clusterLow)
        },
        Damage("too short", [.fatChainShort, .fatLostClusters]) { try $0.link($0.cluster("A") + 1, 0xFFFF) },
        Damage("too large", [.fatChainShort]) { try $0.set(UInt32.max, at: $0.slot("A") + Slot.size) },
        Damage("too long", [.fatChainLong]) {
            try $0.link($0.cluster("A") + 2, 900)
            $0.link(900, 0xFFFF)
        },
        Damage("empty with clusters", [.fatChainLong]) {
            try $0.set(900 as UInt16, at: $0.slot("EMPTY") + Slot.clusterLow)
            $0.link(900, 0xFFFF)
        },
        Damage("a folder in itself", [.fatCrossLink, .fatLostClusters]) {
            try $0.set(UInt16($0.cluster("D")), at: $0.slot("E") + Slot.clusterLow)
        },
        Damage("a control character", [.fatName]) { try $0.set(1 as UInt8, at: $0.slot("EMPTY") + 1) },
        Damage("a slash", [.fatName]) { try $0.set("E/", at: $0.slot("EMPTY")) },
        // fsck.fat accepts them, but readers of short names alone may not.
        Damage("a plus", [.fatNameUnusual], fsckReports: false) { try $0.set("E+", at: $0.slot("EMPTY")) },
        Damage("lower case", [.fatNameUnusual], fsckReports: false) { try $0.set("e", at: $0.slot("EMPTY")) },
        Damage("a bit that means nothing", [.fatNameUnusual]) {
            try $0.bytes.bytes[$0.slot("EMPTY") + Slot.lowerCase] = 0x20
        },
        Damage("the same short name", [.fatDuplicateName]) { try $0.set("A          ", at: $0.slot("EMPTY")) },
        // fsck.fat compares short names only.
        Damage("the same long name", [.fatDuplicateName], fsckReports: false) {
            let slot = try $0.slot("ALONGN~1TEX")
            // The long name becomes the short name of another file, with another case.
            for (index, offset) in FATDirectoryEntry.LongField.units.enumerated() {
                let unit: UInt16 = index < 5 ? UInt16(Array("eMpTy".utf8)[index]) : index == 5 ? 0 : 0xFFFF
                $0.set(unit, at: slot - FATDirectoryEntry.size + offset)
                $0.set(FATDirectoryParser.deleted, at: slot - 2 * FATDirectoryEntry.size)
            }
            $0.set(0x41 as UInt8, at: slot - FATDirectoryEntry.size)
        },
        Damage("a wrong sum", [.fatLongNameSum]) {
            for piece in 1...2 { try $0.set(7 as UInt8, at: $0.piece(piece) + Piece.checksum) }
        },
        Damage("two sums", [.fatLongNameSum]) { try $0.set(7 as UInt8, at: $0.piece(1) + Piece.checksum) },
        Damage("a wrong number", [.fatLongNameOrder]) { try $0.set(0x43 as UInt8, at: $0.piece(2)) },
        Damage("a piece that is missing", [.fatLongNameOrder]) {
            try $0.set(FATDirectoryParser.deleted, at: $0.piece(2))
            try $0.set(0x42 as UInt8, at: $0.piece(1))
        },
        Damage("the first piece deleted", [.fatLongNameOrphaned]) {
            try $0.set(FATDirectoryParser.deleted, at: $0.piece(2))
        },
        Damage("its file deleted", [.fatLongNameOrphaned, .fatLostClusters]) {
            try $0.set(FATDirectoryParser.deleted, at: $0.slot("ALONGN~1TEX"))
        },
        // fsck.fat accepts any UTF-16.
        Damage("half a character", [.fatName], fsckReports: false) {
            try $0.set(0xD83D as UInt16, at: $0.piece(1) + Piece.units[0])
        },
        Damage("a cluster in a long name", [.fatLongNameFields]) {
            try $0.set(1 as UInt16, at: $0.piece(1) + Piece.cluster)
        },
        Damage("another .", [.fatDots]) { try $0.set(9 as UInt16, at: $0.content("D") + Slot.clusterLow) },
        Damage("another ..", [.fatDots]) {
            try $0.set(9 as UInt16, at: $0.content("E") + FATDirectoryEntry.size + Slot.clusterLow)
        },
        Damage("no ..", [.fatDots]) {
            try $0.set(FATDirectoryParser.deleted, at: $0.content("E") + FATDirectoryEntry.size)
        },
        Damage(". is a file", [.fatDots]) {
            try $0.set(FATDirectoryEntry.Attribute.archive, at: $0.content("E") + Slot.attributes)
        },
        Damage("a . in the root folder", [.fatDots]) { try $0.set(".          ", at: $0.slot("EMPTY")) },
        Damage("a folder with a size", [.fatDirectorySize]) { try $0.set(5 as UInt32, at: $0.slot("D") + Slot.size) },
        // fsck.fat continues after the end, and reads the slot as a file.
        Damage("after the end", [.fatAfterEnd], fsckReports: false) {
            $0.set("X          ", at: $0.rootEnd + 2 * FATDirectoryEntry.size)
        },
        // For fsck.fat, a second label and a label with clusters are files.
        Damage("two labels", [.fatLabels], fsckReports: false) {
            try $0.set(FATDirectoryEntry.Attribute.volumeLabel, at: $0.slot("EMPTY") + Slot.attributes)
        },
        Damage("a label in a folder", [.fatLabels, .fatLostClusters], fsckReports: false) {
            try $0.set(FATDirectoryEntry.Attribute.volumeLabel, at: $0.slot("B") + Slot.attributes)
        },
        Damage("another label", [.fatLabel]) { try $0.set("OTHER", at: $0.slot("FIRMWARE")) },
        Damage("no label", [.fatLabel]) { try $0.set(FATDirectoryParser.deleted, at: $0.slot("FIRMWARE")) },
    ]

    static let formatted = Result { try DamagedFAT.formatted() }

    @Test(arguments: damages)
    func namesTheDamage(_ damage: Damage) throws {
        var fat = try Self.formatted.get()
        try damage.plant(&fat)
        let (found, tree) = try fat.check()
        #expect(Set(found.map(\.kind)) == damage.kinds, "\(found)")
        #expect((tree == nil) == damage.kinds.contains(.fatBootSector))
        for finding in found {
            #expect(!finding.what.isEmpty && !finding.what.hasSuffix("."))
            #expect(finding.offset.map { $0 < fat.bytes.size } ?? (finding.path != nil), "\(finding)")
        }
        guard Judge.hasFATTools else { return }
        let said = try Judge.fsckFAT(fat.bytes, in: ScratchDirectory())
        #expect(said.isEmpty != damage.fsckReports, "\(said)")
    }

    /// Damages that only FAT32 and FAT12 can have.
    static let otherDamages: [(String, Int, Set<Finding.Kind>, @Sendable (inout DamagedFAT) throws -> Void)] = [
        ("a damaged boot sector", 32, [.fatBootSector], { $0.set(0 as UInt16, at: Boot.bytesPerSector) }),
        ("another backup", 32, [.fatBackup], { $0.set(7 as UInt8, at: backup + Boot.name) }),
        ("a backup among the data", 32, [.fatBackup], { $0.set(4000 as UInt16, at: Boot32.backupSector) }),
        ("no FSInfo", 32, [.fatInfoMissing, .fatBackup], { $0.set(0 as UInt16, at: Boot32.infoSector) }),
        ("FSInfo among the data", 32, [.fatInfo, .fatBackup], { $0.set(4000 as UInt16, at: Boot32.infoSector) }),
        ("FSInfo's first signature", 32, [.fatInfo], { $0.set(0 as UInt8, at: info + Info.lead) }),
        ("FSInfo's second signature", 32, [.fatInfo], { $0.set(0 as UInt8, at: info + Info.structure) }),
        ("FSInfo's last signature", 32, [.fatInfo], { $0.set(0 as UInt8, at: info + Boot.signature + 1) }),
        ("more free", 32, [.fatFreeCount], { $0.set(5 as UInt32, at: info + Info.freeClusters) }),
        (
            "the number of free clusters is unknown", 32, [.fatInfoUnknown],
            { $0.set(UInt32.max, at: info + Info.freeClusters) }
        ),
        ("last used past the end", 32, [.fatInfo], { $0.set(0xFFF_0000 as UInt32, at: info + Info.lastUsed) }),
        ("in use, by the boot sector", 32, [.fatDirty], { $0.set(Tail.isDirty, at: Tail.start32 + Tail.state) }),
        ("in use, by the FAT", 32, [.fatDirty], { $0.link(1, 0x07FF_FFFF) }),
        ("errors of the disk", 32, [.fatDiskErrors], { $0.link(1, 0x0BFF_FFFF) }),
        ("another kind of disk", 32, [.fatMedia], { $0.link(0, 0x0FFF_FFF0) }),
        ("copies differ", 32, [.fatCopies], { $0.link(60_000, 5, copy: 1) }),
        (
            "the root folder in a circle", 32, [.fatChainCircle],
            { $0.link(Int($0.layout.rootCluster), UInt32($0.layout.rootCluster)) }
        ),
        (
            "circle", 12, [.fatChainCircle, .fatLostClusters],
            {
                let a = try $0.cluster("A")
                $0.link(a + 1, UInt32(a))
            }
        ),
        ("leads to a free cluster", 12, [.fatChainFree, .fatLostClusters], { try $0.link($0.cluster("A") + 1, 0) }),
        ("copies differ", 12, [.fatCopies], { $0.link(900, 5, copy: 1) }),
        ("another kind of disk", 12, [.fatMedia], { $0.link(0, 0xFF0) }),
    ]

    static let fat12 = Result { try DamagedFAT.foreign(["-F", "12"], mebibytes: 3) }
    static let fat32 = Result { try DamagedFAT.foreign(["-F", "32", "-s", "1"], mebibytes: 34) }

    @Test(.enabled(if: Judge.hasFATTools, "\(Judge.fatReason)"), arguments: otherDamages.indices)
    func namesTheDamageOfFAT32AndFAT12(index: Int) throws {
        let (_, kind, kinds, plant) = Self.otherDamages[index]
        let sound = try (kind == 12 ? Self.fat12 : Self.fat32).get()
        #expect(sound.layout.kind.rawValue == kind)
        var fat = sound
        try plant(&fat)
        let (found, tree) = try fat.check()
        #expect(Set(found.map(\.kind)) == kinds, "\(found)")
        // FAT32 without a boot sector is read with its backup.
        #expect(try tree?.everything() != nil)
        if kinds == [.fatBootSector] { #expect(try tree?.everything() == sound.check().tree?.everything()) }
    }

    @Test func isSilentBeforeTheDamage() throws {
        #expect(try Self.formatted.get().check().found == [])
        guard Judge.hasFATTools else { return }
        for fat in try [Self.fat12.get(), Self.fat32.get()] { #expect(try fat.check().found == []) }
    }

    @Test func namesBothOfACrossLink() throws {
        var fat = try Self.formatted.get()
        let cluster = try fat.cluster("A") + 1
        try fat.link(fat.cluster("B"), UInt32(cluster))
        let finding = try #require(try fat.check().found.first { $0.kind == .fatCrossLink })
        #expect(finding.path == "/d/b" && finding.what == "cluster \(cluster) belongs to it and to '/a'")
        let entry = try Int(fat.layout.fatOffset) + 2 * fat.cluster("B")
        #expect(finding.offset == UInt64(entry))
    }

    @Test func stopsAtItsMaximums() throws {
        let fat = try Self.formatted.get()
        func kinds(_ limit: Int) throws -> [String] {
            var found: [Finding] = []
            let tree = try FATCheck.run(fat.bytes, maximumEntries: limit, progress: nil) { found.append($0) }
            #expect((tree == nil) == (limit < 6))
            return found.map(\.kind.name)
        }
        #expect(try kinds(6) == [] && kinds(5) == ["fat-too-large"] && kinds(0) == ["fat-too-large"])
        let deep = SampleTree(files: [String(repeating: "a/", count: 256): []])
        #expect(try findings(FATFormatter.layOut(deep.built()).map).map(\.kind.name).first == "fat-too-large")
        let progress = Progress()
        progress.cancel()
        let error = #expect(throws: ImageError.self) { try FATCheck.run(fat.bytes, progress: progress) { _ in } }
        #expect(error?.code == .cancelled)
    }
}
