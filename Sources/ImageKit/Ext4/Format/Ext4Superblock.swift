/// A superblock, checked against the size of its source before anything is allocated by its numbers.
///
/// ```
///   at byte 1024:  00 inodes | 04 blocks | 08 reserved | 0C free blocks | 10 free inodes | 14 first block
///                  18 log block size − 10 | 1C log cluster size − 10 | 20 blocks, 24 clusters, 28 inodes a group
///                  2C mounted | 30 written | 34 mounts | 38 magic EF53 | 3A state | 40 checked | 4C revision
///                  54 first inode | 58 inode size | 5C, 60, 64 features | 68 UUID | 78 label | 88 last mounted
///                  FE descriptor size | 108 made | 150, 154, 158 high halves of blocks, reserved, free | 274… of times
/// ```
///
/// Source: the kernel's documentation of ext4, "Super Block".
struct Ext4Superblock: Sendable {
    /// The byte of the filesystem at which it begins.
    static let offset: UInt64 = 1024
    /// Its length in bytes.
    static let length = 1024
    static let magic: UInt16 = 0xEF53
    static let uuidLength = 16
    /// The only type of checksum: CRC32c.
    static let crc32cType: UInt8 = 1

    /// The offsets of the fields.
    enum Field {
        static let inodes = 0x00
        static let blocks = 0x04
        static let reservedBlocks = 0x08
        static let freeBlocks = 0x0C
        static let freeInodes = 0x10
        static let firstBlock = 0x14
        static let logBlockSize = 0x18
        static let logClusterSize = 0x1C
        static let blocksPerGroup = 0x20
        static let clustersPerGroup = 0x24
        static let inodesPerGroup = 0x28
        static let mountTime = 0x2C
        static let writeTime = 0x30
        static let mounts = 0x34
        static let magic = 0x38
        static let state = 0x3A
        static let checkTime = 0x40
        static let revision = 0x4C
        static let firstInode = 0x54
        static let inodeSize = 0x58
        /// The group that holds this copy.
        static let group = 0x5A
        static let compatible = 0x5C
        static let incompatible = 0x60
        static let readOnlyCompatible = 0x64
        static let uuid = 0x68
        static let label = 0x78
        static let lastMounted = 0x88
        static let reservedDescriptorBlocks = 0xCE
        static let journalInode = 0xE0
        /// The first inode of the list of files that were deleted while open.
        static let orphanList = 0xE8
        static let hashSeed = 0xEC
        static let descriptorSize = 0xFE
        /// The first block of descriptors that is kept in its own group (feature `meta_bg`).
        static let firstMetaGroup = 0x104
        static let makeTime = 0x108
        static let blocksHigh = 0x150
        static let reservedBlocksHigh = 0x154
        static let freeBlocksHigh = 0x158
        static let flags = 0x160
        static let mountProtectionBlock = 0x168
        static let checksumType = 0x175
        static let projectQuotaInode = 0x26C
        static let checksumSeed = 0x270
        static let writeTimeHigh = 0x274
        static let mountTimeHigh = 0x275
        static let makeTimeHigh = 0x276
        static let checkTimeHigh = 0x277
        /// The high bytes of all times, those of errors included.
        static let timesHigh = 0x274..<0x27A
        static let orphanFileInode = 0x280
        static let checksum = 0x3FC

        static let labelLength = 16
        static let lastMountedLength = 64
        static let hashSeedLength = 16
    }

    /// Bits of the state.
    enum State {
        static let clean: UInt64 = 1, errors: UInt64 = 2
    }

    /// The flag that directory hashes take a name's bytes as unsigned.
    static let unsignedHashFlag: UInt32 = 0x2

