/// The locations of an ext4 filesystem's own structures: block groups, superblocks, descriptors, bitmaps and inode
/// tables.
///
/// ```
///   group 0                         1                    2 …      15   16
///   ├sb┬gdt┬reserved gdt┬bitmaps of 0–15┬inode tables of 0–15┬ …    ├ …  ┤├bitmaps of 16–31┬ …
///                                       ├sb┬gdt┬reserved┬ … (backups in groups 1 and the powers of 3, 5 and 7)
/// ```
///
/// Sixteen groups (a flex group, 2 GiB) have their bitmaps and tables together at their beginning.
///
/// Source: the kernel's documentation of ext4, "Layout", "Block Groups", "Flexible Block Groups".
struct Ext4Geometry: Sendable, Hashable {
    static let blockSize: UInt64 = 4096
    static let blocksPerGroup: UInt64 = 32_768
    static let inodeSize: UInt64 = 256
    static let inodesPerBlock: UInt64 = blockSize / inodeSize
    static let groupsPerFlex = 16
    static let logGroupsPerFlex: UInt8 = 4
    static let descriptorSize: UInt64 = 64
    /// An inode for every 16 KiB. Groups that are added when the card grows get as many.
    static let minimumInodesPerGroup: UInt64 = 8192
    static let maximumInodesPerGroup: UInt64 = 32_768
    /// The groups of 2 TiB, the most that MBR can address.
    private static let maximumGroups: UInt64 = 1 << 14
    /// libext2fs drops a last group that has fewer blocks than this beyond its own structures.
    private static let minimumUsefulBlocks: UInt64 = 50
    /// The descriptor blocks of 2 TiB. They are reserved, so that a card of that size needs no other descriptor layout.
    private static let growthDescriptorBlocks: UInt64 =
        (2 << 40) / (blocksPerGroup * blockSize) * descriptorSize / blockSize

    /// Blocks of the filesystem.
    let blocks: UInt64
    /// Inodes in each group.
    let inodesPerGroup: UInt64

    var groups: Int { Int(blocks.dividedRoundingUp(by: Self.blocksPerGroup)) }
    var inodes: UInt64 { inodesPerGroup * UInt64(groups) }
    var inodeTableBlocks: UInt64 { inodesPerGroup / Self.inodesPerBlock }
    var descriptorBlocks: UInt64 { Self.descriptorBlocks(groups: groups) }
    var reservedDescriptorBlocks: UInt64 { Self.reservedDescriptorBlocks(groups: groups) }

    static func descriptorBlocks(groups: Int) -> UInt64 {
        (UInt64(groups) * descriptorSize).dividedRoundingUp(by: blockSize)
    }

    static func reservedDescriptorBlocks(groups: Int) -> UInt64 {
        let used = descriptorBlocks(groups: groups)
        return used < growthDescriptorBlocks ? growthDescriptorBlocks - used : min(1024, used)
    }

    /// Whether a group begins with a copy of the superblock and the descriptors (feature `sparse_super`).
    static func hasSuperblock(group: Int) -> Bool {
        if group <= 1 { return true }
        for base in [3, 5, 7] {
            var power = base
            while power < group { power *= base }
            if power == group { return true }
        }
        return false
    }

    /// The blocks of a group with the superblock, the descriptors and the space for more of them.
    private static func headBlocks(groups: Int) -> UInt64 {
        1 + descriptorBlocks(groups: groups) + reservedDescriptorBlocks(groups: groups)
    }

    func headRange(group: Int) -> Range<UInt64>? {
        guard Self.hasSuperblock(group: group) else { return nil }
        let start = UInt64(group) * Self.blocksPerGroup
        return start..<start + Self.headBlocks(groups: groups)
    }

    /// The blocks of all groups' own structures.
    private static func overhead(groups: Int, inodesPerGroup: UInt64) -> UInt64 {
        let heads = UInt64((0..<groups).count { hasSuperblock(group: $0) }) * headBlocks(groups: groups)
        return heads + UInt64(groups) * (2 + inodesPerGroup / inodesPerBlock)
    }

    private static func minimumBlocksOfLastGroup(groups: Int, inodesPerGroup: UInt64) -> UInt64 {
        let head = hasSuperblock(group: groups - 1) ? headBlocks(groups: groups) : 0
        return min(blocksPerGroup, head + 2 + inodesPerGroup / inodesPerBlock + minimumUsefulBlocks)
    }

    private static func inodesPerGroup(_ inodes: UInt64, groups: Int) -> UInt64 {
        max(minimumInodesPerGroup, inodes.dividedRoundingUp(by: UInt64(groups)).roundedUp(to: inodesPerBlock))
    }

