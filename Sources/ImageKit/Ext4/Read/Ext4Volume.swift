/// An ext2, ext3 or ext4 filesystem, read from any source of bytes without mounting it.
///
/// The superblock is checked before libext2fs sees it, and every number on the way to a file's bytes before it is used, so
/// that a damaged or hostile image gives an error and nothing worse. A volume may be used from several threads: what
/// needs the library takes turns, and the sources that ``content(of:)`` gives read without any lock.
public final class Ext4Volume: Sendable {
    /// What the superblock says.
    public struct Information: Sendable, Hashable {
        /// `ext2`, `ext3` or `ext4`, by the features.
        public var kind: String
        /// The label; empty where there is none.
        public var label: String
        /// The 16 bytes of the UUID.
        public var uuid: [UInt8]
        /// The features, by the names that e2fsprogs has for them.
        public var features: [String]
        /// Bytes in a block.
        public var blockSize: UInt64
        /// Blocks in all, free ones, and those kept for root.
        public var blocks: UInt64, freeBlocks: UInt64, reservedBlocks: UInt64
        /// Inodes in all, and free ones.
        public var inodes: UInt64, freeInodes: UInt64
        /// Bytes in an inode's record.
        public var inodeSize: UInt64
        /// Block groups, and what each has.
        public var groups: UInt64, blocksPerGroup: UInt64, inodesPerGroup: UInt64
        /// Blocks kept for the descriptors of a larger filesystem.
        public var reservedDescriptorBlocks: UInt64
        /// Whether it was unmounted cleanly, and no error was found in it.
        public var isClean: Bool
        /// Whether the kernel found errors in it.
        public var hasErrors: Bool
        /// Whether the journal holds what has not reached its place. (It is not replayed here.)
        public var needsRecovery: Bool
        /// Seconds since 1970: when it was made, last written, mounted and checked; 0 for never.
        public var made: Int64, written: Int64, mounted: Int64, checked: Int64
        /// Mounts since the last check.
        public var mounts: UInt64
        /// Where it was last mounted.
        public var lastMounted: String
    }

    /// An inode, looked at.
    public struct Node: Sendable {
        let record: Ext4Inode
        /// See ``FileKind``.
        public let kind: FileKind
        /// Its number.
        public var inode: UInt32 { record.number }
        /// Its size in bytes.
        public var size: UInt64 { record.size }
        /// How many names it has.
        public var links: Int { Int(record.links) }
        /// Permissions, owner, and time of modification.
        public var attributes: FileAttributes {
            FileAttributes(
                permissions: record.mode, owner: record.owner, group: record.group, modified: record.modified)
        }
        /// What is to be added to the time of modification, 0 to 999,999,999.
        public var nanoseconds: UInt32 { record.nanoseconds }
        /// When it was last read, in seconds since 1970.
        public var accessed: Int64 { record.accessed }
        /// When its inode was last changed, in seconds since 1970.
        public var changed: Int64 { record.changed }
    }

    /// A name in a directory.
    public struct Entry: Sendable, Hashable {
        /// The name's bytes.
        public var name: [UInt8]
        /// The inode it leads to.
        public var inode: UInt32
    }

    /// What the superblock says.
    public var information: Information { superblock.information }

    let source: any ByteSource
    let superblock: Ext4Superblock
    let groups: Ext4Groups
    let checksums: Ext4Checksums

    static let rootInode: UInt32 = 2

    /// Opens the filesystem that begins at the source's first byte.
    /// - Parameter verifiesChecksums: whether a wrong checksum is an error, as it should be but for rescuing what is left.
    public init(_ source: any ByteSource, verifiesChecksums: Bool = true) throws(ImageError) {
        self.source = source
        superblock = try Ext4Superblock(source)
        groups = try Ext4Groups(source, superblock, verifiesChecksums: verifiesChecksums)
        checksums = Ext4Checksums(superblock.bytes, isOn: verifiesChecksums)
    }

