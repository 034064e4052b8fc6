/// What a superblock says, checked against the size of what it was read from before anything is allocated by it.
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
    static let offset: UInt64 = 1024
    static let length = 1024

    var information: Ext4Volume.Information
    var blockSize: UInt64
    var blocks: UInt64
    var firstBlock: UInt64
    var inodes: UInt32
    var inodesPerGroup: UInt32
    var firstInode: UInt32
    var inodeSize: Int
    /// The 1024 bytes themselves.
    var bytes: [UInt8]
    var descriptorSize: Int
    /// Blocks in a cluster: 1 but for `bigalloc`.
    var clusterBlocks: UInt64

    /// Whether it has a feature.
    func has(_ feature: Ext4Feature) -> Bool { feature.isSet(in: bytes) }

    /// More groups than this (128 TiB in blocks of 4 KiB) are not opened: their descriptors would fill the memory.
    static let groupLimit: UInt64 = 1 << 20

    /// Parts of files' maps: no block is in two of them.
    var mapLimit: UInt64 { blocks }

    private struct Fields {
        let bytes: [UInt8]
        func u16(_ offset: Int) -> UInt64 { UInt64(bytes.load(UInt16.self, at: offset) ?? 0) }
        func u32(_ offset: Int) -> UInt64 { UInt64(bytes.load(UInt32.self, at: offset) ?? 0) }
        func u8(_ offset: Int) -> UInt64 { UInt64(bytes.load(UInt8.self, at: offset) ?? 0) }
        func bytes(_ range: Range<Int>) -> [UInt8] { Array(bytes.dropFirst(range.lowerBound).prefix(range.count)) }
        func text(_ range: Range<Int>) -> String { String(decoding: bytes(range).prefix { $0 != 0 }, as: UTF8.self) }
    }

    init(_ source: any ByteSource) throws(ImageError) {
        func refuse(_ reason: String, _ code: ImageError.Code = .corrupt) -> ImageError {
            ImageError(
                code, "cannot open the ext2, ext3 or ext4 filesystem", offset: Self.offset, reason: reason,
                remedy: "check that the image is whole and the partition the right one")
        }
        guard source.size >= Self.offset + UInt64(Self.length) else {
            throw refuse("\(source.size) bytes are too few for one", .invalidInput)
        }
        let fields = Fields(bytes: try source.read(Self.length, at: Self.offset))
        guard fields.u16(0x38) == 0xEF53 else { throw refuse("there is no superblock", .invalidInput) }
        let logBlockSize = fields.u32(0x18)
        guard logBlockSize <= 6 else { throw refuse("the block size is 2^\(logBlockSize + 10)") }
        let blockSize: UInt64 = 1024 << logBlockSize
        let compatible = fields.u32(0x5C), incompatible = fields.u32(0x60), readOnly = fields.u32(0x64)
        let is64Bit = incompatible & 0x80 != 0
        guard incompatible & 0x8 == 0 else { throw refuse("it is a journal, not a filesystem", .invalidInput) }
        guard incompatible & 0x1 == 0 else { throw refuse("compression is not supported", .invalidInput) }

        let blocks = fields.u32(0x04) | (is64Bit ? fields.u32(0x150) << 32 : 0)
        let (bytes, overflow) = blocks.multipliedReportingOverflow(by: blockSize)
        guard blocks > 0, !overflow, bytes <= source.size else {
            throw refuse("it claims \(blocks) blocks of \(blockSize) bytes, and there are \(source.size) bytes")
        }
        let firstBlock = fields.u32(0x14)
        guard
            firstBlock == (blockSize == 1024 && readOnly & 0x200 == 0 ? 1 : 0)
                || firstBlock <= 1 && readOnly & 0x200 != 0,
            firstBlock < blocks
        else { throw refuse("its first block is \(firstBlock)") }

        let logClusterSize = fields.u32(0x1C)
        let isClustered = readOnly & 0x200 != 0
        guard isClustered ? logClusterSize >= logBlockSize && logClusterSize <= 20 : true else {
            throw refuse("the cluster size is 2^\(logClusterSize + 10)")
        }
        let blocksPerGroup = fields.u32(0x20)
        let clustersPerGroup = isClustered ? fields.u32(0x24) : blocksPerGroup
        let ratio: UInt64 = isClustered ? 1 << (logClusterSize - logBlockSize) : 1
        guard clustersPerGroup >= 8, clustersPerGroup % 8 == 0, clustersPerGroup <= blockSize * 8,
            blocksPerGroup == clustersPerGroup * ratio, blocksPerGroup >= 128
        else { throw refuse("a group has \(blocksPerGroup) blocks") }
        let groups = (blocks - firstBlock).dividedRoundingUp(by: blocksPerGroup)
        guard groups <= Self.groupLimit else { throw refuse("it claims \(groups) groups") }

        let revision = fields.u32(0x4C)
        guard revision <= 1 else { throw refuse("its revision is \(revision)", .invalidInput) }
        let inodeSize = revision == 0 ? 128 : fields.u16(0x58)
        guard inodeSize >= 128, inodeSize <= blockSize, inodeSize & (inodeSize - 1) == 0 else {
            throw refuse("an inode has \(inodeSize) bytes")
        }
        let inodes = fields.u32(0x00), inodesPerGroup = fields.u32(0x28)
        guard inodesPerGroup > 0, inodesPerGroup <= blockSize * 8, inodes == inodesPerGroup * groups else {
            throw refuse("it has \(inodes) inodes, \(inodesPerGroup) in each of \(groups) groups")
        }
        let firstInode = revision == 0 ? 11 : fields.u32(0x54)
        guard firstInode >= 11, firstInode <= inodes else { throw refuse("its first inode is \(firstInode)") }
        let descriptorSize = is64Bit ? fields.u16(0xFE) : 32
        guard is64Bit ? descriptorSize >= 64 && descriptorSize <= 1024 : true,
            descriptorSize & (descriptorSize &- 1) == 0, descriptorSize <= blockSize
        else { throw refuse("a group's descriptor has \(descriptorSize) bytes") }
        guard groups * descriptorSize < bytes, groups * inodesPerGroup * inodeSize <= bytes else {
            throw refuse("its groups' tables are larger than itself")
        }
        let reservedDescriptorBlocks = fields.u16(0xCE)
        guard reservedDescriptorBlocks <= blockSize / 4 else {
            throw refuse("it reserves \(reservedDescriptorBlocks) blocks for descriptors")
        }

        self.blockSize = blockSize
        self.blocks = blocks
        self.firstBlock = firstBlock
        self.inodes = UInt32(inodes)
        self.inodesPerGroup = UInt32(inodesPerGroup)
        self.firstInode = UInt32(firstInode)
        self.inodeSize = Int(inodeSize)
        self.bytes = fields.bytes
        self.descriptorSize = Int(descriptorSize)
        clusterBlocks = ratio
        let state = fields.u16(0x3A)
        func time(_ low: Int, _ high: Int) -> Int64 { Int64(fields.u32(low) | fields.u8(high) << 32) }
        let high: UInt64 = is64Bit ? 32 : 64
        information = Ext4Volume.Information(
            kind: Ext4FeatureNames.kind(compatible, incompatible, readOnly),
            label: fields.text(0x78..<0x88), uuid: fields.bytes(0x68..<0x78),
            features: Ext4FeatureNames.names(compatible, incompatible, readOnly),
            blockSize: blockSize, blocks: blocks,
            freeBlocks: fields.u32(0x0C) | (fields.u32(0x158) << high),
            reservedBlocks: fields.u32(0x08) | (fields.u32(0x154) << high),
            inodes: inodes, freeInodes: fields.u32(0x10), inodeSize: inodeSize, groups: groups,
            blocksPerGroup: blocksPerGroup, inodesPerGroup: inodesPerGroup,
            reservedDescriptorBlocks: reservedDescriptorBlocks,
            isClean: state & 1 != 0 && state & 2 == 0, hasErrors: state & 2 != 0,
            needsRecovery: incompatible & 0x4 != 0,
            made: time(0x108, 0x276), written: time(0x30, 0x274), mounted: time(0x2C, 0x275),
            checked: time(0x40, 0x277), mounts: fields.u16(0x34), lastMounted: fields.text(0x88..<0xC8))
    }
}

