/// An ext2, ext3 or ext4 filesystem, read from any byte source without mounting it.
///
/// The superblock is checked before libext2fs sees it, and every number is checked before it is used to find a file's
/// bytes. A damaged or hostile image therefore causes an error and nothing worse.
///
/// A volume may be used from several threads without a lock: nothing in it changes once it is open. libext2fs opens it
/// through a handle that is freed before the initializer returns. Later, only pure functions of the library are called:
/// checksums and hashes.
public final class Ext4Volume: Sendable {
    /// An inode that has been read.
    public struct Node: Sendable {
        let record: Ext4Inode
        /// See ``FileKind``.
        public let kind: FileKind
        /// Its number.
        public var inode: UInt32 { record.number }
        /// Its size in bytes.
        public var size: UInt64 { record.size }
        /// Its number of names.
        public var links: Int { Int(record.links) }
        /// Permissions, owner, and time of modification.
        public var attributes: FileAttributes {
            FileAttributes(
                permissions: record.mode, owner: record.owner, group: record.group, modified: record.modified)
        }
        /// Nanoseconds to add to the time of modification, 0 to 999,999,999.
        public var nanoseconds: UInt32 { record.nanoseconds }
        /// The time of the last read, in seconds since 1970.
        public var accessed: Int64 { record.accessed }
        /// The time of the last change of the inode, in seconds since 1970.
        public var changed: Int64 { record.changed }
    }

    /// A name in a directory.
    public struct Entry: Sendable, Hashable {
        /// The name's bytes.
        public var name: [UInt8]
        /// The inode that it leads to.
        public var inode: UInt32
    }

    /// The facts in the superblock.
    public var information: Ext4Information { superblock.information }

    let source: any ByteSource
    let superblock: Ext4Superblock
    let groups: Ext4Groups
    let checksums: Ext4Checksums

    /// Opens the filesystem that begins at the source's first byte.
    /// - Parameter verifiesChecksums: whether a wrong checksum is an error. Pass `false` only to rescue files from a
    ///   damaged filesystem.
    public init(_ source: any ByteSource, verifiesChecksums: Bool = true) throws(ImageError) {
        self.source = source
        superblock = try Ext4Superblock(source)
        groups = try Ext4Groups(source, superblock, verifiesChecksums: verifiesChecksums)
        checksums = Ext4Checksums(superblock.bytes, isOn: verifiesChecksums)
    }

    /// Opens it for a check, which reports the wrong checksums of superblock and descriptors itself.
    init(_ source: any ByteSource, _ superblock: Ext4Superblock) throws(ImageError) {
        self.source = source
        self.superblock = superblock
        groups = try Ext4Groups(source, superblock, verifiesChecksums: false)
        checksums = Ext4Checksums(superblock.bytes)
    }

    // MARK: Inodes

    /// The root directory.
    public func root() throws(ImageError) -> Node {
        let root = try node(Ext4ReservedInode.root)
        guard root.kind == .directory else {
            throw .damagedInode(root.inode, at: root.record.offset, "the top folder is no folder")
        }
        return root
    }

    /// The inode with that number.
    public func node(_ inode: UInt32) throws(ImageError) -> Node {
        let offset = try offset(of: inode)
        return try node(inode, try source.read(superblock.inodeSize, at: offset), at: offset)
    }

    /// The offset of an inode's record.
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

    /// The inode with that number, from its record.
    /// - Parameter onDamage: receives the error of a wrong checksum. If it returns, the inode is read.
    func node(
        _ inode: UInt32, _ bytes: [UInt8], at offset: UInt64,
        onDamage: (ImageError) throws(ImageError) -> Void = { (error) throws(ImageError) in throw error }
    ) throws(ImageError) -> Node {
        guard inode == Ext4ReservedInode.root || inode >= superblock.firstInode else {
            throw .damagedInode(inode, at: nil, "no name can lead to it", .ext4EntryInode)
        }
        guard let links: UInt16 = bytes.load(at: Ext4Inode.Field.links), links > 0 else {
            throw .damagedInode(inode, at: offset, "it is in use and deleted", .ext4EntryInode)
        }
        if let wrong = checksums.inode(bytes, inode) {
            try onDamage(.damagedInode(inode, at: offset, "it \(wrong.words)", .ext4InodeChecksum))
        }
        let record = try Ext4Inode(inode, (bytes, offset), superblock)
        let kind: FileKind
        switch record.fileKind {
        case Ext4Mode.directory: kind = .directory
        case Ext4Mode.file: kind = .file
        case Ext4Mode.symlink: kind = .symlink
        case Ext4Mode.fifo: kind = .fifo
        case Ext4Mode.socket: kind = .socket
        case Ext4Mode.characterDevice:
            let device = Self.device(record)
            kind = .characterDevice(major: device.major, minor: device.minor)
        case Ext4Mode.blockDevice:
            let device = Self.device(record)
            kind = .blockDevice(major: device.major, minor: device.minor)
        default: throw .damagedInode(inode, at: record.offset, "its kind is \(record.mode >> 12)", .ext4InodeKind)
        }
        return Node(record: record, kind: kind)
    }

    /// The block area holds a device number in the old form, or zero and then the new form.
    private static func device(_ record: Ext4Inode) -> (major: UInt32, minor: UInt32) {
        let old: UInt32 = record.area.load(at: 0) ?? 0, new: UInt32 = record.area.load(at: 4) ?? 0
        return old != 0 ? (old >> 8 & 0xFF, old & 0xFF) : (new >> 8 & 0xFFF, new & 0xFF | new >> 12 & 0xFFF00)
    }
}
