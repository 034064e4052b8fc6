import Foundation
import SystemPackage
import Testing

@testable import ImageKit

/// Damage of every kind, planted into a filesystem with its checksums repaired, and found.
@Suite(.enabled(if: Ext4CheckTests.canMake, "\(Ext4CheckTests.reason)")) struct Ext4CheckDamageTests {
    /// A filesystem to damage: blocks of 1 KiB, three groups, a folder with an index of two levels, a file with extents in
    /// three, attributes in a block.
    struct Base: Sendable {
        let bytes: [UInt8]

        init(_ arguments: [String]) throws {
            let scratch = try ScratchFolder()
            let image = scratch.path + "/image"
            try Ext4CheckJudge.shell(
                """
                mkdir -p "$1/tree/deep/er" "$1/tree/many"; cd "$1/tree"; image=$2; shift 2
                (cd many; seq -f "%.0f$(printf 'n%.0s' {1..200})" 600 | xargs touch)
                head -c 300000 /dev/zero | tr '\\0' x > file; echo text > other; echo small > small; ln small deep/hard
                ln -s $(printf 'y%.0s' {1..300}) long; ln -s $(printf 'x%.0s' {1..59}) short; ln -s ab tiny
                for i in {0..400}; do printf x | dd of=sparse bs=1 seek=$((i * 9000)) conv=notrunc status=none; done
                truncate -s 20M "$image"
                mke2fs -q -F -E hash_seed=44444444-4444-4444-8888-888888888888 -U 44444444-4444-4444-8888-888888888888 \
                    -N 1000 "$@" -d . "$image"
                e2fsck -fyD "$image" > /dev/null || [ $? = 1 ]
                debugfs -w -R "ea_set other user.long $(printf 'z%.0s' {1..200})" "$image" > /dev/null 2>&1
                e2fsck -fn "$image" > /dev/null 2>&1
                """, scratch.path, image, more: arguments)
            bytes = Array(try Data(contentsOf: URL(fileURLWithPath: image)))
        }
    }

    static let ext4 = Result { try Base(["-t", "ext4", "-b", "1024"]) }
    static let ext2 = Result { try Base(["-t", "ext2", "-b", "1024"]) }
    static let inline = Result { try Base(["-t", "ext4", "-b", "1024", "-O", "inline_data"]) }

    /// One damage.
    struct Damage: Sendable, CustomTestStringConvertible {
        let kind: String
        let testDescription: String
        /// Whether e2fsck finds it too.
        let isJudged: Bool
        let base: Result<Base, any Error>
        let plant: @Sendable (inout Ext4Forger) throws -> Void

        init(
            _ kind: String, _ what: String, isJudged: Bool = true, in base: Result<Base, any Error> = ext4,
            _ plant: @escaping @Sendable (inout Ext4Forger) throws -> Void
        ) {
            self.kind = kind
            testDescription = "\(kind): \(what)"
            self.isJudged = isJudged
            self.base = base
            self.plant = plant
        }
    }

    @Test(arguments: filesystem + groups + inodes + folders)
    func isFound(_ damage: Damage) throws {
        let base = try damage.base.get()
        var forger = try Ext4Forger(base.bytes)
        try damage.plant(&forger)
        try #require(!forger.touched.isEmpty)
        let list = try Ext4CheckJudge.findings(HeldImage(forger.bytes)).list
        let loud = list.filter { $0.kind.severity > .note }
        #expect(
            loud.contains { $0.kind.name == damage.kind }, "\(damage.testDescription)\n\(Ext4CheckJudge.text(list))")
        // What is found has a place or is a sum, and is told as it should be.
        #expect(loud.allSatisfy { !$0.what.isEmpty && !$0.what.hasSuffix(".") && !$0.kind.meaning.isEmpty })
        // One damage is not told as many.
        #expect(Set(loud.map(\.kind)).count <= 7, "\(damage.testDescription)\n\(Ext4CheckJudge.text(list))")
        guard damage.isJudged else { return }
        #expect(try !Self.complaints(forger).isEmpty, "\(damage.testDescription): e2fsck is content")
    }

    /// The root of an index that still has the tail of the linear block that it was, as the kernel leaves it.
    @Test func indexOverLinearBlock() throws {
        var forger = try Ext4Forger(Self.ext4.get().bytes)
        try forger.change(folder: "many", at: forger.place("many")) {
            $0.store(UInt32(0xDE00_000C), at: $1 + $0.blockSize - 8)
        }
        try Ext4CheckJudge.isSilent(HeldImage(forger.bytes), "tail")
        #expect(try Self.complaints(forger).isEmpty)
    }

    /// What e2fsck has to say.
    static func complaints(_ forger: Ext4Forger) throws -> [Substring] {
        let scratch = try ScratchFolder()
        let image = try scratch.empty("image", size: UInt64(forger.bytes.count))
        try Data(forger.bytes).write(to: URL(fileURLWithPath: image))
        let lines = try Judge.run("e2fsck", ["-fn", image]).said.split(separator: "\n")
        return lines.dropFirst().filter { !$0.hasPrefix("Pass ") }.dropLast()
    }

    /// No two kinds have the same name, and there is enough of them.
    @Test func kindsAreMany() {
        let kinds = Set((Self.filesystem + Self.groups + Self.inodes + Self.folders).map(\.kind))
        #expect(kinds.count >= 45, "\(kinds.count)")
    }

    // MARK: The filesystem

    static let filesystem: [Damage] = [
        Damage("ext4-superblock", "no magic", isJudged: false) { $0.store(UInt16(0), at: 1024 + 0x38) },
        Damage("ext4-superblock", "more blocks than there are") {
            $0.store(UInt32(1 << 20), at: 1024 + 4)
            $0.sealSuperblock()
        },
        Damage("ext4-superblock-checksum", "a bit") { $0.flip(at: 1024 + 0x88) },
        Damage("ext4-state", "not unmounted", isJudged: false) {
            $0.store(UInt16(0), at: 1024 + 0x3A)
            $0.sealSuperblock()
        },
        Damage("ext4-errors", "errors seen", isJudged: false) {
            $0.store(UInt16(3), at: 1024 + 0x3A)
            $0.sealSuperblock()
        },
        Damage("ext4-recovery", "journal not written back", isJudged: false) {
            $0.flip(4, at: 1024 + 0x60)
            $0.sealSuperblock()
        },
        Damage("ext4-orphans", "a list of deleted files", isJudged: false) {
            $0.store(UInt32(20), at: 1024 + 0xE8)
            $0.sealSuperblock()
        },
        Damage("ext4-totals", "free blocks") {
            $0.flip(at: 1024 + 0x0C)
            $0.sealSuperblock()
        },
        Damage("ext4-totals", "free inodes") {
            $0.flip(at: 1024 + 0x10)
            $0.sealSuperblock()
        },
        Damage("ext4-backup-superblock", "magic", isJudged: false) { $0.flip(at: 8193 * 1024 + 0x38) },
        Damage("ext4-backup-superblock", "UUID", isJudged: false) { $0.flip(at: 8193 * 1024 + 0x68) },
        Damage("ext4-backup-superblock", "group", isJudged: false) { $0.flip(at: 8193 * 1024 + 0x5A) },
        Damage("ext4-backup-superblock", "checksum", isJudged: false) { $0.flip(at: 8193 * 1024 + 0x3FC) },
        Damage("ext4-backup-features", "a feature", isJudged: false) { $0.flip(0x20, at: 8193 * 1024 + 0x64 + 1) },
        Damage("ext4-backup-descriptors", "a table", isJudged: false) { $0.flip(at: 8194 * 1024 + 64 + 8) },
        Damage("ext4-journal", "magic") { $0.flip(at: try journal(&$0)) },
        Damage("ext4-journal", "more blocks than its inode") { $0.store(UInt8(0x7F), at: try journal(&$0) + 0x10) },
        Damage("ext4-journal", "block size") { $0.flip(8, at: try journal(&$0) + 0x0E) },
        Damage("ext4-journal", "a folder") {
            $0.store(UInt16(0x4180), at: try $0.inode(8))
            try $0.sealInode(8)
        },
        Damage("ext4-inode-checksum", "the journal's inode") { $0.flip(at: try $0.inode(8) + 8) },
        Damage("ext4-resize-inode", "a line") {
            let top = Int($0.u32(try $0.inode(7) + 0x28 + 52)) * 1024
            $0.flip(at: top + 4)
        },
        Damage("ext4-resize-inode", "no block") {
            $0.store(UInt32(0), at: try $0.inode(7) + 0x28 + 52)
            try $0.sealInode(7)
        },
    ]

    private static func journal(_ forger: inout Ext4Forger) throws -> Int {
        Int(forger.u32(try forger.inode(8) + 0x28 + 20)) * 1024
    }

    // MARK: Groups

    static let groups: [Damage] = [
        Damage("ext4-group-checksum", "a bit of the checksum") { $0.flip(at: $0.descriptor(1) + 0x1E) },
        Damage("ext4-group-location", "block bitmap outside") {
            $0.change(group: 1) { $0.store(UInt32(0xFFFF_FFFF), at: $1) }
        },
        Damage("ext4-group-location", "inode bitmap on another") {
            $0.change(group: 1) { $0.store($0.u32($0.descriptor(0) + 4), at: $1 + 4) }
        },
        Damage("ext4-group-location", "inode table outside") {
            $0.change(group: 2) { $0.store(UInt32(20_479), at: $1 + 8) }
        },
        Damage("ext4-block-bitmap-checksum", "low half") {
            $0.change(group: 0) { $0.flip(at: $1 + 0x18) }
        },
        Damage("ext4-block-bitmap-checksum", "high half") {
            $0.change(group: 0) { $0.flip(at: $1 + 0x38) }
        },
        Damage("ext4-inode-bitmap-checksum", "low half") {
            $0.change(group: 0) { $0.flip(at: $1 + 0x1A) }
        },
        Damage("ext4-block-free", "a file's block") { forger in
            try bit(&forger, forLogical: UInt64(forger.place("file")) / 1024)
        },
        Damage("ext4-block-free", "a bitmap's block") { forger in
            try bit(&forger, forLogical: forger.volume.groups[0].blockBitmap)
        },
        Damage("ext4-block-free", "a block of extents") { forger in
            try bit(&forger, forLogical: UInt64(extents(&forger)[0]) / 1024)
        },
        Damage("ext4-block-leaked", "a free block") { forger in
            let bitmap = Int(forger.volume.groups[0].blockBitmap) * 1024
            let free = try #require((0..<8192).last { forger.bytes[bitmap + $0 / 8] >> UInt8($0 % 8) & 1 == 0 })
            try bit(&forger, forLogical: UInt64(free) + 1)
        },
        Damage("ext4-inode-free", "a file") { forger in
            let index = Int(try forger.node("other").inode - 1)
            let perGroup = Int(forger.volume.superblock.inodesPerGroup)
            let bitmap = Int(forger.volume.groups[index / perGroup].inodeBitmap) * 1024
            forger.flip(1 << UInt8(index % perGroup % 8), at: bitmap + index % perGroup / 8)
            forger.sealBitmaps(index / perGroup)
        },
        Damage("ext4-inode-leaked", "a free inode") { forger in
            let group = 2
            let last = Int(forger.volume.superblock.inodesPerGroup) - 1
            let bitmap = Int(forger.volume.groups[group].inodeBitmap) * 1024
            forger.store(UInt16(4), at: forger.descriptor(group) + 0x12)
            forger.store(UInt16(0), at: forger.descriptor(group) + 0x1C)
            forger.flip(1 << UInt8(last % 8), at: bitmap + last / 8)
            forger.sealBitmaps(group)
        },
        Damage("ext4-bitmap-padding", "after the last block") { forger in
            forger.change(group: 2) { $0.store(UInt16(4), at: $1 + 0x12) }
            forger.flip(0x80, at: Int(forger.volume.groups[2].blockBitmap) * 1024 + 1023)
            forger.sealBitmaps(2)
        },
        Damage("ext4-bitmap-padding", "after the last inode") { forger in
            forger.flip(0x80, at: Int(forger.volume.groups[0].inodeBitmap) * 1024 + 1023)
            forger.sealBitmaps(0)
        },
        Damage("ext4-free-blocks", "of a group") { $0.change(group: 1) { $0.flip(at: $1 + 0x0C) } },
        Damage("ext4-free-inodes", "of a group") { $0.change(group: 1) { $0.flip(at: $1 + 0x0E) } },
        Damage("ext4-folder-count", "of a group") { $0.change(group: 0) { $0.flip(at: $1 + 0x10) } },
        Damage("ext4-unused-inodes", "more than free") {
            $0.change(group: 0) { $0.store(UInt16($0.volume.superblock.inodesPerGroup - 8), at: $1 + 0x1C) }
        },
        Damage("ext4-inode-free", "a group without inodes") { $0.change(group: 0) { $0.flip(1, at: $1 + 0x12) } },
        Damage("ext4-block-free", "a group without blocks") { $0.change(group: 0) { $0.flip(2, at: $1 + 0x12) } },
    ]

    /// Flips a block's bit in its group's bitmap.
    private static func bit(_ forger: inout Ext4Forger, forLogical block: UInt64) throws {
        let group = Int((block - 1) / 8192), bit = Int((block - 1) % 8192)
        let bitmap = Int(forger.volume.groups[group].blockBitmap) * 1024
        forger.flip(1 << UInt8(bit % 8), at: bitmap + bit / 8)
        forger.sealBitmaps(group)
    }

    /// The bytes where the blocks of the sparse file's extents begin: the upper one, and the first one below it.
    private static func extents(_ forger: inout Ext4Forger) throws -> [Int] {
        let upper = Int(forger.u32(try forger.inode("sparse") + 0x28 + 16)) * 1024
        try #require(forger.u16(upper) == 0xF30A && forger.u16(upper + 6) == 1)
        return [upper, Int(forger.u32(upper + 16)) * 1024]
    }

    private static func extent(
        _ kind: String, _ what: String, level: Int = 1, isSealed: Bool = true, isJudged: Bool = true,
        _ body: @escaping @Sendable (inout Ext4Forger, Int) throws -> Void
    ) -> Damage {
        Damage(kind, what, isJudged: isJudged) { forger in
            let place = try extents(&forger)[level]
            try body(&forger, place)
            if isSealed { try forger.sealExtents(at: place, of: forger.node("sparse").inode) }
        }
    }

    private static func record(
        _ kind: String, _ what: String, _ path: String = "file", isSealed: Bool = true, isJudged: Bool = true,
        _ body: @escaping @Sendable (inout Ext4Forger, Int) throws -> Void
    ) -> Damage {
        Damage(kind, what, isJudged: isJudged) { try $0.change(path, isSealed: isSealed, body) }
    }

    private static func attributes(
        _ kind: String, _ what: String, isSealed: Bool = true,
        _ body: @escaping @Sendable (inout Ext4Forger, Int) throws -> Void
    ) -> Damage {
        Damage(kind, what) { forger in
            let block = try forger.node("other").record.attributeBlock
            try #require(block > 0)
            try body(&forger, Int(block) * 1024)
            if isSealed { forger.sealAttributes(block) }
        }
    }

    // MARK: Inodes

    static let inodes: [Damage] = [
        record("ext4-inode-checksum", "a file's", isSealed: false) { $0.flip(at: $1 + 8) },
        record("ext4-inode-checksum", "a folder's", "many", isSealed: false) { $0.flip(at: $1 + 8) },
        record("ext4-inode-checksum", "the top folder's", "/", isSealed: false) { $0.flip(at: $1 + 8) },
        record("ext4-inode-kind", "none") { $0.store(UInt16(0x01A4), at: $1) },
        record("ext4-inode-kind", "the top folder is a file", "/") { $0.store(UInt16(0x81A4), at: $1) },
        record("ext4-entry-inode", "no links") { $0.store(UInt16(0), at: $1 + 0x1A) },
        record("ext4-link-count", "of a file", "small") { $0.store(UInt16(3), at: $1 + 0x1A) },
        record("ext4-link-count", "of a folder", "deep") { $0.store(UInt16(2), at: $1 + 0x1A) },
        record("ext4-inode-size", "too small") { $0.store(UInt32(1000), at: $1 + 4) },
        record("ext4-inode-blocks", "one too many") { $0.flip(at: $1 + 0x1C) },
        record("ext4-block-outside", "a short link that says it has a block", "short") {
            $0.store(UInt32(2), at: $1 + 0x1C)
        },
        record("ext4-inode-flags", "a file with an index") { $0.flip(0x10, at: $1 + 0x21) },
        record("ext4-inode-flags", "inline data", "other") { $0.flip(0x10, at: $1 + 0x23) },
        record("ext4-deletion-time", "of a file") { $0.store(UInt32(77), at: $1 + 0x14) },
        record("ext4-extent-tree", "no magic in the inode") { $0.store(UInt16(0), at: $1 + 0x28) },
        record("ext4-extent-tree", "more extents than there is room for") { $0.store(UInt16(5), at: $1 + 0x2A) },
        record("ext4-block-outside", "an extent") { $0.store(UInt32(0x7FFF_FFFF), at: $1 + 0x28 + 20) },
        record("ext4-block-twice", "an extent in the inode table") {
            $0.store(UInt32(truncatingIfNeeded: $0.volume.groups.inodeTable(0)), at: $1 + 0x28 + 20)
        },
        record("ext4-block-twice", "another file's") {
            $0.store(UInt32(try $0.place("other") / 1024), at: $1 + 0x28 + 20)
        },
        record("ext4-block-twice", "its own attributes", "other") {
            $0.store(UInt32(truncatingIfNeeded: try $0.node("other").record.attributeBlock), at: $1 + 0x28 + 20)
        },
        extent("ext4-extent-checksum", "of the lower block", isSealed: false) { $0.flip(at: $1 + 20) },
        extent("ext4-extent-checksum", "of the upper block", level: 0, isSealed: false) { $0.flip(at: $1 + 22) },
        extent("ext4-extent-tree", "magic") { $0.flip(at: $1) },
        // The kernel minds.
        extent("ext4-extent-tree", "depth", isJudged: false) { $0.flip(at: $1 + 6) },
        extent("ext4-extent-tree", "more than there is room for") { $0.store($0.u16($1 + 4) + 1, at: $1 + 2) },
        extent("ext4-extent-tree", "order") { $0.store(UInt32(0), at: $1 + 12 + 24) },
        extent("ext4-extent-tree", "no length") { $0.store(UInt16(0), at: $1 + 16) },
        extent("ext4-extent-tree", "other than its parent says") { $0.store(UInt32(1), at: $1 + 12) },
        extent("ext4-block-outside", "an extent") { $0.store(UInt32(0x7FFF_FFFF), at: $1 + 20) },
        extent("ext4-block-outside", "a block of extents", level: 0) { $0.store(UInt32(0x7FFF_FFFF), at: $1 + 16) },
        extent("ext4-block-twice", "a block of extents leads to itself", level: 0) {
            $0.store(UInt32($1 / 1024), at: $1 + 28)
        },
        attributes("ext4-attributes", "magic") { $0.flip(at: $1) },
        attributes("ext4-attributes", "a value outside") { $0.store(UInt16(0xFFF0), at: $1 + 32 + 2) },
        attributes("ext4-attributes", "a long name") { $0.store([0xFF], at: $1 + 32) },
        attributes("ext4-attributes", "a value") { $0.flip(at: $1 + 1020) },
        attributes("ext4-attributes-checksum", "a bit", isSealed: false) { $0.flip(at: $1 + 1000) },
        attributes("ext4-attributes-count", "of inodes") { $0.store(UInt32(5), at: $1 + 4) },
        record("ext4-block-outside", "attributes", "small") { $0.store(UInt32(0x7FFF_FFFF), at: $1 + 0x68) },
        record("ext4-link-target", "too short", "short") { $0.store(UInt32(40), at: $1 + 4) },
        record("ext4-link-target", "too long", "tiny") { $0.store(UInt32(30), at: $1 + 4) },
        record("ext4-link-target", "in a block, too short", "long") { $0.store(UInt32(100), at: $1 + 4) },
        record("ext4-link-target", "of no length", "tiny") { $0.store(UInt32(0), at: $1 + 4) },
        Damage("ext4-block-outside", "an indirect block", in: ext2) {
            $0.store(UInt32(0x7FFF_FFFF), at: try $0.inode("file") + 0x28 + 48)
        },
        Damage("ext4-block-twice", "a block in an indirect one", in: ext2) {
            let place = Int($0.u32(try $0.inode("file") + 0x28 + 48)) * 1024
            $0.store($0.u32(place), at: place + 4)
        },
        Damage("ext4-block-twice", "another file's block", in: ext2) {
            $0.store(UInt32(try $0.place("other") / 1024), at: try $0.inode("file") + 0x28)
        },
        Damage("ext4-inode-size", "more than the file has", in: ext2) {
            $0.store(UInt32(2000), at: try $0.inode("file") + 4)
        },
    ]

    // MARK: Folders

    private static func entry(
        _ kind: String, _ what: String, _ name: String, in folder: String = "/", isJudged: Bool = true,
        base: Result<Base, any Error> = ext4, _ body: @escaping @Sendable (inout Ext4Forger, Int) throws -> Void
    ) -> Damage {
        Damage(kind, what, isJudged: isJudged, in: base) { forger in
            try forger.change(folder: folder, at: forger.entry(name, in: folder), body)
        }
    }

    /// A change of a block of a folder.
    private static func block(
        _ kind: String, _ what: String, _ folder: String = "many", _ number: UInt64 = 0,
        base: Result<Base, any Error> = ext4, _ body: @escaping @Sendable (inout Ext4Forger, Int) throws -> Void
    ) -> Damage {
        Damage(kind, what, in: base) { forger in
            try forger.change(folder: folder, at: forger.place(folder, block: number), body)
        }
    }

    static let folders: [Damage] = [
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
            try forger.sealFolder(at: place, of: forger.node("many").inode)
        },
        block("ext4-index", "no lines") { $0.store(UInt16(0), at: $1 + 34) },
        block("ext4-index-leaf", "one twice") { forger, place in
            let node = try node(&forger)
            forger.store(forger.u32(node + 12), at: node + 20)
            try forger.sealFolder(at: node, of: forger.node("many").inode)
        },
        Damage("ext4-index-leaf", "outside of the folder") { forger in
            let node = try node(&forger)
            forger.store(UInt32(5000), at: node + 20)
            try forger.sealFolder(at: node, of: forger.node("many").inode)
        },
        Damage("ext4-index-leaf", "one not at all") { forger in
            let node = try node(&forger)
            forger.store(forger.u16(node + 10) - 1, at: node + 10)
            try forger.sealFolder(at: node, of: forger.node("many").inode)
        },
        Damage("ext4-index-order", "a hash too high") { forger in
            let node = try node(&forger)
            forger.store(UInt32(0xFFFF_FF00), at: node + 16)
            try forger.sealFolder(at: node, of: forger.node("many").inode)
        },
        Damage("ext4-index-hash", "another name") { forger in
            let place = try forger.entry("7" + String(repeating: "n", count: 200), in: "many")
            forger.store([0x6D], at: place + 8)
            try forger.sealFolder(at: place, of: forger.node("many").inode)
        },
        entry("ext4-entry-kind", "in ext2", "small", base: ext2) { $0.store([2], at: $1 + 7) },
        Damage("ext4-folder-dots", "of a folder in its inode", in: inline) {
            try $0.change("deep/er") { $0.store(UInt32(2), at: $1 + 0x28) }
        },
        Damage("ext4-folder-block", "in an inode", in: inline) {
            try $0.change("deep") { $0.store(UInt16(4), at: $1 + 0x28 + 8) }
        },
    ]

    /// The byte where the first block below the root of the large folder's index begins.
    private static func node(_ forger: inout Ext4Forger) throws -> Int {
        let root = try forger.place("many")
        try #require(forger.bytes[root + 30] == 1)
        return try forger.place("many", block: UInt64(forger.u32(root + 36)))
    }
}
