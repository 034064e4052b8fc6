import Testing

@testable import ImageKit

/// Damage in entries of directories, and in indices.
extension Ext4CheckDamageTests {
    private typealias Field = Ext4DirectoryEntry.Field
    private typealias Index = Ext4IndexBlock.Field
    private typealias IndexEntry = Ext4IndexBlock.Entry
    private typealias Inode = Ext4Inode.Field

    /// The offsets in a directory's block of `..`, and of the first entry after it.
    private static let dots = Ext4DirectoryEntry.minimumLength, first = 2 * Ext4DirectoryEntry.minimumLength
    /// The offsets in a node of the index of the first two index entries.
    private static let firstLine = Index.nodeEntries, secondLine = firstLine + IndexEntry.length

    /// Changes the entry of a name in a directory.
    private static func entry(
        _ kind: String, _ what: String, _ name: String, in directory: String = "/", isJudged: Bool = true,
        base: Result<Base, any Error> = ext4, _ body: @escaping @Sendable (inout Ext4Forger, Int) throws -> Void
    ) -> Damage {
        Damage(kind, what, isJudged: isJudged, in: base) { forger in
            try forger.change(directory: directory, at: forger.entry(name, in: directory), body)
        }
    }

    /// Changes a block of a directory.
    private static func block(
        _ kind: String, _ what: String, _ directory: String = "many", _ number: UInt64 = 0,
        base: Result<Base, any Error> = ext4, _ body: @escaping @Sendable (inout Ext4Forger, Int) throws -> Void
    ) -> Damage {
        Damage(kind, what, in: base) { forger in
            try forger.change(directory: directory, at: forger.offset(directory, block: number), body)
        }
    }

    /// Changes the first node below the root of the large directory's index.
    private static func node(
        _ kind: String, _ what: String, _ body: @escaping @Sendable (inout Ext4Forger, Int) throws -> Void
    ) -> Damage {
        Damage(kind, what) { forger in
            let root = try forger.offset("many")
            try #require(forger.bytes[root + Index.levels] == 1)
            let number = forger.u32(root + Index.rootEntries + IndexEntry.block)
            try forger.change(directory: "many", at: forger.offset("many", block: UInt64(number)), body)
        }
    }