/// A feature that the code asks for.
struct Ext4Feature: Sendable {
    /// Which of the three words in the superblock, and the bit.
    let place: Int, mask: UInt32

    static let journal = Ext4Feature(place: 0x5C, mask: 0x4), resizeInode = Ext4Feature(place: 0x5C, mask: 0x10)
    static let directoryIndex = Ext4Feature(place: 0x5C, mask: 0x20)
    static let orphanFile = Ext4Feature(place: 0x5C, mask: 0x1000)
    static let fileTypes = Ext4Feature(place: 0x60, mask: 0x2), metaGroups = Ext4Feature(place: 0x60, mask: 0x10)
    static let is64Bit = Ext4Feature(place: 0x60, mask: 0x80), mountProtection = Ext4Feature(place: 0x60, mask: 0x100)
    static let attributeInodes = Ext4Feature(place: 0x60, mask: 0x400)
    static let extents = Ext4Feature(place: 0x60, mask: 0x40), inlineData = Ext4Feature(place: 0x60, mask: 0x8000)
    static let checksumSeed = Ext4Feature(place: 0x60, mask: 0x2000)
    static let largeDirectories = Ext4Feature(place: 0x60, mask: 0x4000)
    static let encryption = Ext4Feature(place: 0x60, mask: 0x1_0000)
    static let hugeFiles = Ext4Feature(place: 0x64, mask: 0x8), groupChecksums = Ext4Feature(place: 0x64, mask: 0x10)
    static let manyLinks = Ext4Feature(place: 0x64, mask: 0x20), quota = Ext4Feature(place: 0x64, mask: 0x100)
    static let clusters = Ext4Feature(place: 0x64, mask: 0x200)
    static let metadataChecksums = Ext4Feature(place: 0x64, mask: 0x400)
    static let projects = Ext4Feature(place: 0x64, mask: 0x2000)
    static let sharedBlocks = Ext4Feature(place: 0x64, mask: 0x4000)
    static let orphans = Ext4Feature(place: 0x64, mask: 0x1_0000)