    let information: Ext4Information
    /// Bytes in a block.
    let blockSize: UInt64
    let blocks: UInt64
    let firstBlock: UInt64
    let inodes: UInt32
    let inodesPerGroup: UInt32
    /// The first inode that is not reserved.
    let firstInode: UInt32
    /// Bytes in an inode record.
    let inodeSize: Int
    /// The 1024 bytes themselves.
    let bytes: [UInt8]
    /// Bytes in a group descriptor.
    let descriptorSize: Int
    /// Blocks in a cluster: 1 without `bigalloc`.
    let clusterBlocks: UInt64

    /// Whether it has a feature.
    func has(_ feature: Ext4Feature) -> Bool { feature.isSet(in: bytes) }

    /// A filesystem with more groups (128 TiB in blocks of 4 KiB) is refused: its descriptors would fill the memory.
    static let maximumGroups: UInt64 = 1 << 20

    /// How many extents all files can have together, as no block is in two of them.
    var maximumExtents: UInt64 { blocks }

    /// The first block of descriptors that is kept in its own group; `nil` without `meta_bg`.
    var firstMetaGroup: UInt32? { has(.metaGroups) ? bytes.load(at: Field.firstMetaGroup) ?? 0 : nil }

    /// Reads the superblock and checks it.
    ///
    /// Throws `invalidInput` if there is none or it is of a kind that cannot be read, and `corrupt` if its numbers
    /// contradict each other or the size of the source.
    init(_ source: any ByteSource) throws(ImageError) {
        guard source.size >= Self.offset + UInt64(Self.length) else {
            throw Self.refusal("\(source.size) bytes are too few for one", .invalidInput)
        }
        let fields = Fields(bytes: try source.read(Self.length, at: Self.offset))
        guard fields.u16(Field.magic) == UInt64(Self.magic) else {
            throw Self.refusal("there is no superblock", .invalidInput)
        }
        let blockSize = try Self.blockSize(fields)
        try Self.checkFeatures(fields)
        let blocks = try Self.blocks(fields, blockSize: blockSize, sourceSize: source.size)
        let firstBlock = try Self.firstBlock(fields, blockSize: blockSize, blocks: blocks)
        let clusterBlocks = try Self.clusterBlocks(fields, blockSize: blockSize)
        let groups = (blocks - firstBlock).dividedRoundingUp(by: fields.u32(Field.blocksPerGroup))
        guard groups <= Self.maximumGroups else { throw Self.refusal("it claims \(groups) groups") }
        let inodeSize = try Self.inodeSize(fields, blockSize: blockSize)
        let firstInode = try Self.firstInode(fields, blockSize: blockSize, groups: groups)
        let descriptorSize = try Self.descriptorSize(fields, blockSize: blockSize)
        guard groups * descriptorSize < blocks * blockSize,
            groups * fields.u32(Field.inodesPerGroup) * inodeSize <= blocks * blockSize
        else { throw Self.refusal("its groups' tables are larger than itself") }
        let reservedDescriptorBlocks = fields.u16(Field.reservedDescriptorBlocks)
        guard reservedDescriptorBlocks <= blockSize / 4 else {
            throw Self.refusal("it reserves \(reservedDescriptorBlocks) blocks for descriptors")
        }

        bytes = fields.bytes
        self.blockSize = blockSize
        self.blocks = blocks
        self.firstBlock = firstBlock
        self.clusterBlocks = clusterBlocks
        self.inodeSize = Int(inodeSize)
        self.firstInode = UInt32(firstInode)
        self.descriptorSize = Int(descriptorSize)
        inodes = UInt32(fields.u32(Field.inodes))
        inodesPerGroup = UInt32(fields.u32(Field.inodesPerGroup))
        information = fields.information(
            blockSize: blockSize, blocks: blocks, inodeSize: inodeSize, groups: groups)
    }

    // MARK: Checks

    private static func refusal(_ reason: String, _ code: ImageError.Code = .corrupt) -> ImageError {
        ImageError(
            code, "cannot open the ext2, ext3 or ext4 filesystem", offset: offset, reason: reason,
            remedy: "check that the image is whole and the partition the right one")
    }

