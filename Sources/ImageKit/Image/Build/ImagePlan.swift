/// A whole image before anything is written: the source of every byte, and the figures that describe it.
///
/// ```
///   0        gap (8 MiB)                                          (a multiple of 1 MiB)
///   ├ MBR ┄┄┄├ partition 1: FAT, firmware, type 0x0b ├ partition 2: ext4, root, type 0x83, active ┤
/// ```
public struct ImagePlan: Sendable {
    /// The image's bytes.
    public let map: SegmentMap
    /// Its partition table.
    public let table: MBRTable
    /// The labels of the firmware and the root filesystem.
    public let firmwareLabel: String, rootLabel: String
    /// The root filesystem's UUID.
    public let rootUUID: GUID
    /// The closure in the root filesystem.
    public let closure: Closure
    /// How it boots, and on which boards.
    public let boot: BootStyle, boards: [Board]
    /// The system that boots from it; `nil` with ``BootStyle/none``.
    public let toplevel: Toplevel?
    /// Figures of the root filesystem.
    public let root: Ext4Formatter.Summary
    /// What joining files of the same content saved.
    public let savings: FileTree.LinkSavings
    /// Sentences for a person: reasons why the image may not boot, may not show its messages, or may show secrets.
    /// Escape them with ``ImageError/printable(_:)`` before they are printed.
    public let warnings: [Advice]
    /// The number of names in the root filesystem: files, links and directories.
    public let entries: Int
    /// Whether it holds an added file that not every user may read. Then the image's file is for its owner alone.
    public let isPrivate: Bool
    /// Compares the store paths with their registration; `nil` unless the recipe asks for it.
    let check: ContentCheck?

    /// Plans the image of a recipe.
    ///
    /// - Throws: when a setting, the closure or a file does not allow an image; see ``ImageRecipe/check()``.
    public init(_ recipe: ImageRecipe, progress: Progress? = nil) throws(ImageError) {
        // Errors that can be found at once are found before the minutes of hashing.
        let options = try recipe.checkedOptions()
        try recipe.additions.checkPresent(in: recipe.store)
        let rawAreas = try RawAreas(recipe.rawAreas)
        let system = try SystemChoice(recipe)
        let boot = recipe.bootOptions, threads = max(1, recipe.threads)
        let closure = try Closure.load(
            roots: system.roots, from: recipe.source, store: recipe.store, threads: threads, progress: progress)
        // The firmware comes first: an error about missing files need not wait for the scan of the store.
        let firmware = try FirmwareTree(
            boot, closure: closure, in: recipe.store, toplevel: system.toplevel, progress: progress)
        let fat = try FATFormatter.layOut(
            firmware.tree,
            FATOptions(
                label: recipe.firmwareLabel, serial: recipe.diskID, size: recipe.firmwareSize, purpose: "firmware"),
            progress: progress)
        try rawAreas.check([PlannedDisk.firmwarePartition(recipe, fat.map)])
        let root = try RootTree(
            closure, in: recipe.store, toplevel: system.toplevel, boot: boot,
            registrationPath: recipe.registrationPath, deduplicates: recipe.deduplicates,
            // The check must read the bytes that go into the image, not bytes that were kept from an earlier read.
            keepsShortFiles: !recipe.checksContent, profile: system.profile,
            additions: recipe.additions, threads: threads, progress: progress)
        let ext4 = try Ext4Formatter.layOut(root.tree, options, hints: root.hints, progress: progress)
        let disk = try PlannedDisk(recipe, firmware: fat.map, root: ext4.map, rawAreas)

        map = disk.map
        table = disk.table
        firmwareLabel = recipe.firmwareLabel
        rootLabel = recipe.rootLabel
        rootUUID = recipe.rootUUID
        self.closure = closure
        toplevel = system.toplevel
        self.boot = recipe.boot
        boards = boot.boards
        self.root = ext4.summary
        savings = root.savings
        warnings = system.warnings + firmware.warnings + root.warnings
        entries = root.tree.names(below: root.tree.root)
        isPrivate = root.isPrivate || firmware.isPrivate || rawAreas.isPrivate
        check =
            recipe.checksContent
            ? ContentCheck(
                root.paths, of: root.tree, root.hints, on: ext4.map, from: disk.rootStart, in: recipe.store) : nil
    }

