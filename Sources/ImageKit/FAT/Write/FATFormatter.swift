/// Lays a tree out as a FAT16 or FAT32 filesystem.
///
/// ```
///   ├ boot sector, FATs, root ┤ directories, in tree order ┊ file ┤ file ┤ file, in tree order ┤ ···· zero ···· │
///                                                      ▲ mark
/// ```
///
/// No file is read: the layout refers to the bytes where the tree has them. Every directory and file has one extent,
/// and every entry has the same date, so the result depends on names, contents and options alone. Permissions, owners
/// and times of the tree are dropped (FAT has no fields for most of them), and hard links become copies.
public enum FATFormatter {
    /// A filesystem that is laid out.
    public struct Layout: Sendable {
        /// The bytes of the whole partition and their origins, sealed.
        public var map: SegmentMap
        /// Figures of the filesystem, for people and tests.
        public var summary: Summary
    }

    /// Figures of a filesystem.
    public struct Summary: Sendable, Hashable {
        /// The kind of FAT: FAT16 or FAT32.
        public var kind: FATKind
        /// Bytes in a cluster.
        public var clusterSize: UInt64
        /// Clusters of the filesystem, and how many of them are free.
        public var clusters: UInt64, freeClusters: UInt64
    }

    /// Lays out `tree`. `progress` can stop it.
    ///
    /// - Throws: ``ImageError/Code/invalidInput`` for names that FAT cannot hold or cannot distinguish, for symbolic
    ///   links, and for an invalid label or size; ``ImageError/Code/doesNotFit`` for content that exceeds a fixed size,
    ///   for too many files in a directory, and for a file of 4 GiB or more; ``ImageError/Code/cancelled``.
    public static func layOut(
        _ tree: FileTree, _ options: FATOptions = FATOptions(), progress: Progress? = nil
    ) throws(ImageError) -> Layout {
        let label = try encodedLabel(options.label)
        let plan = try FATPlan(tree, hasLabel: label != nil, progress: progress)
        let geometry = try geometry(for: plan, options)
        let boot = FATBootSector(
            geometry: geometry, label: label ?? Array("NO NAME    ".utf8), serial: options.serial,
            hiddenSectors: options.hiddenSectors)

        var allocation = FATAllocation(geometry.kind)
        let directories = plan.directories.indices.map { index in
            if index == 0, geometry.kind == .fat16 { return FATExtent(first: 0, count: 0) }
            return allocation.allocate(
                FATPlan.clusters(ofDirectory: plan.directories[index].size, clusterSize: geometry.clusterSize))
        }
        let firstFileCluster = allocation.next
        let files = plan.files.map { allocation.allocate($0.size.dividedRoundingUp(by: geometry.clusterSize)) }

        var map = SegmentMap(size: geometry.partitionSize)
        addSystemArea(boot, allocation, to: &map)
        for index in plan.directories.indices {
            let offset =
                index == 0 && geometry.kind == .fat16
                ? geometry.rootOffset : geometry.offset(ofCluster: directories[index].first)
            map.add(encodedDirectory(index, of: plan, label: label, directories, files), at: offset)
        }
        if allocation.next > firstFileCluster {
            map.addMark(at: geometry.offset(ofCluster: firstFileCluster))
        }
        addData(of: tree, plan, files, geometry, to: &map)
        try map.seal()
        let summary = Summary(
            kind: geometry.kind, clusterSize: geometry.clusterSize, clusters: geometry.clusterCount,
            freeClusters: geometry.clusterCount - allocation.used)
        return Layout(map: map, summary: summary)
    }

    /// The size in bytes, whole MiB, of the smallest FAT partition that holds `tree` and a volume label.
    ///
    /// It can be far more than the sum of the files. A file takes whole clusters. The root directory of FAT16 has 512
    /// entries, and a long name takes several; a tree with more of them needs FAT32 (512 MiB).
    /// - Throws: the errors of ``layOut(_:_:progress:)`` about trees that fit no FAT filesystem of any size.
    public static func minimumSize(for tree: FileTree) throws(ImageError) -> UInt64 {
        try FATPlan(tree, hasLabel: true).smallestGeometry(atLeast: 0).partitionSize
    }

    /// The geometry of the requested size, if the content fits; without a size, a geometry with room for changes.
    private static func geometry(for plan: FATPlan, _ options: FATOptions) throws(ImageError) -> FATGeometry {
        guard let size = options.size else { return try plan.roomyGeometry() }
        let geometry = try FATGeometry(partitionSize: size)
        let files = options.purpose.map { "the \($0) files" } ?? "the files"
        guard plan.rootFits(geometry) else {
            throw ImageError(
                .doesNotFit, "\(files) do not fit",
                reason: "their names take \(plan.directories[0].slots) entries of the top folder, and that of FAT16 "
                    + "has \(geometry.rootEntries)",
                remedy: "move some into a folder, give them shorter names, or use \(.fatSize, "512M") or more (FAT32, "
                    + "which has no such limit)")
        }
        let needed = plan.clusters(geometry.kind, clusterSize: geometry.clusterSize)
        guard needed <= geometry.clusterCount else {
            let smallest = try plan.smallestGeometry(atLeast: size).partitionSize
            throw ImageError(
                .doesNotFit, "\(files) do not fit",
                reason: "they need \(ByteSize.format(needed * geometry.clusterSize)) and a FAT partition of "
                    + "\(ByteSize.format(size)) has room for "
                    + ByteSize.format(geometry.clusterCount * geometry.clusterSize),
                remedy: "use \(.fatSize, "\(smallest >> 20)M") or more, or leave files out")
        }
        return geometry
    }

    /// Adds the boot sector, FSInfo, their backups, and both FATs.
    private static func addSystemArea(_ boot: FATBootSector, _ allocation: FATAllocation, to map: inout SegmentMap) {
        let geometry = boot.geometry
        let sector = boot.encoded()
        map.add(sector, at: 0)
        if geometry.kind == .fat32 {
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

    /// The slots of a directory.
    private static func encodedDirectory(
        _ index: Int, of plan: FATPlan, label: [UInt8]?, _ directories: [FATExtent], _ files: [FATExtent]
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
            // `..` of a directory in the root has 0, even if the root has a cluster (FAT32).
            let parent = directory.parent == 0 ? 0 : directories[directory.parent].first
            for (name, cluster) in [(".", directories[index].first), ("..", parent)] {
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

    /// Adds the files' contents at their clusters.
    private static func addData(
        of tree: FileTree, _ plan: FATPlan, _ extents: [FATExtent], _ geometry: FATGeometry, to map: inout SegmentMap
    ) {
        var table: Int?
        for (file, extent) in zip(plan.files, extents) where extent.count > 0 {
            let offset = geometry.offset(ofCluster: extent.first)
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

    /// The 11 bytes of a label; `nil` for an empty one.
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
