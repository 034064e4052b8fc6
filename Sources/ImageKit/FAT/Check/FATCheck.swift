/// Checks a whole FAT filesystem: its boot sector, the FAT, and every directory and chain.
///
/// ```
///   boot sector ──▶ FAT, once, in pieces ──▶ directories, chain by chain ──▶ taken by the FAT, and by no chain
///   backup, FSInfo  copies; taken and free   claimed clusters            labels, free count
/// ```
///
/// Nothing is changed, and file contents are not read. Memory: two sets of clusters (4 KiB for each 32,768 clusters of
/// which one is in use: 2 MiB for a card of 64 GiB), and what goes by the number of files and of the pieces in which they
/// lie, as for the tree that it gives back.
public struct FATCheck {
    let volume: FATVolume
    let progress: Progress?
    /// Clusters that the FAT calls neither free nor bad.
    var taken = FATClusterSet()
    /// Clusters that a file or directory has.
    var claims: FATClusterSet? = FATClusterSet()
    var owners = FATOwners()
    /// Chains that came to a cluster which something else had claimed.
    var crossings: [(cluster: UInt64, owner: Int, offset: UInt64?)] = []
    /// Free clusters, by the FAT.
    var free: UInt64 = 0
    /// Labels in the root directory: the first, and where others are.
    var label: [UInt8]?
    /// The most files and directories that are looked at, and how many have been.
    let entryLimit: Int
    var entries = 0

    var layout: FATLayout { volume.layout }
    var source: any ByteSource { volume.source }

    private init(_ volume: FATVolume, entryLimit: Int, _ progress: Progress?) {
        self.volume = volume
        self.entryLimit = entryLimit
        self.progress = progress
    }

    /// Checks a partition's bytes.
    ///
    /// What is wrong is a finding, never an error. `progress` can stop it.
    /// - Parameter onFinding: hears what is found, with offsets from the beginning of the source, as it is found.
    /// - Returns: what is on the filesystem, as far as it can be read; `nil` where nothing can, or where there are more than
    ///   ``FATVolume/entryLimit`` entries.
    /// - Throws: only what reading the source throws, and ``ImageError/Code/cancelled``.
    public static func run(
        _ source: any ByteSource, progress: Progress? = nil, onFinding: (Finding) -> Void
    ) throws(ImageError) -> FileTree? {
        try run(source, entryLimit: FATVolume.entryLimit, progress: progress, onFinding: onFinding)
    }

    /// The same, with a limit to try.
    static func run(
        _ source: any ByteSource, entryLimit: Int, progress: Progress?, onFinding: (Finding) -> Void
    ) throws(ImageError) -> FileTree? {
        var hasDamage = false
        func hear(_ finding: Finding) {
            if finding.kind.severity == .damage { hasDamage = true }
            onFinding(finding)
        }
        guard let (layout, sector) = try bootSector(of: source, hear) else { return nil }
        var check = FATCheck(FATVolume(source, layout), entryLimit: entryLimit, progress)
        if let sector { try check.checkBootSector(sector, hear) }
        try check.checkTable(hear)
        if let sector { try check.checkInfo(sector, hear) }
        try check.checkDirectories(hear)
        guard check.entries <= entryLimit else {
            hear(Finding(.fatTooLarge, "there are more than \(entryLimit) files and folders"))
            return nil
        }
        check.checkLost(hear)
        if let sector { check.checkLabel(sector, hear) }

        var unread: ImageError?
        let tree = try check.volume.tree { (error) throws(ImageError) in unread = unread ?? error }
        if let unread, !hasDamage {
            hear(Finding(.fatUnreadable, unread.reason ?? unread.message, path: unread.path, offset: unread.offset))
        }
        return tree
    }

    /// Clusters that the FAT calls taken, though no file or directory has them.
    private func checkLost(_ hear: (Finding) -> Void) {
        guard let claims else { return }
        taken.runs(notIn: claims) { run in
            let last = run.first + run.count - 1
            let which =
                run.count == 1
                ? "cluster \(run.first) is taken, but belongs"
                : "clusters \(run.first) to \(last) are "
                    + "taken, but belong"
            hear(
                Finding(
                    .fatLostClusters, "\(which) to no file or folder", offset: volume.table.offset(ofEntry: run.first)))
        }
    }
}

/// Files and directories, and the clusters that each has.
struct FATOwners {
    private var names: [(directory: Int, name: String)] = []
    private var pieces: [(run: FATChain.Run, owner: Int)] = []

    /// Adds one; the root directory is the first, and lies in itself.
    mutating func add(_ name: String, in directory: Int) -> Int {
        names.append((directory, name))
        return names.count - 1
    }

    /// Gives it these clusters.
    mutating func give(_ owner: Int, _ runs: [FATChain.Run]) {
        for run in runs { pieces.append((run, owner)) }
    }

    /// Puts the pieces in order, before ``owner(of:)``.
    mutating func sort() { pieces.sort { $0.run.first < $1.run.first } }

    /// Who has a cluster. (No two have the same.)
    func owner(of cluster: UInt64) -> Int? {
        let next = pieces.partitioningIndex { $0.run.first > cluster }
        guard next > 0 else { return nil }
        let piece = pieces[next - 1]
        return cluster - piece.run.first < piece.run.count ? piece.owner : nil
    }

    /// The absolute path.
    func path(of owner: Int) -> String {
        var parts: [String] = []
        var place = owner
        // A directory comes before what is in it.
        while place > 0, names.indices.contains(place) {
            parts.append(names[place].name)
            place = min(names[place].directory, place - 1)
        }
        return "/" + parts.reversed().joined(separator: "/")
    }
}
