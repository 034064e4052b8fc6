/// A whole image on paper: what lies where, to the byte, before anything is written.
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
    /// The root filesystem's UUID, 16 bytes.
    public let rootUUID: [UInt8]
    /// The closure it holds.
    public let closure: Closure
    /// How it boots, and on which boards.
    public let boot: BootStyle, boards: [Board]
    /// The system that boots from it.
    public let toplevel: Toplevel?
    /// Figures of the root filesystem.
    public let root: Ext4Formatter.Summary
    /// What joining files of the same content saved.
    public let savings: FileTree.LinkSavings
    /// What may keep the image from booting, hide what it says, or show what should be hidden: sentences for a person.
    public let warnings: [String]
    /// Names in the root filesystem: files, links and directories.
    public let entries: Int
    /// Whether files were added that not everybody may read: then the image's file is for its owner alone.
    public let isPrivate: Bool
    /// Compares the store paths with their registration, where that was asked for.
    let check: ContentCheck?

    private static let mebibyte: UInt64 = 1 << 20
    private static let sector = MBRTable.sectorSize

    /// Plans the image that a recipe asks for.
    public init(_ recipe: ImageRecipe, progress: Progress? = nil) throws(ImageError) {
        // What can be known to be wrong at once is not found after minutes of hashing.
        try recipe.check()
        let options = try recipe.ext4Options
        try recipe.additions.checkPresent(in: recipe.store)
        let rawAreas = try RawAreas(recipe.rawAreas)
        var roots: [StorePath] = []
        for argument in recipe.closures { roots.append(try recipe.store.resolve(argument)) }
        let isSystemNeeded = recipe.hasProfile || recipe.boot != .none
        let system = isSystemNeeded ? try Toplevel.find(in: roots, of: recipe.store) : nil
        let profile = recipe.hasProfile ? try ProfileLinks.target(system) : nil
        let toplevel = recipe.boot == .none ? nil : system
        let boot = recipe.bootOptions
        var warnings: [String] = []
        if let toplevel {
            let check = BootPreflight(toplevel, boot, in: recipe.store)
            try check.checkMounts(
                BootPreflight.Identities(
                    firmwareLabel: recipe.firmwareLabel, rootLabel: recipe.rootLabel,
                    rootUUID: Ext4Options.uuidText(recipe.rootUUID), diskID: recipe.diskID))
            warnings = check.warnings()
        }
        let threads = max(1, recipe.threads)
        let closure = try Closure.load(
            roots: roots, from: recipe.source, store: recipe.store, threads: threads, progress: progress)
        // Firmware first: when it is missing, nobody should wait for the store to be scanned.
        let firmware = try FirmwareTree(
            boot, closure: closure, in: recipe.store, toplevel: toplevel, progress: progress)
        let firmwareMap = try FATFormatter.layOut(
            firmware.tree,
            options: FATOptions(label: recipe.firmwareLabel, serial: recipe.diskID, size: recipe.firmwareSize))
        let firmwareStart = recipe.gap
        let firmwarePartition = MBREntry(
            number: 1, start: firmwareStart / Self.sector, count: firmwareMap.size / Self.sector, type: 0x0B)
        try rawAreas.check([firmwarePartition])
        let root = try RootTree(
            closure, in: recipe.store, toplevel: toplevel, boot: boot, registrationPath: recipe.registrationPath,
            deduplicates: recipe.deduplicates,
            // What is checked must be what goes into the image.
            keepsShortFiles: !recipe.checksContent, profile: profile,
            additions: recipe.additions, threads: threads, progress: progress)
        let ext4 = try Ext4Formatter.layOut(root.tree, options, hints: root.hints, progress: progress)

        let rootStart = (firmwareStart + firmwareMap.size).roundedUp(to: Self.mebibyte)
        let rootSize = max(ext4.map.size, recipe.rootSize.map { $0 / Self.sector * Self.sector } ?? 0)
        table = try MBRTable(
            diskID: recipe.diskID,
            partitions: [
                firmwarePartition,
                MBREntry(
                    number: 2, start: rootStart / Self.sector, count: rootSize / Self.sector, type: 0x83, isActive: true
                ),
            ])
        var map = SegmentMap(size: rootStart + rootSize)
        map.add(
            table.encoded().dropFirst(Int(MBRTable.place.lowerBound)), at: MBRTable.place.lowerBound)
        try rawAreas.add(to: &map, around: table.partitions)
        map.addMark(at: firmwareStart)
        map.add(firmwareMap, at: firmwareStart)
        map.addMark(at: rootStart)
        map.add(ext4.map, at: rootStart)
        try map.seal()
        self.map = map
        firmwareLabel = recipe.firmwareLabel
        rootLabel = recipe.rootLabel
        rootUUID = recipe.rootUUID
        self.closure = closure
        self.toplevel = toplevel
        self.boot = recipe.boot
        boards = boot.boards
        self.root = ext4.summary
        savings = root.savings
        self.warnings = (warnings + firmware.warnings + root.warnings).map(ImageError.printable)
        entries = root.tree.names(below: root.tree.root)
        isPrivate = root.isPrivate || firmware.isPrivate || rawAreas.isPrivate
        check =
            recipe.checksContent
            ? ContentCheck(
                root.paths, of: root.tree, root.hints, on: ext4.map, from: rootStart, in: recipe.store) : nil
    }

    /// Makes the check of store paths without writing the image; nothing where none was asked for.
    ///
    /// - Parameter threads: how many paths are hashed at once, at least 1.
    /// - Throws: when a store path is not what is registered of it, or cannot be read.
    public func checkContent(threads: Int, progress: Progress? = nil) throws(ImageError) {
        try check?.run(threads: threads, progress: progress ?? Progress()) {}
    }
}