    /// The smallest geometry with `inodes` inodes and `content` blocks beside the groups' own structures. libext2fs
    /// keeps its last group.
    static func smallest(content: UInt64, inodes: UInt64) throws(ImageError) -> Ext4Geometry {
        // Each group adds blocks and inodes, so the search ends.
        var groups = max(1, Int(clamping: content / blocksPerGroup))
        while groups <= maximumGroups {
            let perGroup = inodesPerGroup(inodes, groups: groups)
            if perGroup <= maximumInodesPerGroup {
                let needed = content + overhead(groups: groups, inodesPerGroup: perGroup)
                if needed <= UInt64(groups) * blocksPerGroup {
                    let minimum =
                        UInt64(groups - 1) * blocksPerGroup
                        + minimumBlocksOfLastGroup(groups: groups, inodesPerGroup: perGroup)
                    return Ext4Geometry(blocks: max(needed, minimum), inodesPerGroup: perGroup)
                }
            }
            groups += 1
        }
        throw ImageError(
            .doesNotFit, "the root filesystem would be larger than 2 TiB",
            reason: "it needs \(ByteSize.format(content.multipliedClamping(by: blockSize)))",
            remedy: "MBR cannot address more: leave something out")
    }

    /// The geometry of a filesystem of a given size in bytes, without a last group that libext2fs would drop.
    /// - Returns: `nil` if the groups' own structures and that many inodes do not fit.
    static func fixed(size: UInt64, inodes: UInt64) throws(ImageError) -> Ext4Geometry? {
        var blocks = size / blockSize
        guard blocks <= maximumGroups * blocksPerGroup else {
            throw ImageError(
                .doesNotFit, "a root partition of \(ByteSize.format(size)) is larger than 2 TiB",
                remedy: "MBR cannot address more: choose another \(.rootSize), or leave it out")
        }
        while blocks > 0 {
            let groups = Int(blocks.dividedRoundingUp(by: blocksPerGroup))
            let perGroup = inodesPerGroup(inodes, groups: groups)
            let inLast = blocks - UInt64(groups - 1) * blocksPerGroup
            if inLast < minimumBlocksOfLastGroup(groups: groups, inodesPerGroup: min(perGroup, maximumInodesPerGroup)) {
                blocks -= inLast
                continue
            }
            guard perGroup <= maximumInodesPerGroup else { break }
            return Ext4Geometry(blocks: blocks, inodesPerGroup: perGroup)
        }
        return nil
    }

    /// Blocks beside the groups' own structures.
    var contentBlocks: UInt64 {
        let overhead = Self.overhead(groups: groups, inodesPerGroup: inodesPerGroup)
        return blocks > overhead ? blocks - overhead : 0
    }

    /// The first blocks of a group's bitmaps and inode table.
    struct GroupLocations: Sendable, Hashable {
        var blockBitmap: UInt64
        var inodeBitmap: UInt64
        var inodeTable: UInt64
    }

    /// Chooses the locations of every group's bitmaps and table.
    /// - Returns: the locations, and the blocks of all structures in ascending order, joined.
    func groupLocations() -> (groups: [GroupLocations], taken: [Range<UInt64>]) {
        let heads = (0..<groups).compactMap { headRange(group: $0) }
        var locations = [GroupLocations](
            repeating: GroupLocations(blockBitmap: 0, inodeBitmap: 0, inodeTable: 0), count: groups)
        var taken = heads
        var nextHead = 0
        var cursor: UInt64 = 0

        /// The next `count` consecutive blocks without a head.
        func allocate(_ count: UInt64) -> UInt64 {
            while nextHead < heads.count, heads[nextHead].lowerBound < cursor + count {
                cursor = max(cursor, heads[nextHead].upperBound)
                nextHead += 1
            }
            taken.append(cursor..<cursor + count)
            cursor += count
            return cursor - count
        }

        for first in stride(from: 0, to: groups, by: Self.groupsPerFlex) {
            let flex = first..<min(first + Self.groupsPerFlex, groups)
            cursor = max(cursor, UInt64(first) * Self.blocksPerGroup)
            for group in flex { locations[group].blockBitmap = allocate(1) }
            for group in flex { locations[group].inodeBitmap = allocate(1) }
            for group in flex { locations[group].inodeTable = allocate(inodeTableBlocks) }
        }
        return (locations, taken.joinedRanges())
    }

    /// The journal's blocks for a filesystem of that many, as mke2fs chooses them: 64 MiB from 1 GiB on, 16 MiB below.
    static func journalBlocks(for blocks: UInt64) -> UInt64 { blocks >= 1 << 18 ? 16_384 : 4096 }
}