    static let directories: [Damage] = [
        block("ext4-folder-dots", "'.' leads away", "deep") { $0.flip(at: $1 + Field.inode) },
        block("ext4-folder-dots", "'..' leads away", "deep/er") { $0.store(UInt32(2), at: $1 + dots + Field.inode) },
        block("ext4-folder-dots", "no '.'", "deep") { $0.store([0x78], at: $1 + Field.name) },
        block("ext4-folder-dots", "'..' of an index leads away") { $0.store(UInt32(11), at: $1 + dots + Field.inode) },
        block("ext4-folder-block", "an entry of no length", "deep") {
            $0.store(UInt16(0), at: $1 + first + Field.entryLength)
        },
        block("ext4-folder-block", "an entry that is too long", "deep") {
            $0.store(UInt16(0x8000), at: $1 + first + Field.entryLength)
        },
        block("ext4-folder-block", "a name that is too long", "deep") {
            $0.store([0xFF], at: $1 + dots + Field.nameLength)
        },
        Damage("ext4-folder-size", "a block too many") {
            try $0.change("deep") { $0.store(UInt32(2048), at: $1 + Inode.size) }
        },
        Damage("ext4-folder-size", "a block too few") {
            try $0.change("many") { $0.store($0.u32($1 + Inode.size) - 1024, at: $1 + Inode.size) }
        },
        Damage("ext4-folder-size", "empty") { try $0.change("deep") { $0.store(UInt32(0), at: $1 + Inode.size) } },
        entry("ext4-folder-twice", "two names", "small") { $0.store(try $0.node("deep").inode, at: $1 + Field.inode) },
        entry("ext4-folder-twice", "a circle", "er", in: "deep") {
            $0.store(try $0.node("deep").inode, at: $1 + Field.inode)
        },
        Damage("ext4-folder-checksum", "a bit") { $0.flip(at: try $0.offset("deep") + 500) },
        entry("ext4-entry-inode", "too large", "small") { $0.store(UInt32(0x7FFF_FFFF), at: $1 + Field.inode) },
        entry("ext4-entry-inode", "a reserved one", "small") {
            $0.store(Ext4ReservedInode.journal, at: $1 + Field.inode)
        },
        entry("ext4-entry-inode", "a free one", "small") {
            $0.store($0.volume.superblock.inodes - 1, at: $1 + Field.inode)
        },
        entry("ext4-entry-kind", "a directory", "small") {
            $0.store(Ext4FileType.directory.rawValue, at: $1 + Field.kind)
        },
        entry("ext4-entry-kind", "a link", "deep") { $0.store(Ext4FileType.symlink.rawValue, at: $1 + Field.kind) },
        entry("ext4-entry-name", "a slash", "small") { $0.store([0x2F], at: $1 + Field.name) },
        entry("ext4-entry-name", "a zero byte", "small") { $0.store([0], at: $1 + Field.name + 1) },
        entry("ext4-entry-name", "empty", "small") { $0.store([0], at: $1 + Field.nameLength) },
        entry("ext4-entry-twice", "a name", "small") { $0.store(Array("other".utf8), at: $1 + Field.name) },
        entry("ext4-inode-orphan", "a file without a name", "other") { $0.store(UInt32(0), at: $1 + Field.inode) },
        entry("ext4-inode-orphan", "a directory without a name", "deep") { $0.store(UInt32(0), at: $1 + Field.inode) },
        Damage("ext4-index-checksum", "of the root") {
            $0.flip(at: try $0.offset("many") + Index.rootEntries + IndexEntry.block)
        },
        block("ext4-index", "hash version") { $0.store([9], at: $1 + Index.version) },
        block("ext4-index", "length of the root's fields") { $0.store([9], at: $1 + Index.infoLength) },
        block("ext4-index", "levels") { $0.store([7], at: $1 + Index.levels) },
        node("ext4-index", "limit") {
            let field = $1 + firstLine + IndexEntry.limit
            $0.store($0.u16(field) - 1, at: field)
        },
        block("ext4-index", "no index entries") {
            $0.store(UInt16(0), at: $1 + Index.rootEntries + IndexEntry.count)
        },
        node("ext4-index-leaf", "one twice") {
            $0.store($0.u32($1 + firstLine + IndexEntry.block), at: $1 + secondLine + IndexEntry.block)
        },
        node("ext4-index-leaf", "outside of the directory") {
            $0.store(UInt32(5000), at: $1 + secondLine + IndexEntry.block)
        },
        node("ext4-index-leaf", "one not at all") {
            let field = $1 + firstLine + IndexEntry.count
            $0.store($0.u16(field) - 1, at: field)
        },
        node("ext4-index-order", "a hash too high") {
            $0.store(UInt32(0xFFFF_FF00), at: $1 + secondLine + IndexEntry.hash)
        },
        Damage("ext4-index-hash", "another name") { forger in
            let entry = try forger.entry("7" + String(repeating: "n", count: 200), in: "many")
            forger.store([0x6D], at: entry + Field.name)
            try forger.sealDirectory(at: entry, of: forger.node("many").inode)
        },
        entry("ext4-entry-kind", "in ext2", "small", base: ext2) {
            $0.store(Ext4FileType.directory.rawValue, at: $1 + Field.kind)
        },
        // The parent's inode comes first in an inode's own content, then the entries.
        Damage("ext4-folder-dots", "of a directory in its inode", in: inline) {
            try $0.change("deep/er") { $0.store(UInt32(2), at: $1 + Inode.area) }
        },
        Damage("ext4-folder-block", "in an inode", in: inline) {
            try $0.change("deep") { $0.store(UInt16(4), at: $1 + Inode.area + 4 + Field.entryLength) }
        },
    ]
}