    /// Compares the store paths with their registration without writing the image; does nothing unless the recipe asks
    /// for the check.
    ///
    /// - Parameter threads: how many paths are hashed at once, at least 1.
    /// - Throws: when a store path differs from its registration, or cannot be read.
    public func checkContent(threads: Int, progress: Progress? = nil) throws(ImageError) {
        try check?.run(threads: threads, progress: progress ?? Progress()) {}
    }
}

/// The store paths of a recipe, and the system among them that boots.
private struct SystemChoice {
    /// The store paths that the recipe names.
    private(set) var roots: [StorePath] = []
    /// The system that boots; `nil` with ``BootStyle/none``.
    let toplevel: Toplevel?
    /// The system that the profile's links lead to; `nil` without a profile.
    let profile: StorePath?
    /// Sentences about what may keep the system from booting.
    let warnings: [Advice]

    /// - Throws: when a store path does not exist, there is no system where one is needed, or the system would not find
    ///   the filesystems of the image.
    init(_ recipe: ImageRecipe) throws(ImageError) {
        for argument in recipe.closures { roots.append(try recipe.store.resolve(argument)) }
        let isSystemNeeded = recipe.hasProfile || recipe.boot != .none
        let system = isSystemNeeded ? try Toplevel.find(in: roots, of: recipe.store) : nil
        profile = recipe.hasProfile ? try ProfileLinks.target(system) : nil
        toplevel = recipe.boot == .none ? nil : system
        guard let toplevel else {
            warnings = []
            return
        }
        let preflight = BootPreflight(toplevel, recipe.bootOptions, in: recipe.store)
        try preflight.checkMounts(
            BootPreflight.Identities(
                firmwareLabel: recipe.firmwareLabel, rootLabel: recipe.rootLabel,
                rootUUID: recipe.rootUUID.description, diskID: recipe.diskID))
        warnings = preflight.warnings()
    }
}

/// The disk around the two filesystems: the table, the partitions, and the raw areas outside of them.
private struct PlannedDisk {
    let table: MBRTable
    let map: SegmentMap
    /// The offset of the root partition in bytes.
    let rootStart: UInt64

    private static let mebibyte: UInt64 = 1 << 20
    private static let sector = MBRTable.sectorSize

    /// - Throws: when the partitions do not fit an MBR, or a raw area overlaps one of them.
    init(
        _ recipe: ImageRecipe, firmware: SegmentMap, root: SegmentMap, _ rawAreas: RawAreas
    ) throws(ImageError) {
        let firmwareStart = recipe.gap
        rootStart = (firmwareStart + firmware.size).roundedUp(to: Self.mebibyte)
        let rootSize = max(root.size, recipe.rootSize.map { $0 / Self.sector * Self.sector } ?? 0)
        table = try MBRTable(
            diskID: recipe.diskID,
            partitions: [
                Self.firmwarePartition(recipe, firmware),
                MBREntry(
                    number: 2, start: rootStart / Self.sector, count: rootSize / Self.sector, type: 0x83, isActive: true
                ),
            ])
        var map = SegmentMap(size: rootStart + rootSize)
        map.add(
            table.encoded().dropFirst(Int(MBRTable.byteRange.lowerBound)), at: MBRTable.byteRange.lowerBound)
        try rawAreas.add(to: &map, around: table.partitions)
        map.addMark(at: firmwareStart)
        map.add(firmware, at: firmwareStart)
        map.addMark(at: rootStart)
        map.add(root, at: rootStart)
        try map.seal()
        self.map = map
    }

    /// The firmware partition's entry, which is known before the root filesystem.
    static func firmwarePartition(_ recipe: ImageRecipe, _ firmware: SegmentMap) -> MBREntry {
        MBREntry(number: 1, start: recipe.gap / sector, count: firmware.size / sector, type: 0x0B)
    }
}
