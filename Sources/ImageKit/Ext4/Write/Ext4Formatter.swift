import CExt2FS

/// Lays a tree out as an ext4 filesystem: exactly sized, every structure decided before the first byte is written.
///
/// ```
///   groups' structures │ journal │ directories │ files and long links, unit by unit │ extent trees │ free
/// ```
public enum Ext4Formatter {
    /// What came out.
    public struct Layout: Sendable {
        /// The filesystem's blocks and where their bytes come from.
        public var map: SegmentMap
        /// Figures of the filesystem, for people and tests.
        public var summary: Summary
    }

    /// Figures of a filesystem. Blocks are of 4 KiB.
    public struct Summary: Sendable, Hashable {
        /// Blocks of the filesystem, and how many of them are free or reserved for root.
        public var blocks: UInt64, freeBlocks: UInt64, reservedBlocks: UInt64
        /// Inodes of the filesystem, and how many of them are free.
        public var inodes: UInt64, freeInodes: UInt64
        /// Blocks that hold files and long links, directories, extent trees, the journal.
        public var dataBlocks: UInt64, directoryBlocks: UInt64, extentBlocks: UInt64, journalBlocks: UInt64
        /// Block groups.
        public var groups: Int
    }

    /// Inodes that are left free at least.
    static let leastFreeInodes: UInt64 = 4096

    /// The kernel keeps a fiftieth of the blocks to itself, at most 4,096, so that delayed allocation never fails. (Source:
    /// the kernel's documentation of ext4, `reserved_clusters` in sysfs.)
    private static let kernelShare: UInt64 = 50, kernelMaximum: UInt64 = 4096

    /// Lays out `tree`. Files are not read, but for looking for holes in those of 1 MiB and more.
    public static func layOut(
        _ tree: FileTree, _ options: Ext4Options, progress: Progress? = nil
    ) throws(ImageError) -> Layout {
        let hash = DirectoryHash(seed: options.uuid)
        let plan = try Ext4Plan(tree, hash: hash, progress: progress)
        let (geometry, journal, reserved) = try size(plan, options)
        var writer = try Ext4Writer(plan, geometry, hash: hash, options: options, reservedBlocks: reserved)
        return try writer.layOut(journalBlocks: journal, progress: progress)
    }

    /// The filesystem's geometry, its journal's blocks, and its blocks reserved for root.
    private static func size(
        _ plan: Ext4Plan, _ options: Ext4Options
    ) throws(ImageError) -> (Ext4Geometry, journal: UInt64, reserved: UInt64) {
        // Not rounded up by adding to it first: it may be as large as numbers are.
        let slack = options.slack / Ext4Geometry.blockSize + (options.slack % Ext4Geometry.blockSize == 0 ? 0 : 1)
        let inodes = UInt64(plan.lastInode) + max(leastFreeInodes, options.slack / (16 << 10))
        // The resize inode has one block of its own.
        let content = plan.directoryBlocks + plan.dataBlocks + plan.extentBlocks + 1

        /// What users other than root cannot have of that many blocks.
        func shares(of blocks: UInt64) -> (reserved: UInt64, withKernels: UInt64) {
            let reserved = blocks * UInt64(options.reservedPercent) / 100
            return (reserved, reserved + min(blocks / kernelShare, kernelMaximum))
        }

        /// The smallest geometry; what is reserved is a share of the outcome, so it is approached from below.
        func smallest(journal: UInt64) throws(ImageError) -> (Ext4Geometry, reserved: UInt64) {
            var withheld: UInt64 = 0
            while true {
                let geometry = try Ext4Geometry.smallest(content: content + journal + slack + withheld, inodes: inodes)
                let (reserved, share) = shares(of: geometry.blocks)
                if share <= withheld { return (geometry, reserved) }
                withheld = share
            }
        }

        /// The smallest one with the journal that belongs to its size.
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
        // What does not fit is less than what is missing: a larger filesystem's own structures are larger too.
        var least = try smallest().0.blocks * Ext4Geometry.blockSize
        if least <= size {
            // It would fit below 1 GiB, where the journal is smaller.
            least = try smallest(journal: Ext4Geometry.journalBlocks(for: .max)).0.blocks * Ext4Geometry.blockSize
        }
        throw ImageError(
            .doesNotFit,
            "a root partition of \(ByteSize.format(size)) is \(ByteSize.format(least - min(least, size))) too small",
            reason: "the files, the filesystem's own structures and a slack of "
                + "\(ByteSize.format(options.slack)) have to fit",
            remedy: "raise --root-size to \(least / 1024)K, lower --root-slack, or leave --root-size out")
    }
}
