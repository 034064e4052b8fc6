/// What is checked of one directory while its blocks are read: its `.` and `..`, and its index.
struct Ext4DirectoryCheck {
    let node: Ext4Volume.Node
    let parent: UInt32
    let path: String
    private let isIndexed: Bool
    private var index: Ext4DirectoryIndex?
    private var findings: [Finding] = []
    private var hasDot = false, hasDots = false
    private var isInline = false
    private var budget = Findings.limitPerKind

    init(_ node: Ext4Volume.Node, parent: UInt32, _ path: String, _ superblock: Ext4Superblock) {
        self.node = node
        self.parent = parent
        self.path = path
        isIndexed =
            node.record.flags & Ext4Inode.Flag.indexed != 0 && node.record.flags & Ext4Inode.Flag.inline == 0
        if isIndexed { index = Ext4DirectoryIndex(superblock, blocks: node.size / superblock.blockSize) }
    }

    /// Names may be scrambled or compared in other ways: then their hashes are not looked at.
    private var hasPlainNames: Bool { node.record.flags & Ext4Inode.Flag.caseFolded == 0 }

    private mutating func add(_ kind: Finding.Kind, _ what: String, _ offset: UInt64?) {
        // A hostile directory has a fault in every entry.
        guard budget > 0 else { return }
        budget -= 1
        findings.append(Finding(kind, "folder \(node.inode) \(what)", path: path, offset: offset))
    }

    /// The directory is in its inode, which holds its parent's number in place of the dots.
    mutating func isInline(parent found: UInt32) {
        isInline = true
        if found != parent {
            add(.ext4DirectoryDots, "says that it is in \(found), and is in \(parent)", node.record.offset)
        }
    }

    mutating func block(_ bytes: [UInt8], _ number: UInt64, at offset: UInt64) {
        index?.block(bytes, number, at: offset)
    }

    mutating func entry(_ entry: Ext4DirectoryEntry, place: Int) {
        guard entry.inode != 0 else {
            if !isInline, entry.block == 0, place == 0 {
                add(.ext4DirectoryDots, "does not begin with '.'", entry.offset)
                hasDot = true
            }
            return
        }
        switch entry.name {
        case Ext4DirectoryEntry.dot:
            guard !isInline, entry.block == 0, place == 0 else {
                return add(.ext4DirectoryDots, "has a '.' that is not its first entry", entry.offset)
            }
            hasDot = true
            if entry.inode != node.inode {
                add(.ext4DirectoryDots, "has a '.' that leads to \(entry.inode)", entry.offset)
            }
        case Ext4DirectoryEntry.dots:
            guard !isInline, entry.block == 0, hasDot, !hasDots else {
                return add(.ext4DirectoryDots, "has a '..' that is not its second entry", entry.offset)
            }
            hasDots = true
            if entry.inode != parent {
                add(.ext4DirectoryDots, "has a '..' that leads to \(entry.inode), and is in \(parent)", entry.offset)
            }
        default:
            if !isInline, entry.block == 0, !hasDot || !hasDots {
                add(.ext4DirectoryDots, "does not begin with '.' and '..'", entry.offset)
                (hasDot, hasDots) = (true, true)
            }
            guard hasPlainNames else { return }
            index?.name(entry)
        }
    }

    /// All that was found, once the directory has been read.
    /// - Parameter isWhole: whether all of its blocks could be read.
    func faults(isWhole: Bool) -> [Finding] {
        var all = self
        if !isInline, isWhole, !hasDot || !hasDots {
            all.add(.ext4DirectoryDots, "has no '.' or no '..'", node.record.offset)
        }
        if isWhole {
            for (kind, what, offset) in index?.faults(isPlain: hasPlainNames) ?? [] { all.add(kind, what, offset) }
        }
        return all.findings
    }
}

extension Ext4Census {
    /// A directory is going to be read.
    func enter(_ node: Ext4Volume.Node, parent: UInt32, _ path: String) {
        directory = Ext4DirectoryCheck(node, parent: parent, path, volume.superblock)
    }

    /// It has been read.
    func leave() {
        guard let directory else { return }
        self.directory = nil
        let isWhole = reached[directory.node.inode]?.isPartial != true
        for finding in directory.faults(isWhole: isWhole) {
            report(finding.kind, finding.what, path: finding.path, offset: finding.offset)
        }
        // What is wrong with its `..` has been said; the parent is not blamed for it.
        if directory.node.inode != Ext4Volume.rootInode { leadsBack(to: directory.parent) }
    }
}