    /// For a check, which tells of the superblock's checksum itself.
    init(_ source: any ByteSource, _ superblock: Ext4Superblock) throws(ImageError) {
        self.source = source
        self.superblock = superblock
        groups = try Ext4Groups(source, superblock, verifiesChecksums: false)
        checksums = Ext4Checksums(superblock.bytes)
    }

    /// The top directory.
    public func root() throws(ImageError) -> Node {
        let root = try node(Self.rootInode)
        guard root.kind == .directory else {
            throw .damagedInode(Self.rootInode, at: root.record.offset, "the top folder is no folder")
        }
        return root
    }

    /// The inode of that number.
    public func node(_ inode: UInt32) throws(ImageError) -> Node {
        let offset = try offset(of: inode)
        return try node(inode, try source.read(superblock.inodeSize, at: offset), at: offset)
    }

    /// Where an inode's record is.
    func offset(of inode: UInt32) throws(ImageError) -> UInt64 {
        guard inode > 0, inode <= superblock.inodes else {
            throw .damagedInode(
                inode, at: nil, "no name can lead to it, as there are only \(superblock.inodes) inodes", .ext4EntryInode
            )
        }
        let group = Int((inode - 1) / superblock.inodesPerGroup)
        let index = UInt64((inode - 1) % superblock.inodesPerGroup)
        let table = groups.inodeTable(group)
        guard table > 0, table < superblock.blocks, groups.tableBlocks <= superblock.blocks - table else {
            throw .damagedInode(
                inode, at: nil, "the table of its group is at block \(table), outside of the filesystem",
                .ext4GroupLocation)
        }
        return table * superblock.blockSize + index * UInt64(superblock.inodeSize)
    }

    /// The inode of that number, from its record.
    /// - Parameter onDamage: hears of a wrong checksum.
    func node(
        _ inode: UInt32, _ bytes: [UInt8], at offset: UInt64,
        onDamage: (ImageError) throws(ImageError) -> Void = { (error) throws(ImageError) in throw error }
    ) throws(ImageError) -> Node {
        guard inode == Self.rootInode || inode >= superblock.firstInode else {
            throw .damagedInode(inode, at: nil, "no name can lead to it", .ext4EntryInode)
        }
        guard let links: UInt16 = bytes.load(at: 0x1A), links > 0 else {
            throw .damagedInode(inode, at: offset, "it is in use and deleted", .ext4EntryInode)
        }
        if let wrong = checksums.inode(bytes, inode) {
            try onDamage(.damagedInode(inode, at: offset, "it \(wrong.words)", .ext4InodeChecksum))
        }
        let record = try Ext4Inode(inode, (bytes, offset), superblock)
        let kind: FileKind
        switch record.mode & 0xF000 {
        case 0x4000: kind = .directory
        case 0x8000: kind = .file
        case 0xA000: kind = .symlink
        case 0x1000: kind = .fifo
        case 0xC000: kind = .socket
        case 0x2000: kind = .characterDevice(major: Self.device(record).major, minor: Self.device(record).minor)
        case 0x6000: kind = .blockDevice(major: Self.device(record).major, minor: Self.device(record).minor)
        default: throw .damagedInode(inode, at: record.offset, "its kind is \(record.mode >> 12)", .ext4InodeKind)
        }
        return Node(record: record, kind: kind)
    }

    /// The old form of a device's number stands first, and the new one where that is zero.
    private static func device(_ record: Ext4Inode) -> (major: UInt32, minor: UInt32) {
        let old: UInt32 = record.area.load(at: 0) ?? 0, new: UInt32 = record.area.load(at: 4) ?? 0
        return old != 0 ? (old >> 8 & 0xFF, old & 0xFF) : (new >> 8 & 0xFFF, new & 0xFF | new >> 12 & 0xFFF00)
    }

    // MARK: Content

