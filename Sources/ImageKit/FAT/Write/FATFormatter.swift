/// What is asked of a FAT filesystem besides its content.
public struct FATOptions: Sendable, Hashable {
    /// The volume's label, up to 11 characters; empty for none.
    public var label: String
    /// The volume's serial number. Linux shows the default as UUID `2178-694E`.
    public var serial: UInt32
    /// The partition's size in bytes, a multiple of 512; `nil` for 30 MiB, or twice as many whole MiB as the content
    /// needs where that, or room to replace its largest file, is more.
    public var size: UInt64?
    /// What the boot sector says of where the partition lies, in sectors. `mkfs.vfat` on a file says 0, and nothing
    /// that boots a Raspberry Pi looks at it.
    public var hiddenSectors: UInt32

    /// See the properties of the same names; the defaults are those of NixOS' images.
    public init(
        label: String = "FIRMWARE", serial: UInt32 = 0x2178_694E, size: UInt64? = nil, hiddenSectors: UInt32 = 0
    ) {
        self.label = label
        self.serial = serial
        self.size = size
        self.hiddenSectors = hiddenSectors
    }

    /// A serial number as Linux shows it: `2178-694E`.
    public static func serialText(_ serial: UInt32) -> String {
        (serial >> 16).digits(width: 4, uppercase: true) + "-" + (serial & 0xFFFF).digits(width: 4, uppercase: true)
    }
}

/// Lays a tree out as a FAT16 or FAT32 filesystem.
///
/// ```
///   ├ boot sector, FATs, root ┤ directories, in tree order ┊ file ┤ file ┤ file, in tree order ┤ ···· zero ···· │
///                                                      ▲ mark
/// ```
///
/// Nothing is read while laying out: a file's bytes stay where the tree says they are. Every directory and file lies in
/// one run of clusters, and every entry has the same date, so the result depends on names, contents and options alone.
/// Permissions, owners and times of the tree are not kept (FAT has no place for most of them), and hard links become
/// copies.
public enum FATFormatter {
    /// The filesystem as a map of the partition's size, sealed.
    ///
    /// Throws ``ImageError/Code/invalidInput`` for names FAT cannot hold or not tell apart, symbolic links, an
    /// impossible label or size; ``ImageError/Code/doesNotFit`` for a fixed size that is too small, too many files in a
    /// directory, and a file of 4 GiB or more.
    public static func layOut(
        _ tree: FileTree, options: FATOptions = FATOptions()
    ) throws(ImageError) -> SegmentMap {
        let label = try encodedLabel(options.label)
        let plan = try FATPlan(tree, hasLabel: label != nil)
        let geometry = try geometry(for: plan, size: options.size)
        let boot = FATBootSector(
            geometry: geometry, label: label ?? Array("NO NAME    ".utf8), serial: options.serial,
            hiddenSectors: options.hiddenSectors)

        var allocation = FATAllocation(geometry.width)
        let directories = plan.directories.indices.map { index in
            if index == 0, geometry.width == .fat16 { return (first: 0, count: 0) as FATAllocation.Run }
            return allocation.take(
                FATPlan.clusters(ofDirectory: plan.directories[index].size, clusterSize: geometry.clusterSize))
        }
        let firstFileCluster = allocation.next
        let files = plan.files.map { allocation.take($0.size.dividedRoundingUp(by: geometry.clusterSize)) }

        var map = SegmentMap(size: geometry.partitionSize)
        addSystemArea(boot, allocation, to: &map)
        for index in plan.directories.indices {
            let offset =
                index == 0 && geometry.width == .fat16
                ? geometry.rootOffset : geometry.offset(ofCluster: directories[index].first)
            map.add(slots(of: index, in: plan, label: label, directories, files), at: offset)
        }
        if allocation.next > firstFileCluster {
            map.addMark(at: geometry.offset(ofCluster: firstFileCluster))
        }
        addData(of: tree, plan, files, geometry, to: &map)
        try map.seal()
        return map
    }

    /// The geometry of the asked size, in which the content was made sure to fit, or of the usual one that will do.
    private static func geometry(for plan: FATPlan, size: UInt64?) throws(ImageError) -> FATGeometry {
        guard let size else { return try plan.roomyGeometry() }
        let geometry = try FATGeometry(partitionSize: size)
        guard plan.rootFits(geometry) else {
            throw ImageError(
                .doesNotFit, "the firmware files do not fit",
                reason: "their names take \(plan.directories[0].slots) entries of the top folder, and that of FAT16 "
                    + "has \(geometry.rootEntries)",
                remedy: "move some into a folder, give them shorter names, or use --firmware-size 512M or more (FAT32, "
                    + "which has no such limit)")
        }
        let needed = plan.clusters(geometry.width, clusterSize: geometry.clusterSize)
        guard needed <= geometry.clusterCount else {
            let smallest = try plan.smallestGeometry(atLeast: size).partitionSize
            throw ImageError(
                .doesNotFit, "the firmware files do not fit",
                reason: "they need \(ByteSize.format(needed * geometry.clusterSize)) and a FAT partition of "
                    + "\(ByteSize.format(size)) has room for "
                    + ByteSize.format(geometry.clusterCount * geometry.clusterSize),
                remedy: "use --firmware-size \(smallest >> 20)M or more, or leave files out")
        }
        return geometry
    }

