import Foundation
import SystemPackage
import Testing

@testable import ImageKit

/// Plants damage of every kind into a filesystem, repairs its checksums, and expects the finding.
@Suite(.enabled(if: Ext4CheckTests.canMake, "\(Ext4CheckTests.reason)")) struct Ext4CheckDamageTests {
    /// A filesystem to damage: blocks of 1 KiB, three groups, a directory with an index of two levels, a file with a
    /// tree of extents of three levels, attributes in a block.
    struct Base: Sendable {
        let bytes: [UInt8]

        init(_ arguments: [String]) throws {
            let scratch = try ScratchDirectory()
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

    /// A damage and the finding that it causes.
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

    @Test(arguments: filesystem + groups + inodes + directories)
    func isFound(_ damage: Damage) throws {
        let base = try damage.base.get()
        var forger = try Ext4Forger(base.bytes)
        try damage.plant(&forger)
        try #require(!forger.touched.isEmpty)
        let list = try Ext4CheckJudge.findings(HeldImage(forger.bytes)).list
        let loud = list.filter { $0.kind.severity > .note }
        #expect(
            loud.contains { $0.kind.name == damage.kind }, "\(damage.testDescription)\n\(Ext4CheckJudge.text(list))")
        // Findings have the form that the program prints.
        #expect(loud.allSatisfy { !$0.what.isEmpty && !$0.what.hasSuffix(".") && !$0.kind.meaning.isEmpty })
        // One damage does not cause many findings.
        #expect(Set(loud.map(\.kind)).count <= 7, "\(damage.testDescription)\n\(Ext4CheckJudge.text(list))")
        guard damage.isJudged else { return }
        #expect(try !Self.complaints(forger).isEmpty, "\(damage.testDescription): e2fsck is content")
    }

    /// The root of an index that still has the tail of the linear block that it was, as the kernel leaves it.
    @Test func indexOverLinearBlock() throws {
        var forger = try Ext4Forger(Self.ext4.get().bytes)
        try forger.change(directory: "many", at: forger.offset("many")) {
            let tail = $1 + $0.blockSize - Ext4DirectoryEntry.Tail.length
            $0.store(Ext4DirectoryEntry.Tail.signature, at: tail + 4)
        }
        try Ext4CheckJudge.isSilent(HeldImage(forger.bytes), "tail")
        #expect(try Self.complaints(forger).isEmpty)
    }

    /// The complaints of e2fsck.
    static func complaints(_ forger: Ext4Forger) throws -> [Substring] {
        let scratch = try ScratchDirectory()
        let image = try scratch.empty("image", size: UInt64(forger.bytes.count))
        try Data(forger.bytes).write(to: URL(fileURLWithPath: image))
        let lines = try Judge.run("e2fsck", ["-fn", image]).said.split(separator: "\n")
        return lines.dropFirst().filter { !$0.hasPrefix("Pass ") }.dropLast()
    }

    /// The tables cover most kinds of findings.
    @Test func kindsAreMany() {
        let kinds = Set((Self.filesystem + Self.groups + Self.inodes + Self.directories).map(\.kind))
        #expect(kinds.count >= 45, "\(kinds.count)")
    }

    // MARK: The filesystem

    private typealias Field = Ext4Superblock.Field
    private typealias Journal = Ext4JournalSuperblock.Field

    /// The offset of a field in the superblock, and in its copy in group 1.
    private static func superblock(_ field: Int) -> Int { Ext4Forger.superblock(field) }
    private static func copy(_ field: Int) -> Int { 8193 * 1024 + field }
    /// The offset of the space for more descriptors in the resize inode's map.
    private static let resizeMap = Ext4Inode.Field.area + Ext4Inode.BlockArea.doublyIndirect

    static let filesystem: [Damage] = [
        Damage("ext4-superblock", "no magic", isJudged: false) { $0.store(UInt16(0), at: superblock(Field.magic)) },
        Damage("ext4-superblock", "more blocks than there are") {
            $0.store(UInt32(1 << 20), at: superblock(Field.blocks))
            $0.sealSuperblock()
        },
        Damage("ext4-superblock-checksum", "a bit") { $0.flip(at: superblock(Field.lastMounted)) },
        Damage("ext4-state", "not unmounted", isJudged: false) {
            $0.store(UInt16(0), at: superblock(Field.state))
            $0.sealSuperblock()
        },
        Damage("ext4-errors", "errors seen", isJudged: false) {
            $0.store(UInt16(3), at: superblock(Field.state))
            $0.sealSuperblock()
        },
        Damage("ext4-recovery", "journal not written back", isJudged: false) {
            $0.flip(4, at: superblock(Field.incompatible))
            $0.sealSuperblock()
        },
        Damage("ext4-orphans", "a list of deleted files", isJudged: false) {
            $0.store(UInt32(20), at: superblock(Field.orphanList))
            $0.sealSuperblock()
        },
        Damage("ext4-totals", "free blocks") {
            $0.flip(at: superblock(Field.freeBlocks))
            $0.sealSuperblock()
        },
        Damage("ext4-totals", "free inodes") {
            $0.flip(at: superblock(Field.freeInodes))
            $0.sealSuperblock()
        },
        Damage("ext4-backup-superblock", "magic", isJudged: false) { $0.flip(at: copy(Field.magic)) },
        Damage("ext4-backup-superblock", "UUID", isJudged: false) { $0.flip(at: copy(Field.uuid)) },
        Damage("ext4-backup-superblock", "group", isJudged: false) { $0.flip(at: copy(Field.group)) },
        Damage("ext4-backup-superblock", "checksum", isJudged: false) { $0.flip(at: copy(Field.checksum)) },
        Damage("ext4-backup-features", "a feature", isJudged: false) {
            $0.flip(0x20, at: copy(Field.readOnlyCompatible + 1))
        },
        Damage("ext4-backup-descriptors", "a table", isJudged: false) {
            $0.flip(at: 8194 * 1024 + Ext4GroupDescriptor.longSize + Ext4GroupDescriptor.Field.inodeTable)
        },
        Damage("ext4-journal", "magic") { $0.flip(at: try journal(&$0, Journal.magic)) },
        Damage("ext4-journal", "more blocks than its inode") {
            $0.store(UInt8(0x7F), at: try journal(&$0, Journal.blocks))
        },
        Damage("ext4-journal", "block size") { $0.flip(8, at: try journal(&$0, Journal.blockSize + 2)) },
        Damage("ext4-journal", "a folder") {
            $0.store(Ext4Mode.directory | 0o600, at: try $0.inode(Ext4ReservedInode.journal, Ext4Inode.Field.mode))
            try $0.sealInode(Ext4ReservedInode.journal)
        },
        Damage("ext4-inode-checksum", "the journal's inode") {
            $0.flip(at: try $0.inode(Ext4ReservedInode.journal, Ext4Inode.Field.accessTime))
        },
        Damage("ext4-resize-inode", "a line") {
            let top = Int($0.u32(try $0.inode(Ext4ReservedInode.resize, resizeMap))) * 1024
            $0.flip(at: top + 4)
        },
        Damage("ext4-resize-inode", "no block") {
            $0.store(UInt32(0), at: try $0.inode(Ext4ReservedInode.resize, resizeMap))
            try $0.sealInode(Ext4ReservedInode.resize)
        },
    ]

    /// The offset of a field in the journal's first block.
    private static func journal(_ forger: inout Ext4Forger, _ field: Int) throws -> Int {
        let extent = Ext4Inode.Field.area + Ext4ExtentNode.Header.length
        let disk = try forger.inode(Ext4ReservedInode.journal, extent + Ext4ExtentNode.Entry.diskLow)
        return Int(forger.u32(disk)) * 1024 + field
    }
}
