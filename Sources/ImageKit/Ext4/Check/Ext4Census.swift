/// Counts, while the filesystem is walked, how often each inode is linked, and records which inode owns each block.
///
/// It takes some 40 bytes for each inode in use, and 16 for each extent. On the disk, an inode and its map take more.
final class Ext4Census {
    /// An inode that a name leads to, or that the filesystem itself uses.
    struct Reached {
        /// Names that lead to it; for a directory also its `.`, and the `..` of its subdirectories.
        var names: UInt32 = 0
        /// The number of names that it states; 0 while it has not been read.
        var links: UInt16 = 0
        /// Its kind of file; unknown while it has not been read.
        var kind = Ext4FileType.unknown
        var isReserved = false, isPartial = false
    }

    /// Consecutive blocks, and the inode that owns them: 0 for the filesystem itself.
    struct Claim {
        var first: UInt64
        var count: UInt32
        var owner: UInt32
        var end: UInt64 { first + UInt64(count) }

        static let maximumCount: UInt64 = 1 << 31
    }

    /// A block of extended attributes, which inodes may share.
    struct AttributeBlock {
        /// The number of inodes that it states.
        var stated: UInt32
        var inodes: UInt32
        /// The first inode that has it.
        var inode: UInt32
    }

    let volume: Ext4Volume
    private let progress: Progress?
    private let onFinding: (Finding) -> Void
    private(set) var reached: [UInt32: Reached] = [:]
    private(set) var claims: [Claim] = []
    private(set) var attributeBlocks: [UInt64: AttributeBlock] = [:]
    /// The inodes of the tree's nodes, in the order of the nodes.
    private var inodes: [UInt32] = []
    /// Whether something could not be read, so that its links and blocks are unknown.
    private(set) var isPartial = false
    /// Whether that is because this library does not read its kind. It may be sound.
    private(set) var isUnsupported = false
    /// Findings about inodes, whose paths are known after the walk.
    private var pending: [(finding: Finding, inode: UInt32, second: UInt32?)] = []
    /// The directory whose entries are being read.
    private var directory: Ext4DirectoryCheck?
    /// Extents and map blocks that the files without a name may have together.
    var extentBudget: UInt64
    private var steps = 0

    /// The findings that wait for their paths.
    private static let maximumPending = 10_000

    init(_ volume: Ext4Volume, _ progress: Progress?, _ onFinding: @escaping (Finding) -> Void) {
        self.volume = volume
        self.progress = progress
        self.onFinding = onFinding
        extentBudget = volume.superblock.maximumExtents.multipliedClamping(by: 3)
    }

    // MARK: Findings

    func report(_ kind: Finding.Kind, _ what: String, path: String? = nil, offset: UInt64? = nil) {
        onFinding(Finding(kind, what, path: path, offset: offset))
    }

    /// Reports a finding about an inode, and a second one if there is one. It waits until their paths are known.
    func report(
        _ kind: Finding.Kind, _ what: String, inode: UInt32, second: UInt32? = nil, offset: UInt64? = nil
    ) {
        let finding = Finding(kind, what, offset: offset)
        if pending.count < Self.maximumPending { pending.append((finding, inode, second)) } else { onFinding(finding) }
    }

    /// Reports the damage that stopped a reader.
    func report(_ error: ImageError) {
        if error.damage == .ext4Unsupported { (isPartial, isUnsupported) = (true, true) }
        report(error.damage ?? .ext4Inode, error.fault, path: error.path, offset: error.offset)
    }

    /// Reports the findings that waited, with the paths of their inodes.
    func reportPending(_ contents: Ext4Volume.Contents?) throws(ImageError) {
        defer { pending = [] }
        let paths = try paths(in: contents)
        for (finding, inode, second) in pending {
            var finding = finding
            if let path = paths[inode], !path.isEmpty { finding.path = path }
            if let second, let path = paths[second], !path.isEmpty { finding.what += ", which is \(path)" }
            onFinding(finding)
        }
    }

    /// The first paths of the inodes in waiting findings; empty for inodes that have none.
    private func paths(in contents: Ext4Volume.Contents?) throws(ImageError) -> [UInt32: String] {
        var paths: [UInt32: String] = [:]
        for (_, inode, second) in pending {
            paths[inode] = ""
            if let second { paths[second] = "" }
        }
        guard let contents, !paths.isEmpty else { return paths }
        let tree = contents.tree
        try tree.walk(from: tree.root) { path, node throws(ImageError) in
            guard Int(node.index) < inodes.count, paths[inodes[Int(node.index)]] == "" else { return }
            paths[inodes[Int(node.index)]] = "/" + String(decoding: path, as: UTF8.self)
        }
        for (path, node) in contents.specialFiles where paths[node.inode] == "" {
            paths[node.inode] = "/" + String(decoding: path, as: UTF8.self)
        }
        return paths
    }

    // MARK: Blocks