    /// Boot sector, FSInfo, their backups, and both FATs.
    private static func addSystemArea(_ boot: FATBootSector, _ allocation: FATAllocation, to map: inout SegmentMap) {
        let geometry = boot.geometry
        let sector = boot.encoded()
        map.add(sector, at: 0)
        if geometry.width == .fat32 {
            let info = FATBootSector.encodedInfo(
                freeClusters: geometry.clusterCount - allocation.used, lastUsed: allocation.next - 1)
            for (sector, number) in [
                (info, FATBootSector.infoSector), (sector, FATBootSector.backupSector),
                (info, FATBootSector.backupSector + FATBootSector.infoSector),
            ] {
                map.add(sector, at: number * FATGeometry.sectorSize)
            }
        }
        let table = allocation.encoded()
        for copy in 0..<FATGeometry.copies { map.add(table, at: geometry.offset(ofFAT: copy)) }
    }

    /// A directory's bytes.
    private static func slots(
        of index: Int, in plan: FATPlan, label: [UInt8]?, _ directories: [FATAllocation.Run],
        _ files: [FATAllocation.Run]
    ) -> [UInt8] {
        let directory = plan.directories[index]
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Int(directory.size))
        if index == 0 {
            if let label {
                bytes += FATDirectoryEntry(
                    name: label, attributes: FATDirectoryEntry.Attribute.volumeLabel, time: .label
                ).encoded()
            }
        } else {
            // `..` of a directory in the root has 0, even where the root has a cluster (FAT32).
            let above = directory.parent == 0 ? 0 : directories[directory.parent].first
            for (name, cluster) in [(".", directories[index].first), ("..", above)] {
                bytes += FATDirectoryEntry(
                    name: FATName.padded(Array(name.utf8), []), attributes: FATDirectoryEntry.Attribute.directory,
                    cluster: cluster, time: .entries
                ).encoded()
            }
        }
        for entry in directory.entries {
            bytes += FATDirectoryEntry.encodedLongName(entry.long, short: entry.short)
            var slot = FATDirectoryEntry(
                name: entry.short, lowerCase: entry.lowerCase, attributes: FATDirectoryEntry.Attribute.directory,
                time: .entries)
            switch entry.child {
            case .directory(let index): slot.cluster = directories[index].first
            case .file(let index):
                slot.attributes = FATDirectoryEntry.Attribute.archive
                slot.cluster = files[index].first
                slot.size = plan.files[index].size
            }
            bytes += slot.encoded()
        }
        return bytes
    }

    /// The files' contents, each where its clusters are.
    private static func addData(
        of tree: FileTree, _ plan: FATPlan, _ runs: [FATAllocation.Run], _ geometry: FATGeometry,
        to map: inout SegmentMap
    ) {
        var table: Int?
        for (file, run) in zip(plan.files, runs) where run.count > 0 {
            let offset = geometry.offset(ofCluster: run.first)
            switch tree.content(of: file.node) {
            case .bytes(let bytes): map.add(bytes, at: offset)
            case .host(let id):
                let known = table ?? map.addTable(tree.hostFiles)
                table = known
                map.add(file: id, of: known, start: 0, length: file.size, at: offset)
            case .source(let source, let start): map.add(source, start: start, length: file.size, at: offset)
            }
        }
    }

    /// A label's 11 bytes; `nil` for none.
    static func encodedLabel(_ label: String) throws(ImageError) -> [UInt8]? {
        if label.isEmpty { return nil }
        let bytes = Array(label.utf8)
        func refuse(_ reason: String, _ remedy: Advice) -> ImageError {
            ImageError(
                .invalidInput, "a FAT filesystem cannot have the label '\(label)'",
                reason: reason, remedy: remedy)
        }
        guard bytes.count <= 11 else { throw refuse("it has \(bytes.count) bytes and 11 is the limit", "shorten it") }
        let isASCII = bytes.allSatisfy { (0x20..<0x7F).contains($0) }
        guard isASCII, !bytes.contains(where: "\"*+,./:;<=>?[\\]|".utf8.contains) else {
            throw refuse("it may have letters, digits, spaces and few other characters", "use A to Z, 0 to 9, - and _")
        }
        guard bytes.first != UInt8(ascii: " ") else { throw refuse("it begins with a space", "leave the space out") }
        return bytes + Array(repeating: UInt8(ascii: " "), count: 11 - bytes.count)
    }
}

extension FATGeometry {
    /// The size in bytes, whole MiB, of the smallest FAT partition that holds `tree` (with a volume label).
    ///
    /// It can be far more than the sum of the files: a file takes whole clusters, and FAT16's top directory has 512
    /// entries of which a long name takes several, so that more need FAT32 (512 MiB). Throws as
    /// ``FATFormatter/layOut(_:options:)`` does for what FAT cannot hold at any size.
    public static func minimumSize(for tree: FileTree) throws(ImageError) -> UInt64 {
        try FATPlan(tree, hasLabel: true).smallestGeometry(atLeast: 0).partitionSize
    }
}