    func isSet(in superblock: [UInt8]) -> Bool { (superblock.load(UInt32.self, at: place) ?? 0) & mask != 0 }
}

/// What e2fsprogs calls the features.
enum Ext4FeatureNames {
    private static let compatible = [
        0: "dir_prealloc", 1: "imagic_inodes", 2: "has_journal", 3: "ext_attr", 4: "resize_inode", 5: "dir_index",
        6: "lazy_bg", 8: "snapshot_bitmap", 9: "sparse_super2", 10: "fast_commit", 11: "stable_inodes",
        12: "orphan_file",
    ]
    private static let incompatible = [
        0: "compression", 1: "filetype", 2: "needs_recovery", 3: "journal_dev", 4: "meta_bg", 6: "extent", 7: "64bit",
        8: "mmp", 9: "flex_bg", 10: "ea_inode", 12: "dirdata", 13: "metadata_csum_seed", 14: "large_dir",
        15: "inline_data", 16: "encrypt", 17: "casefold",
    ]
    private static let readOnly = [
        0: "sparse_super", 1: "large_file", 3: "huge_file", 4: "uninit_bg", 5: "dir_nlink", 6: "extra_isize",
        7: "snapshot", 8: "quota", 9: "bigalloc", 10: "metadata_csum", 11: "replica", 12: "read-only", 13: "project",
        14: "shared_blocks", 15: "verity", 16: "orphan_present",
    ]

    /// The names of all features that are set, in the order of their bits; those without a name by their number.
    static func names(_ compatible: UInt64, _ incompatible: UInt64, _ readOnly: UInt64) -> [String] {
        func names(_ bits: UInt64, _ table: [Int: String], _ word: String) -> [String] {
            (0..<32).filter { bits >> UInt64($0) & 1 == 1 }.map { table[$0] ?? "FEATURE_\(word)\($0)" }
        }
        return names(compatible, Self.compatible, "C") + names(incompatible, Self.incompatible, "I")
            + names(readOnly, Self.readOnly, "R")
    }

    /// ext2 has no journal, ext3 has, and ext4 has what neither knows.
    static func kind(_ compatible: UInt64, _ incompatible: UInt64, _ readOnly: UInt64) -> String {
        if incompatible & ~0x16 != 0 || readOnly & ~0x7 != 0 { return "ext4" }
        return compatible & 0x4 != 0 ? "ext3" : "ext2"
    }
}
