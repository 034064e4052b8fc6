/// Checks a whole FAT filesystem: its boot sector, the FAT, and every directory and chain.
///
/// ```
///   boot sector ──▶ FAT, once, in pages ──▶ directories, chain by chain ──▶ used by the FAT, and by no chain
///   backup, FSInfo  copies; used and free   claimed clusters           labels, free count
/// ```
///
/// Nothing is changed, and file contents are not read. Memory: two sets of clusters (4 KiB for each 32,768 clusters
/// with at least one in use: 2 MiB for a card of 64 GiB), and, as for the tree that it returns, memory proportional to
/// the number of files and of their extents.
struct FATCheck {
    let volume: FATVolume
    let progress: Progress?
    /// Clusters that are neither free nor bad by the FAT.
    var used = FATClusterSet()
    /// Clusters that belong to a file or directory.
    var claims: FATClusterSet? = FATClusterSet()
    var owners = FATOwners()
    /// Chains that led to a cluster which another chain had claimed.
    var crossLinks: [(cluster: UInt64, owner: Int, offset: UInt64?)] = []
    /// The number of free clusters by the FAT.
    var free: UInt64 = 0
    /// The first label in the root directory.
    var label: [UInt8]?
    /// The number of files and directories that are checked at most, and how many have been.
    let maximumEntries: Int
    var entries = 0

    var layout: FATVolume.Layout { volume.layout }
    var source: any ByteSource { volume.source }

    private init(_ volume: FATVolume, maximumEntries: Int, _ progress: Progress?) {
        self.volume = volume
        self.maximumEntries = maximumEntries
        self.progress = progress
    }

    /// Checks the bytes of a partition.
    ///
    /// Damage is a finding, never an error. `progress` can stop the check.
    /// - Parameter onFinding: called for each finding as soon as it is made. Offsets are from the start of the source.
    /// - Returns: the readable files and directories; `nil` if the boot sector and its backup are damaged, or if there
    ///   are more than ``FATVolume/maximumEntries`` entries.
    /// - Throws: only errors of reading the source, and ``ImageError/Code/cancelled``.
    static func run(
        _ source: any ByteSource, progress: Progress? = nil, onFinding: (Finding) -> Void
    ) throws(ImageError) -> FileTree? {
        try run(source, maximumEntries: FATVolume.maximumEntries, progress: progress, onFinding: onFinding)
    }

    /// Runs the check with another limit, for tests.
    static func run(
        _ source: any ByteSource, maximumEntries: Int, progress: Progress?, onFinding: (Finding) -> Void
    ) throws(ImageError) -> FileTree? {
        var hasDamage = false
        func report(_ finding: Finding) {
            if finding.kind.severity == .damage { hasDamage = true }
            onFinding(finding)
        }
        guard let (layout, sector) = try bootSector(of: source, onFinding: report) else { return nil }
        var check = FATCheck(FATVolume(source, layout), maximumEntries: maximumEntries, progress)
        if let sector { try check.checkBootSector(sector, onFinding: report) }
        try check.checkTable(onFinding: report)
        if let sector { try check.checkInfo(sector, onFinding: report) }
        try check.checkDirectories(onFinding: report)
        guard check.entries <= maximumEntries else {
            report(Finding(.fatTooLarge, "there are more than \(maximumEntries) files and folders"))
            return nil
        }
        check.checkLost(onFinding: report)
        if let sector { check.checkLabel(sector, onFinding: report) }

        var unread: ImageError?
        let tree = try check.volume.tree { (error) throws(ImageError) in unread = unread ?? error }
        if let unread, !hasDamage {
            report(Finding(.fatUnreadable, unread.reason ?? unread.message, path: unread.path, offset: unread.offset))
        }
        return tree
    }

    /// Reports clusters that are in use by the FAT, but belong to no file or directory.
    private func checkLost(onFinding report: (Finding) -> Void) {
        guard let claims else { return }
        used.forEachExtent(notIn: claims) { extent in
            let last = extent.first + extent.count - 1
            let clusters =
                extent.count == 1
                ? "cluster \(extent.first) is taken, but belongs"
                : "clusters \(extent.first) to \(last) are taken, but belong"
            report(
                Finding(
                    .fatLostClusters, "\(clusters) to no file or folder",
                    offset: volume.table.offset(ofEntry: extent.first)))
        }
    }
}