    /// A file's bytes, to be read from any thread. (Of anything else, nothing.)
    public func content(of node: Node) throws(ImageError) -> any ByteSource {
        var budget = superblock.mapLimit
        let place = try place(of: node, runBudget: &budget)
        let size = node.kind == .file ? node.size : 0
        return place.offset == 0 && place.source.size == size
            ? place.source
            : ExtentSource(
                place.source, size: size, joining: [place.offset..<place.offset + size])
    }

    /// Where a file's bytes are: in the volume's own source where they lie in one piece.
    func place(
        of node: Node, runBudget: inout UInt64
    ) throws(ImageError) -> (source: any ByteSource, offset: UInt64) {
        guard node.kind == .file, node.record.flags & Ext4Inode.Flag.inline == 0 else {
            return try place(of: node, runs: [])
        }
        return try place(of: node, runs: Ext4BlockRuns.find(node.record, self, limit: &runBudget))
    }

    /// The same, with the map of its blocks, if it has one.
    func place(of node: Node, runs: [Ext4Run]) throws(ImageError) -> (source: any ByteSource, offset: UInt64) {
        guard node.kind == .file else { return (SegmentMap(size: 0), 0) }
        if node.record.flags & Ext4Inode.Flag.inline != 0 {
            let (first, rest) = try node.record.inlineParts()
            let bytes = (first + rest).prefix(Int(min(node.size, UInt64(first.count + rest.count))))
            // mke2fs makes files of one large hole that way.
            var map = SegmentMap(size: node.size)
            map.add(bytes, at: 0)
            try map.seal()
            return (map, 0)
        }
        let blockSize = superblock.blockSize
        let blocks = node.size.dividedRoundingUp(by: blockSize)
        guard blocks <= 1 << 32 || node.record.flags & Ext4Inode.Flag.extents == 0 else {
            throw .damagedInode(node.inode, at: node.record.offset, "its size is \(node.size)", .ext4InodeSize)
        }
        if let run = runs.first, runs.count == 1, run.first == 0, run.count == blocks {
            return (source, run.disk * blockSize)
        }
        return (ExtentSource(source, size: node.size, extents: extents(runs)), 0)
    }

    private func extents(_ runs: [Ext4Run]) -> [ExtentSource.Extent] {
        let unit = superblock.blockSize
        return runs.map {
            ExtentSource.Extent(start: $0.first * unit, count: $0.count * unit, sourceOffset: $0.disk * unit)
        }
    }

    /// Whether a link's target is in its inode and not in a block.
    func hasTargetInside(_ record: Ext4Inode) -> Bool {
        record.flags & Ext4Inode.Flag.inline != 0
            || record.size < 60 && !record.hasBlocks && record.flags & Ext4Inode.Flag.extents == 0
    }

    /// A symbolic link's target. (Of anything else, nothing.)
    public func target(of node: Node) throws(ImageError) -> [UInt8] {
        guard node.kind == .symlink else { return [] }
        var limit: UInt64 = 8
        let runs = hasTargetInside(node.record) ? [] : try Ext4BlockRuns.find(node.record, self, limit: &limit)
        return try target(of: node, runs: runs)
    }

    /// The same, with the map of its blocks, if it has one.
    func target(of node: Node, runs: [Ext4Run]) throws(ImageError) -> [UInt8] {
        let record = node.record
        func damage(_ reason: String) -> ImageError {
            .damagedInode(node.inode, at: record.offset, reason, .ext4LinkTarget)
        }
        guard record.size > 0, record.size < superblock.blockSize || record.size < 60 else {
            throw damage("a link of \(record.size) bytes")
        }
        let target: [UInt8]
        if record.flags & Ext4Inode.Flag.inline != 0 {
            target = try record.inlineContent()
        } else if hasTargetInside(record) {
            target = Array(record.area.prefix(Int(record.size)))
        } else {
            guard runs.count == 1 else { throw damage("a link without its target") }
            target = try ExtentSource(source, size: record.size, extents: extents(runs)).read(Int(record.size), at: 0)
        }
        guard !target.contains(0) else { throw damage("a link whose target has a zero byte") }
        return target
    }
}
