/// Checks one directory while its blocks are read: its `.` and `..`, and its index.
struct Ext4DirectoryCheck {
    let node: Ext4Volume.Node
    let parent: UInt32
    private let path: String
    private var index: Ext4DirectoryIndex?
    private var found: [Finding] = []
    private var hasDot = false, hasDots = false
    private var isInline = false
    private var budget = Findings.maximumPerKind

    init(_ node: Ext4Volume.Node, parent: UInt32, _ path: String, _ superblock: Ext4Superblock) {
        self.node = node
        self.parent = parent
        self.path = path
        if node.record.flags & Ext4Inode.Flag.indexed != 0, !node.record.isInline {
            index = Ext4DirectoryIndex(superblock, blocks: node.size / superblock.blockSize)
        }
    }

    /// Whether names are hashed as they are. Names that ignore case have other hashes, which are not checked.
    private var hasPlainNames: Bool { node.record.flags & Ext4Inode.Flag.caseFolded == 0 }

    private mutating func report(_ kind: Finding.Kind, _ what: String, _ offset: UInt64?) {
        // A hostile directory has a fault in every entry.
        guard budget > 0 else { return }
        budget -= 1
        found.append(Finding(kind, "folder \(node.inode) \(what)", path: path, offset: offset))
    }

    /// Checks a directory in its inode, which states the parent's number instead of `.` and `..`.
    mutating func checkInlineParent(_ stated: UInt32) {
        isInline = true
        if stated != parent {
            report(.ext4DirectoryDots, "says that it is in \(stated), and is in \(parent)", node.record.offset)
        }
    }

    /// Adds a block, before its entries.
    mutating func addBlock(_ bytes: [UInt8], _ number: UInt64, at offset: UInt64) {
        index?.addBlock(bytes, number, at: offset)
    }

    /// - Parameter position: the entry's offset in its block in bytes.
    mutating func check(_ entry: Ext4DirectoryEntry, at position: Int) {
        guard entry.inode != 0 else {
            if !isInline, entry.block == 0, position == 0 {
                report(.ext4DirectoryDots, "does not begin with '.'", entry.offset)
                hasDot = true
            }
            return
        }
        switch entry.name {
        case Ext4DirectoryEntry.dot:
            guard !isInline, entry.block == 0, position == 0 else {
                return report(.ext4DirectoryDots, "has a '.' that is not its first entry", entry.offset)
            }
            hasDot = true
            if entry.inode != node.inode {
                report(.ext4DirectoryDots, "has a '.' that leads to \(entry.inode)", entry.offset)
            }
        case Ext4DirectoryEntry.dots:
            guard !isInline, entry.block == 0, hasDot, !hasDots else {
                return report(.ext4DirectoryDots, "has a '..' that is not its second entry", entry.offset)
            }
            hasDots = true
            if entry.inode != parent {
                report(
                    .ext4DirectoryDots, "has a '..' that leads to \(entry.inode), and is in \(parent)", entry.offset)
            }
        default:
            if !isInline, entry.block == 0, !hasDot || !hasDots {
                report(.ext4DirectoryDots, "does not begin with '.' and '..'", entry.offset)
                (hasDot, hasDots) = (true, true)
            }
            guard hasPlainNames else { return }
            index?.addName(entry)
        }
    }

    /// All findings, once the directory has been read.
    /// - Parameter isWhole: whether all of its blocks could be read.
    func findings(isWhole: Bool) -> [Finding] {
        var check = self
        if !isInline, isWhole, !hasDot || !hasDots {
            check.report(.ext4DirectoryDots, "has no '.' or no '..'", node.record.offset)
        }
        if isWhole {
            for (kind, what, offset) in index?.faults(isPlain: hasPlainNames) ?? [] {
                check.report(kind, what, offset)
            }
        }
        return check.found
    }
}