    private static func blockSize(_ fields: Fields) throws(ImageError) -> UInt64 {
        let logarithm = fields.u32(Field.logBlockSize)
        guard logarithm <= 6 else { throw refusal("the block size is 2^\(logarithm + 10)") }
        return 1024 << logarithm
    }

    private static func checkFeatures(_ fields: Fields) throws(ImageError) {
        guard !fields.has(.journalDevice) else { throw refusal("it is a journal, not a filesystem", .invalidInput) }
        guard !fields.has(.compression) else { throw refusal("compression is not supported", .invalidInput) }
    }

    private static func blocks(
        _ fields: Fields, blockSize: UInt64, sourceSize: UInt64
    ) throws(ImageError) -> UInt64 {
        let blocks = fields.u32(Field.blocks) | (fields.has(.is64Bit) ? fields.u32(Field.blocksHigh) << 32 : 0)
        let (bytes, overflow) = blocks.multipliedReportingOverflow(by: blockSize)
        guard blocks > 0, !overflow, bytes <= sourceSize else {
            throw refusal("it claims \(blocks) blocks of \(blockSize) bytes, and there are \(sourceSize) bytes")
        }
        return blocks
    }

    /// With blocks of 1 KiB the superblock is in block 1, and block 0 (for a boot loader) belongs to no group.
    private static func firstBlock(
        _ fields: Fields, blockSize: UInt64, blocks: UInt64
    ) throws(ImageError) -> UInt64 {
        let first = fields.u32(Field.firstBlock)
        let isClustered = fields.has(.clusters)
        guard
            first == (blockSize == 1024 && !isClustered ? 1 : 0) || first <= 1 && isClustered, first < blocks
        else { throw refusal("its first block is \(first)") }
        return first
    }

    /// Blocks in a cluster. Checks the size of a group as well.
    private static func clusterBlocks(_ fields: Fields, blockSize: UInt64) throws(ImageError) -> UInt64 {
        let logBlockSize = fields.u32(Field.logBlockSize), logClusterSize = fields.u32(Field.logClusterSize)
        let isClustered = fields.has(.clusters)
        guard isClustered ? logClusterSize >= logBlockSize && logClusterSize <= 20 : true else {
            throw refusal("the cluster size is 2^\(logClusterSize + 10)")
        }
        let blocksPerGroup = fields.u32(Field.blocksPerGroup)
        let clustersPerGroup = isClustered ? fields.u32(Field.clustersPerGroup) : blocksPerGroup
        let ratio: UInt64 = isClustered ? 1 << (logClusterSize - logBlockSize) : 1
        guard clustersPerGroup >= 8, clustersPerGroup % 8 == 0, clustersPerGroup <= blockSize * 8,
            blocksPerGroup == clustersPerGroup * ratio, blocksPerGroup >= 128
        else { throw refusal("a group has \(blocksPerGroup) blocks") }
        return ratio
    }

    private static func inodeSize(_ fields: Fields, blockSize: UInt64) throws(ImageError) -> UInt64 {
        let revision = fields.u32(Field.revision)
        guard revision <= 1 else { throw refusal("its revision is \(revision)", .invalidInput) }
        let size = revision == 0 ? UInt64(Ext4Inode.minimumSize) : fields.u16(Field.inodeSize)
        guard size >= Ext4Inode.minimumSize, size <= blockSize, size & (size - 1) == 0 else {
            throw refusal("an inode has \(size) bytes")
        }
        return size
    }

    /// The first inode that is not reserved. Checks the number of inodes as well.
    private static func firstInode(_ fields: Fields, blockSize: UInt64, groups: UInt64) throws(ImageError) -> UInt64 {
        let inodes = fields.u32(Field.inodes), perGroup = fields.u32(Field.inodesPerGroup)
        guard perGroup > 0, perGroup <= blockSize * 8, inodes == perGroup * groups else {
            throw refusal("it has \(inodes) inodes, \(perGroup) in each of \(groups) groups")
        }
        let minimum = UInt64(Ext4ReservedInode.firstUnreserved)
        let first = fields.u32(Field.revision) == 0 ? minimum : fields.u32(Field.firstInode)
        guard first >= minimum, first <= inodes else { throw refusal("its first inode is \(first)") }
        return first
    }

