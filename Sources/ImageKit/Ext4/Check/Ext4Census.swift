/// What a check keeps of a filesystem while it is walked: which inodes names lead to, and whose each block is.
///
/// For an inode that is in use some 40 bytes, and 16 for every run of blocks: what the inode itself and its map take on the
/// disk is more.
final class Ext4Census {
    /// An inode that a name leads to, or that the filesystem itself uses.
    struct Reached {
        /// Names that lead to it; of a directory also its `.`, and the `..` of those in it.
        var names: UInt32 = 0
        /// Names that it says it has; 0 while it has not been read.
        var links: UInt16 = 0
        /// As a directory's entries say it; 0 while it is not known.
        var kind: UInt8 = 0
        var isOwn = false, isPartial = false
    }

    /// A run of blocks, and the inode that it belongs to: 0 for the filesystem's own.
    struct Claim {
        var first: UInt64
        var count: UInt32
        var owner: UInt32
        var end: UInt64 { first + UInt64(count) }
    }

    /// A block of extended attributes, which inodes may share.
    struct Attributes {
        var seen: UInt32
        var count: UInt32
        var inode: UInt32
    }

    let volume: Ext4Volume
    private let progress: Progress?
    private let onFinding: (Finding) -> Void
    private(set) var reached: [UInt32: Reached] = [:]
    private(set) var claims: [Claim] = []
    private(set) var attributeBlocks: [UInt64: Attributes] = [:]
    /// The inodes of the tree's nodes, in their order.
    private(set) var inodes: [UInt32] = []
    /// Whether something could not be read, so that what it has is not known.
    private(set) var isPartial = false
    /// Whether that was because it is of a kind that is not read here, and may be sound.
    private(set) var isUnsupported = false
    /// Findings about inodes, whose paths are looked up at the end.
    private var pending: [(finding: Finding, inode: UInt32, other: UInt32?)] = []
    /// The directory whose entries are being read.
    var directory: Ext4DirectoryCheck?
    /// Parts of the maps of files without a name.
    var mapBudget: UInt64
    private var steps = 0

    /// As many findings wait for their paths.
    private static let pendingLimit = 10_000

    init(_ volume: Ext4Volume, _ progress: Progress?, _ onFinding: @escaping (Finding) -> Void) {
        self.volume = volume
        self.progress = progress
        self.onFinding = onFinding
        mapBudget = volume.superblock.mapLimit.multipliedClamping(by: 3)
    }

    func checkCancelled() throws(ImageError) {
        steps &+= 1
        if steps % 1024 == 0 { try progress?.checkCancelled() }
    }

    // MARK: Findings

    func report(_ kind: Finding.Kind, _ what: String, path: String? = nil, offset: UInt64? = nil) {
        onFinding(Finding(kind, what, path: path, offset: offset))
    }

    /// Reports about an inode, and perhaps another one, by their paths once these are known.
    func report(
        _ kind: Finding.Kind, _ what: String, inode: UInt32, other: UInt32? = nil, offset: UInt64? = nil
    ) {
        let finding = Finding(kind, what, offset: offset)
        if pending.count < Self.pendingLimit { pending.append((finding, inode, other)) } else { onFinding(finding) }
    }

    /// Damage that a reader met.
    func report(_ error: ImageError, inode: UInt32? = nil) {
        if error.damage == .ext4Unsupported { (isPartial, isUnsupported) = (true, true) }
        report(error.damage ?? .ext4Inode, error.fault, path: error.path, offset: error.offset)
    }

    /// Gives the findings that waited, with the paths of what they are about.
    func finish(_ contents: Ext4Volume.Contents?) throws(ImageError) {
        defer { pending = [] }
        var paths: [UInt32: String] = [:]
        for (_, inode, other) in pending {
            paths[inode] = ""
            if let other { paths[other] = "" }
        }
        if let contents, !paths.isEmpty {
            let tree = contents.tree
            try tree.walk(from: tree.root) { path, node throws(ImageError) in
                guard Int(node.index) < inodes.count, paths[inodes[Int(node.index)]] == "" else { return }
                paths[inodes[Int(node.index)]] = "/" + String(decoding: path, as: UTF8.self)
            }
            for (path, node) in contents.others where paths[node.inode] == "" {
                paths[node.inode] = "/" + String(decoding: path, as: UTF8.self)
            }
        }
        for (finding, inode, other) in pending {
            var finding = finding
            if let path = paths[inode], !path.isEmpty { finding.path = path }
            if let other, let path = paths[other], !path.isEmpty { finding.what += ", which is \(path)" }
            onFinding(finding)
        }
    }

