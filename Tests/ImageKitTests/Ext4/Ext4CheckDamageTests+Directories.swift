import Testing

@testable import ImageKit

/// Entries of directories, and indices.
extension Ext4CheckDamageTests {
    private static func entry(
        _ kind: String, _ what: String, _ name: String, in directory: String = "/", isJudged: Bool = true,
        base: Result<Base, any Error> = ext4, _ body: @escaping @Sendable (inout Ext4Forger, Int) throws -> Void
    ) -> Damage {
        Damage(kind, what, isJudged: isJudged, in: base) { forger in
            try forger.change(directory: directory, at: forger.entry(name, in: directory), body)
        }
    }

    /// A change of a block of a directory.
    private static func block(
        _ kind: String, _ what: String, _ directory: String = "many", _ number: UInt64 = 0,
        base: Result<Base, any Error> = ext4, _ body: @escaping @Sendable (inout Ext4Forger, Int) throws -> Void
    ) -> Damage {
        Damage(kind, what, in: base) { forger in
            try forger.change(directory: directory, at: forger.place(directory, block: number), body)
        }
    }

    static let directories: [Damage] = [
        block("ext4-folder-dots", "'.' leads away", "deep") { $0.flip(at: $1) },
        block("ext4-folder-dots", "'..' leads away", "deep/er") { $0.store(UInt32(2), at: $1 + 12) },
        block("ext4-folder-dots", "no '.'", "deep") { $0.store([0x78], at: $1 + 8) },
        block("ext4-folder-dots", "'..' of an index leads away") { $0.store(UInt32(11), at: $1 + 12) },
        block("ext4-folder-block", "an entry of no length", "deep") { $0.store(UInt16(0), at: $1 + 24 + 4) },
        block("ext4-folder-block", "an entry that is too long", "deep") { $0.store(UInt16(0x8000), at: $1 + 24 + 4) },
        block("ext4-folder-block", "a name that is too long", "deep") { $0.store([0xFF], at: $1 + 12 + 6) },
        Damage("ext4-folder-size", "a block too many") {
            try $0.change("deep") { $0.store(UInt32(2048), at: $1 + 4) }
        },
        Damage("ext4-folder-size", "a block too few") {
            try $0.change("many") { $0.store($0.u32($1 + 4) - 1024, at: $1 + 4) }
        },
        Damage("ext4-folder-size", "empty") { try $0.change("deep") { $0.store(UInt32(0), at: $1 + 4) } },
        entry("ext4-folder-twice", "two names", "small") { $0.store(try $0.node("deep").inode, at: $1) },
        entry("ext4-folder-twice", "a circle", "er", in: "deep") { $0.store(try $0.node("deep").inode, at: $1) },
        Damage("ext4-folder-checksum", "a bit") { $0.flip(at: try $0.place("deep") + 500) },
        entry("ext4-entry-inode", "too large", "small") { $0.store(UInt32(0x7FFF_FFFF), at: $1) },
        entry("ext4-entry-inode", "one of the filesystem's own", "small") { $0.store(UInt32(8), at: $1) },
        entry("ext4-entry-inode", "one that is free", "small") {
            $0.store($0.volume.superblock.inodes - 1, at: $1)
        },
        entry("ext4-entry-kind", "a folder", "small") { $0.store([2], at: $1 + 7) },
        entry("ext4-entry-kind", "a link", "deep") { $0.store([7], at: $1 + 7) },
        entry("ext4-entry-name", "a slash", "small") { $0.store([0x2F], at: $1 + 8) },
        entry("ext4-entry-name", "a zero byte", "small") { $0.store([0], at: $1 + 9) },
        entry("ext4-entry-name", "empty", "small") { $0.store([0], at: $1 + 6) },
        entry("ext4-entry-twice", "a name", "small") { $0.store(Array("other".utf8), at: $1 + 8) },
        entry("ext4-inode-orphan", "a file without a name", "other") { $0.store(UInt32(0), at: $1) },
        entry("ext4-inode-orphan", "a folder without a name", "deep") { $0.store(UInt32(0), at: $1) },
        Damage("ext4-index-checksum", "the root's") { $0.flip(at: try $0.place("many") + 36) },
        block("ext4-index", "hash version") { $0.store([9], at: $1 + 28) },
        block("ext4-index", "length of the root's fields") { $0.store([9], at: $1 + 29) },
        block("ext4-index", "levels") { $0.store([7], at: $1 + 30) },
        Damage("ext4-index", "limit") { forger in
            let place = try node(&forger)
            forger.store(forger.u16(place + 8) - 1, at: place + 8)
            try forger.sealDirectory(at: place, of: forger.node("many").inode)
        },
        block("ext4-index", "no lines") { $0.store(UInt16(0), at: $1 + 34) },
        block("ext4-index-leaf", "one twice") { forger, place in
            let node = try node(&forger)
            forger.store(forger.u32(node + 12), at: node + 20)
            try forger.sealDirectory(at: node, of: forger.node("many").inode)
        },
        Damage("ext4-index-leaf", "outside of the folder") { forger in
            let node = try node(&forger)
            forger.store(UInt32(5000), at: node + 20)
            try forger.sealDirectory(at: node, of: forger.node("many").inode)
        },
        Damage("ext4-index-leaf", "one not at all") { forger in
            let node = try node(&forger)
            forger.store(forger.u16(node + 10) - 1, at: node + 10)
            try forger.sealDirectory(at: node, of: forger.node("many").inode)
        },
        Damage("ext4-index-order", "a hash too high") { forger in
            let node = try node(&forger)
            forger.store(UInt32(0xFFFF_FF00), at: node + 16)
            try forger.sealDirectory(at: node, of: forger.node("many").inode)
        },
        Damage("ext4-index-hash", "another name") { forger in
            let place = try forger.entry("7" + String(repeating: "n", count: 200), in: "many")
            forger.store([0x6D], at: place + 8)
            try forger.sealDirectory(at: place, of: forger.node("many").inode)
        },
        entry("ext4-entry-kind", "in ext2", "small", base: ext2) { $0.store([2], at: $1 + 7) },
        Damage("ext4-folder-dots", "of a folder in its inode", in: inline) {
            try $0.change("deep/er") { $0.store(UInt32(2), at: $1 + 0x28) }
        },
        Damage("ext4-folder-block", "in an inode", in: inline) {
            try $0.change("deep") { $0.store(UInt16(4), at: $1 + 0x28 + 8) }
        },
    ]

    /// The byte where the first block below the root of the large directory's index begins.
    private static func node(_ forger: inout Ext4Forger) throws -> Int {
        let root = try forger.place("many")
        try #require(forger.bytes[root + 30] == 1)
        return try forger.place("many", block: UInt64(forger.u32(root + 36)))
    }
}
