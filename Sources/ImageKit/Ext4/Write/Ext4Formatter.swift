import CExt2FS

/// Lays a tree out as an ext4 filesystem of exact size. Every structure is planned before the first byte is written.
///
/// ```
///   groups' structures │ journal │ directories │ files and long links, unit by unit │ extent trees │ free
/// ```
public enum Ext4Formatter {
    /// A filesystem that is laid out.
    public struct Layout: Sendable {
        /// The filesystem's blocks and the sources of their bytes.
        public var map: SegmentMap
        /// Figures of the filesystem, for people and tests.
        public var summary: Summary
    }

    /// Figures of a filesystem. Blocks have 4 KiB.
    public struct Summary: Sendable, Hashable {
        /// All blocks, those that are free (the reserved ones included), and those reserved for root.
        public var blocks: UInt64, freeBlocks: UInt64, reservedBlocks: UInt64
        /// All inodes, and the free ones.
        public var inodes: UInt64, freeInodes: UInt64
        /// Blocks of files and long links, of directories, of extent trees, and of the journal.
        public var dataBlocks: UInt64, directoryBlocks: UInt64, extentBlocks: UInt64, journalBlocks: UInt64
        /// Block groups.
        public var groups: Int
    }

    /// The minimum number of free inodes.
    static let minimumFreeInodes: UInt64 = 4096

    /// The kernel reserves a fiftieth of the blocks for itself, at most 4,096, so that delayed allocation never fails.
    /// (Source: the kernel's documentation of ext4, `reserved_clusters` in sysfs.)
    private static let kernelShare: UInt64 = 50, maximumKernelBlocks: UInt64 = 4096

    /// Lays out `tree`. Files are not read, except for the search for holes in those of 1 MiB and more.
    ///
    /// Throws `doesNotFit` if the tree does not fit the size in the options, 2 TiB or the format, `invalidInput` if no
    /// filesystem can hold the tree, and errors of the files' sources.
    /// - Parameter hints: the order of the data, which may make the image compress better.
    public static func layOut(
        _ tree: FileTree, _ options: Ext4Options, hints: LayoutHints = LayoutHints(), progress: Progress? = nil
    ) throws(ImageError) -> Layout {
        let hash = DirectoryHash(seed: options.uuid.bytes)
        let plan = try Ext4Plan(tree, hints, hash: hash, progress: progress)
        let (geometry, journal, reserved) = try size(plan, options)
        var writer = try Ext4Writer(plan, geometry, hash: hash, options: options, reservedBlocks: reserved)
        return try writer.layOut(journalBlocks: journal, progress: progress)
    }

    /// The filesystem's geometry, the blocks of its journal, and its blocks reserved for root.
    private static func size(
        _ plan: Ext4Plan, _ options: Ext4Options
    ) throws(ImageError) -> (Ext4Geometry, journal: UInt64, reserved: UInt64) {
        // Adding to the slack first could overflow.
        let slack = options.slack / Ext4Geometry.blockSize + (options.slack % Ext4Geometry.blockSize == 0 ? 0 : 1)
        let inodes = UInt64(plan.lastInode) + max(minimumFreeInodes, options.slack / (16 << 10))
        // The resize inode owns one block.
        let content = plan.directoryBlocks + plan.dataBlocks + plan.extentBlocks + 1

        /// The blocks of a filesystem that users other than root cannot have.
        func shares(of blocks: UInt64) -> (reserved: UInt64, withKernels: UInt64) {
            let reserved = blocks * UInt64(options.reservedPercent) / 100
            return (reserved, reserved + min(blocks / kernelShare, maximumKernelBlocks))
        }

        /// The smallest geometry. The reserved blocks are a share of the result, so the search begins below it.
        func smallest(journal: UInt64) throws(ImageError) -> (Ext4Geometry, reserved: UInt64) {
            var withheld: UInt64 = 0
            while true {
                let geometry = try Ext4Geometry.smallest(content: content + journal + slack + withheld, inodes: inodes)
                let (reserved, share) = shares(of: geometry.blocks)
                if share <= withheld { return (geometry, reserved) }
                withheld = share
            }
        }

        /// The smallest one, with the journal for its size.
        func smallest() throws(ImageError) -> (Ext4Geometry, journal: UInt64, reserved: UInt64) {
            let small = Ext4Geometry.journalBlocks(for: 0)
            let (geometry, reserved) = try smallest(journal: small)
            let journal = Ext4Geometry.journalBlocks(for: geometry.blocks)
            if journal == small { return (geometry, journal, reserved) }
            let (larger, largerReserve) = try smallest(journal: journal)
            return (larger, journal, largerReserve)
        }

        guard let size = options.size else { return try smallest() }
        if let geometry = try Ext4Geometry.fixed(size: size, inodes: inodes) {
            let journal = Ext4Geometry.journalBlocks(for: geometry.blocks)
            let (reserved, withheld) = shares(of: geometry.blocks)
            if content + journal + slack + withheld <= geometry.contentBlocks { return (geometry, journal, reserved) }
        }
        // Adding the missing blocks is not enough: a larger filesystem has larger structures of its own.
        var minimum = try smallest().0.blocks * Ext4Geometry.blockSize
        if minimum <= size {
            // It would fit below 1 GiB, where the journal is smaller.
            minimum = try smallest(journal: Ext4Geometry.journalBlocks(for: .max)).0.blocks * Ext4Geometry.blockSize
        }
        throw ImageError(
            .doesNotFit,
            "a root partition of \(ByteSize.format(size)) is "
                + "\(ByteSize.format(minimum - min(minimum, size))) too small",
            reason: "the files, the filesystem's own structures and a slack of "
                + "\(ByteSize.format(options.slack)) have to fit",
            remedy: "raise \(.rootSize) to \(minimum / 1024)K, lower \(.rootSlack), or leave \(.rootSize) out")
    }
}