    // MARK: Names

    /// A name leads to an inode.
    func named(_ entry: Ext4DirectoryEntry) { reached[entry.inode, default: Reached()].names += 1 }

    /// A node has been added to the tree.
    func added(_ inode: UInt32) { inodes.append(inode) }

    /// An inode, or a part of it, could not be read.
    func lost(_ inode: UInt32, _ error: ImageError) {
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

    /// An inode that a name leads to has been read. (The top directory has none.)
    func met(_ node: Ext4Volume.Node, _ entry: Ext4DirectoryEntry?) throws(ImageError) {
        var seen = reached[node.inode] ?? Reached()
        let isFirst = seen.links == 0
        seen.links = node.record.links
        seen.kind = node.kind.inDirectories
        // Its own dot; what is in the top directory also leads to itself by its dots.
        if isFirst, node.kind == .directory { seen.names += node.inode == Ext4Volume.rootInode ? 2 : 1 }
        reached[node.inode] = seen
        if isFirst { try check(node) }
        if let entry { compare(entry) }
    }

    /// Compares what an entry says of its inode's kind with what is known of that.
    func compare(_ entry: Ext4DirectoryEntry) {
        guard let kind = reached[entry.inode]?.kind, kind != 0 else { return }
        let expected = volume.superblock.has(.fileTypes) ? kind : 0
        // 0 says nothing, which is right for filesystems that got the feature later.
        guard entry.kind != expected, entry.kind != 0 else { return }
        report(
            .ext4EntryKind,
            "the entry of inode \(entry.inode) has the kind \(entry.kind), and should have \(expected)",
            inode: entry.inode, offset: entry.offset)
    }

    /// The filesystem itself uses an inode.
    func owns(_ inode: UInt32) { reached[inode, default: Reached()].isOwn = true }

    /// The `..` of a directory leads back.
    func leadsBack(to inode: UInt32) { reached[inode]?.names += 1 }

    // MARK: Blocks

    func claim(_ first: UInt64, _ count: UInt64, owner: UInt32) {
        guard first < volume.superblock.blocks else { return }
        var first = first
        var rest = min(count, volume.superblock.blocks - first)
        if let last = claims.last, last.owner == owner, last.end == first, UInt64(last.count) + rest <= 1 << 31 {
            claims[claims.count - 1].count += UInt32(rest)
            return
        }
        while rest > 0 {
            let part = min(rest, 1 << 31)
            claims.append(Claim(first: first, count: UInt32(part), owner: owner))
            first += part
            rest -= part
        }
    }

    /// What an inode's map says that it has.
    func claim(_ map: Ext4BlockMap, of node: Ext4Volume.Node) {
        for (disk, count) in map.claims { claim(disk, count, owner: node.inode) }
        check(map, of: node)
    }

    /// Claims in the order of their blocks.
    func sortedClaims() -> [Claim] {
        claims.sort { ($0.first, $0.owner) < ($1.first, $1.owner) }
        return claims
    }

    /// Counts an inode's block of extended attributes.
    /// - Returns: whether it is the first inode that has it.
    func claimAttributes(_ block: UInt64, of inode: UInt32) -> Bool {
        guard attributeBlocks[block]?.count == nil else {
            attributeBlocks[block]?.count += 1
            return false
        }
        attributeBlocks[block] = Attributes(seen: 0, count: 1, inode: inode)
        claim(block, 1, owner: inode)
        return true
    }

    /// How many inodes a block of extended attributes says that it has.
    func says(_ block: UInt64, _ count: UInt32) { attributeBlocks[block]?.seen = count }
}

extension FileKind {
    /// As a directory's entries have it.
    var inDirectories: UInt8 {
        switch self {
        case .file: 1
        case .directory: 2
        case .characterDevice: 3
        case .blockDevice: 4
        case .fifo: 5
        case .socket: 6
        case .symlink: 7
        }
    }
}