    private static func descriptorSize(_ fields: Fields, blockSize: UInt64) throws(ImageError) -> UInt64 {
        let is64Bit = fields.has(.is64Bit)
        let size = is64Bit ? fields.u16(Field.descriptorSize) : UInt64(Ext4GroupDescriptor.shortSize)
        guard is64Bit ? size >= Ext4GroupDescriptor.longSize && size <= 1024 : true, size & (size &- 1) == 0,
            size <= blockSize
        else { throw refusal("a group's descriptor has \(size) bytes") }
        return size
    }
}

/// The superblock's bytes, read field by field.
private struct Fields {
    typealias Field = Ext4Superblock.Field

    let bytes: [UInt8]

    func u16(_ offset: Int) -> UInt64 { UInt64(bytes.load(UInt16.self, at: offset) ?? 0) }
    func u32(_ offset: Int) -> UInt64 { UInt64(bytes.load(UInt32.self, at: offset) ?? 0) }
    func has(_ feature: Ext4Feature) -> Bool { feature.isSet(in: bytes) }

    private func u8(_ offset: Int) -> UInt64 { UInt64(bytes.load(UInt8.self, at: offset) ?? 0) }
    private func bytes(_ offset: Int, _ count: Int) -> [UInt8] { Array(bytes.dropFirst(offset).prefix(count)) }
    private func text(_ offset: Int, _ count: Int) -> String {
        String(decoding: bytes(offset, count).prefix { $0 != 0 }, as: UTF8.self)
    }
    private func time(_ low: Int, _ high: Int) -> Int64 { Int64(u32(low) | u8(high) << 32) }

    func information(
        blockSize: UInt64, blocks: UInt64, inodeSize: UInt64, groups: UInt64
    ) -> Ext4Information {
        let compatible = u32(Field.compatible), incompatible = u32(Field.incompatible)
        let readOnly = u32(Field.readOnlyCompatible)
        let state = u16(Field.state)
        // A shift by 64 leaves nothing of the high half.
        let high: UInt64 = has(.is64Bit) ? 32 : 64
        return Ext4Information(
            kind: Ext4FeatureNames.kind(compatible, incompatible, readOnly),
            label: text(Field.label, Field.labelLength),
            uuid: GUID(bytes: bytes(Field.uuid, Ext4Superblock.uuidLength)) ?? .zero,
            features: Ext4FeatureNames.names(compatible, incompatible, readOnly),
            blockSize: blockSize, blocks: blocks,
            freeBlocks: u32(Field.freeBlocks) | (u32(Field.freeBlocksHigh) << high),
            reservedBlocks: u32(Field.reservedBlocks) | (u32(Field.reservedBlocksHigh) << high),
            inodes: u32(Field.inodes), freeInodes: u32(Field.freeInodes), inodeSize: inodeSize, groups: groups,
            blocksPerGroup: u32(Field.blocksPerGroup), inodesPerGroup: u32(Field.inodesPerGroup),
            reservedDescriptorBlocks: u16(Field.reservedDescriptorBlocks),
            isClean: state & Ext4Superblock.State.clean != 0 && state & Ext4Superblock.State.errors == 0,
            hasErrors: state & Ext4Superblock.State.errors != 0, needsRecovery: has(.needsRecovery),
            made: time(Field.makeTime, Field.makeTimeHigh), written: time(Field.writeTime, Field.writeTimeHigh),
            mounted: time(Field.mountTime, Field.mountTimeHigh), checked: time(Field.checkTime, Field.checkTimeHigh),
            mounts: u16(Field.mounts), lastMounted: text(Field.lastMounted, Field.lastMountedLength))
    }
}