    func claim(_ first: UInt64, _ count: UInt64, owner: UInt32) {
        guard first < volume.superblock.blocks else { return }
        var first = first
        var rest = min(count, volume.superblock.blocks - first)
        if let last = claims.last, last.owner == owner, last.end == first,
            UInt64(last.count) + rest <= Claim.maximumCount
        {
            claims[claims.count - 1].count += UInt32(rest)
            return
        }
        while rest > 0 {
            let count = min(rest, Claim.maximumCount)
            claims.append(Claim(first: first, count: UInt32(count), owner: owner))
            first += count
            rest -= count
        }
    }

    /// Claims in the order of their blocks.
    func sortedClaims() -> [Claim] {
        claims.sort { ($0.first, $0.owner) < ($1.first, $1.owner) }
        return claims
    }

    /// Counts an inode's block of extended attributes.
    /// - Returns: whether it is the first inode that has it.
    func claimAttributes(_ block: UInt64, of inode: UInt32) -> Bool {
        guard attributeBlocks[block]?.inodes == nil else {
            attributeBlocks[block]?.inodes += 1
            return false
        }
        attributeBlocks[block] = AttributeBlock(stated: 0, inodes: 1, inode: inode)
        claim(block, 1, owner: inode)
        return true
    }

    /// Records the number of inodes that a block of extended attributes states.
    func setStated(_ inodes: UInt32, ofAttributeBlock block: UInt64) { attributeBlocks[block]?.stated = inodes }

    /// Records that the filesystem itself uses an inode.
    func reserve(_ inode: UInt32) { reached[inode, default: Reached()].isReserved = true }
}

// MARK: - The walk

extension Ext4Census: Ext4TreeObserver {
    static let readsWholeMaps = true

    func checkCancelled() throws(ImageError) {
        steps &+= 1
        if steps % 1024 == 0 { try progress?.checkCancelled() }
    }

    func willFollow(_ entry: Ext4DirectoryEntry) { reached[entry.inode, default: Reached()].names += 1 }

    func didRead(_ node: Ext4Volume.Node, by entry: Ext4DirectoryEntry?) throws(ImageError) {
        var seen = reached[node.inode] ?? Reached()
        let isFirst = seen.links == 0
        seen.links = node.record.links
        seen.kind = Ext4FileType(node.kind)
        // A directory's `.` leads to it, and the root directory's `..` does too.
        if isFirst, node.kind == .directory { seen.names += node.inode == Ext4ReservedInode.root ? 2 : 1 }
        reached[node.inode] = seen
        if isFirst { try check(node) }
        if let entry { compareKind(of: entry) }
    }

    func didRevisit(_ entry: Ext4DirectoryEntry) { compareKind(of: entry) }

    /// Compares the kind of file in an entry with that of its inode.
    private func compareKind(of entry: Ext4DirectoryEntry) {
        guard let kind = reached[entry.inode]?.kind, kind != .unknown else { return }
        let expected = volume.superblock.has(.fileTypes) ? kind : .unknown
        // Entries from before the filesystem got the feature are of unknown kind.
        guard entry.kind != expected.rawValue, entry.kind != Ext4FileType.unknown.rawValue else { return }
        report(
            .ext4EntryKind,
            "the entry of inode \(entry.inode) has the kind \(entry.kind), and should have \(expected.rawValue)",
            inode: entry.inode, offset: entry.offset)
    }

    func didRead(_ map: Ext4BlockMap, of node: Ext4Volume.Node) {
        for (disk, count) in map.claims { claim(disk, count, owner: node.inode) }
        check(map, of: node)
    }

    func didAdd(_ inode: UInt32) { inodes.append(inode) }

    func didFail(_ inode: UInt32, _ error: ImageError) {
        switch error.damage {
        case Finding.Kind.ext4EntryInode: reached[inode] = reached[inode].flatMap { $0.links > 0 ? $0 : nil }
        case Finding.Kind.ext4DirectoryTwice, Finding.Kind.ext4LinkTarget, Finding.Kind.ext4DirectoryChecksum,
            Finding.Kind.ext4IndexChecksum, Finding.Kind.ext4EntryTwice:
            return
        default:
            isPartial = true
            reached[inode]?.isPartial = true
        }
    }

    func willReadDirectory(_ node: Ext4Volume.Node, parent: UInt32, path: String) {
        directory = Ext4DirectoryCheck(node, parent: parent, path, volume.superblock)
    }

    func didReadInlineParent(_ inode: UInt32) { directory?.checkInlineParent(inode) }

    func didReadBlock(_ bytes: [UInt8], number: UInt64, at offset: UInt64) {
        directory?.addBlock(bytes, number, at: offset)
    }

    func didReadEntry(_ entry: Ext4DirectoryEntry, at position: Int) { directory?.check(entry, at: position) }

    func didReadDirectory() {
        guard let directory else { return }
        self.directory = nil
        let isWhole = reached[directory.node.inode]?.isPartial != true
        for finding in directory.findings(isWhole: isWhole) {
            report(finding.kind, finding.what, path: finding.path, offset: finding.offset)
        }
        // A wrong `..` has its own finding. The parent is not blamed for it.
        if directory.node.inode != Ext4ReservedInode.root { reached[directory.parent]?.names += 1 }
    }
}
