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

    /// What an inode is.
    public enum Kind: Sendable, Hashable {
        /// What a tree can hold.
        case directory, file, symlink
        /// A device, with its major and minor number.
        case characterDevice(major: UInt32, minor: UInt32), blockDevice(major: UInt32, minor: UInt32)
        /// A named pipe, or a socket.
        case fifo, socket
    }

    /// An inode, looked at.
    public struct Node: Sendable {
        let record: Ext4Inode
        /// See ``Ext4Volume/Kind``.
        public let kind: Kind
        /// Its number.
        public var inode: UInt32 { record.number }
        /// Its size in bytes.
        public var size: UInt64 { record.size }
        /// How many names it has.
        public var links: Int { Int(record.links) }
        /// Permissions, owner, and time of modification.
        public var attributes: FileTree.Attributes {
            FileTree.Attributes(
                permissions: record.mode, owner: record.owner, group: record.group, modified: record.modified)
        }
        /// What is to be added to the time of modification, 0 to 999,999,999.
        public var nanoseconds: UInt32 { record.nanoseconds }
        /// When it was last read, in seconds since 1970.
        public var accessed: Int64 { record.accessed }
        /// When its inode was last changed, in seconds since 1970.
        public var changed: Int64 { record.changed }
    }

    /// A name in a folder.
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
    let handle: Ext4Handle

    static let rootInode: UInt32 = 2

    /// Opens the filesystem that begins at the source's first byte.
    /// - Parameter verifiesChecksums: whether a wrong checksum is an error, as it should be but for rescuing what is left.
    public init(_ source: any ByteSource, verifiesChecksums: Bool = true) throws(ImageError) {
        self.source = source
        superblock = try Ext4Superblock(source)
        handle = try Ext4Handle(source, superblock, verifiesChecksums: verifiesChecksums)
    }

    /// The top folder.
    public func root() throws(ImageError) -> Node {
        let root = try node(Self.rootInode)
        guard root.kind == .directory else {
            throw .damagedInode(Self.rootInode, at: root.record.offset, "the top folder is no folder")
        }
        return root
    }

    /// The inode of that number.
    public func node(_ inode: UInt32) throws(ImageError) -> Node {
        guard inode == Self.rootInode || inode >= superblock.firstInode, inode <= superblock.inodes else {
            throw .damagedInode(inode, at: nil, "no name can lead to it")
        }
        let record = try Ext4Inode(inode, handle.record(inode), superblock)
        guard record.links > 0 else { throw .damagedInode(inode, at: record.offset, "it is in use and deleted") }
        let kind: Kind
        switch record.mode & 0xF000 {
        case 0x4000: kind = .directory
        case 0x8000: kind = .file
        case 0xA000: kind = .symlink
        case 0x1000: kind = .fifo
        case 0xC000: kind = .socket
        case 0x2000: kind = .characterDevice(major: Self.device(record).major, minor: Self.device(record).minor)
        case 0x6000: kind = .blockDevice(major: Self.device(record).major, minor: Self.device(record).minor)
        default: throw .damagedInode(inode, at: record.offset, "its kind is \(record.mode >> 12)")
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
            : PieceSource(
                place.source, size: size, places: [place.offset..<place.offset + size])
    }

    /// Where a file's bytes are: in the volume's own source where they lie in one piece.
    func place(
        of node: Node, runBudget: inout UInt64
    ) throws(ImageError) -> (source: any ByteSource, offset: UInt64) {
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
            throw .damagedInode(node.inode, at: node.record.offset, "its size is \(node.size)")
        }
        let runs = try Ext4BlockRuns.find(node.record, self, limit: &runBudget)
        if let run = runs.first, runs.count == 1, run.first == 0, run.count == blocks {
            return (source, run.disk * blockSize)
        }
        return (PieceSource(source, size: node.size, pieces: pieces(runs)), 0)
    }

    private func pieces(_ runs: [Ext4Run]) -> [PieceSource.Piece] {
        let unit = superblock.blockSize
        return runs.map { PieceSource.Piece(start: $0.first * unit, count: $0.count * unit, place: $0.disk * unit) }
    }

    /// A symbolic link's target. (Of anything else, nothing.)
    public func target(of node: Node) throws(ImageError) -> [UInt8] {
        guard node.kind == .symlink else { return [] }
        let record = node.record
        guard record.size > 0, record.size < superblock.blockSize || record.size < 60 else {
            throw .damagedInode(node.inode, at: record.offset, "a link of \(record.size) bytes")
        }
        let target: [UInt8]
        if record.flags & Ext4Inode.Flag.inline != 0 {
            target = try record.inlineContent()
        } else if record.size < 60, !record.hasBlocks, record.flags & Ext4Inode.Flag.extents == 0 {
            target = Array(record.area.prefix(Int(record.size)))
        } else {
            var limit: UInt64 = 8
            let runs = try Ext4BlockRuns.find(record, self, limit: &limit)
            guard runs.count == 1 else {
                throw .damagedInode(node.inode, at: record.offset, "a link without its target")
            }
            target = try PieceSource(source, size: record.size, pieces: pieces(runs)).read(Int(record.size), at: 0)
        }
        guard !target.contains(0) else {
            throw .damagedInode(node.inode, at: record.offset, "a link whose target has a zero byte")
        }
        return target
    }
}
