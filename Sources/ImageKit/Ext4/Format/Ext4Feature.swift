/// A feature of a filesystem: a bit in one of the superblock's three words of features.
///
/// A reader may ignore an unknown compatible feature. With an unknown read-only feature it must not write, and with an
/// unknown incompatible one it must not even read.
struct Ext4Feature: Sendable {
    /// The offset of the word in the superblock, and the bit in it.
    let word: Int, mask: UInt32

    private typealias Field = Ext4Superblock.Field

    private init(_ word: Int, _ mask: UInt32) { (self.word, self.mask) = (word, mask) }

    func isSet(in superblock: [UInt8]) -> Bool { (superblock.load(UInt32.self, at: word) ?? 0) & mask != 0 }

    /// The bits of features that share a word.
    static func mask(_ features: Ext4Feature...) -> UInt32 { features.reduce(0) { $0 | $1.mask } }

    // MARK: Compatible

    static let journal = Ext4Feature(Field.compatible, 0x4)
    static let extendedAttributes = Ext4Feature(Field.compatible, 0x8)
    static let resizeInode = Ext4Feature(Field.compatible, 0x10)
    static let directoryIndex = Ext4Feature(Field.compatible, 0x20)
    static let orphanFile = Ext4Feature(Field.compatible, 0x1000)

    // MARK: Incompatible

    static let compression = Ext4Feature(Field.incompatible, 0x1)
    static let fileTypes = Ext4Feature(Field.incompatible, 0x2)
    static let needsRecovery = Ext4Feature(Field.incompatible, 0x4)
    static let journalDevice = Ext4Feature(Field.incompatible, 0x8)
    static let metaGroups = Ext4Feature(Field.incompatible, 0x10)
    static let extents = Ext4Feature(Field.incompatible, 0x40)
    static let is64Bit = Ext4Feature(Field.incompatible, 0x80)
    static let mountProtection = Ext4Feature(Field.incompatible, 0x100)
    static let flexGroups = Ext4Feature(Field.incompatible, 0x200)
    static let attributeInodes = Ext4Feature(Field.incompatible, 0x400)
    static let checksumSeed = Ext4Feature(Field.incompatible, 0x2000)
    static let largeDirectories = Ext4Feature(Field.incompatible, 0x4000)
    static let inlineData = Ext4Feature(Field.incompatible, 0x8000)

    // MARK: Compatible for reading

    static let sparseSuperblocks = Ext4Feature(Field.readOnlyCompatible, 0x1)
    static let largeFiles = Ext4Feature(Field.readOnlyCompatible, 0x2)
    static let hugeFiles = Ext4Feature(Field.readOnlyCompatible, 0x8)
    static let groupChecksums = Ext4Feature(Field.readOnlyCompatible, 0x10)
    static let manyLinks = Ext4Feature(Field.readOnlyCompatible, 0x20)
    static let extraInodeSize = Ext4Feature(Field.readOnlyCompatible, 0x40)
    static let clusters = Ext4Feature(Field.readOnlyCompatible, 0x200)
    static let metadataChecksums = Ext4Feature(Field.readOnlyCompatible, 0x400)
    static let projects = Ext4Feature(Field.readOnlyCompatible, 0x2000)
    static let sharedBlocks = Ext4Feature(Field.readOnlyCompatible, 0x4000)
    static let orphans = Ext4Feature(Field.readOnlyCompatible, 0x1_0000)
}

/// The names of the features in e2fsprogs.
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

    /// The names of all features that are set, in the order of their bits. One without a name gets its number.
    static func names(_ compatible: UInt64, _ incompatible: UInt64, _ readOnly: UInt64) -> [String] {
        func names(_ bits: UInt64, _ table: [Int: String], _ word: String) -> [String] {
            (0..<32).filter { bits >> UInt64($0) & 1 == 1 }.map { table[$0] ?? "FEATURE_\(word)\($0)" }
        }
        return names(compatible, Self.compatible, "C") + names(incompatible, Self.incompatible, "I")
            + names(readOnly, Self.readOnly, "R")
    }

    /// `ext2` has no journal, `ext3` has one, and `ext4` has features that neither of them knows.
    static func kind(_ compatible: UInt64, _ incompatible: UInt64, _ readOnly: UInt64) -> String {
        if incompatible & ~0x16 != 0 || readOnly & ~0x7 != 0 { return "ext4" }
        return compatible & 0x4 != 0 ? "ext3" : "ext2"
    }
}
