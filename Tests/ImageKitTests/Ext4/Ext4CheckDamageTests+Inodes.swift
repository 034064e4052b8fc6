import Testing

@testable import ImageKit

/// Damage in inodes, their maps and attributes.
extension Ext4CheckDamageTests {
    private typealias Field = Ext4Inode.Field
    private typealias Node = Ext4ExtentNode.Header
    private typealias Entry = Ext4ExtentNode.Entry
    private typealias Header = Ext4Attributes.Header
    private typealias Attribute = Ext4Attributes.Entry

    /// The offset of the first extent in an inode, and of the first block number of an indirect block.
    private static let extent = Field.area + Node.length
    private static let indirect = Field.area + Ext4Inode.BlockArea.indirect

    /// The offsets of two blocks of the sparse file's extents: the upper one, and the first one below it.
    static func extents(_ forger: inout Ext4Forger) throws -> [Int] {
        let upper = Int(forger.u32(try forger.inode("sparse", extent + Entry.childLow))) * 1024
        try #require(forger.u16(upper) == Ext4ExtentNode.magic && forger.u16(upper + Node.depth) == 1)
        return [upper, Int(forger.u32(upper + Node.length + Entry.childLow)) * 1024]
    }

    private static func node(
        _ kind: String, _ what: String, level: Int = 1, isSealed: Bool = true, isJudged: Bool = true,
        _ body: @escaping @Sendable (inout Ext4Forger, Int) throws -> Void
    ) -> Damage {
        Damage(kind, what, isJudged: isJudged) { forger in
            let offset = try extents(&forger)[level]
            try body(&forger, offset)
            if isSealed { try forger.sealExtents(at: offset, of: forger.node("sparse").inode) }
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

    static let inodes: [Damage] = [
        record("ext4-inode-checksum", "a file's", isSealed: false) { $0.flip(at: $1 + Field.accessTime) },
        record("ext4-inode-checksum", "a folder's", "many", isSealed: false) { $0.flip(at: $1 + Field.accessTime) },
        record("ext4-inode-checksum", "the top folder's", "/", isSealed: false) { $0.flip(at: $1 + Field.accessTime) },
        record("ext4-inode-kind", "none") { $0.store(UInt16(0o644), at: $1 + Field.mode) },
        record("ext4-inode-kind", "the top folder is a file", "/") {
            $0.store(Ext4Mode.file | 0o644, at: $1 + Field.mode)
        },
        record("ext4-entry-inode", "no links") { $0.store(UInt16(0), at: $1 + Field.links) },
        record("ext4-link-count", "of a file", "small") { $0.store(UInt16(3), at: $1 + Field.links) },
        record("ext4-link-count", "of a folder", "deep") { $0.store(UInt16(2), at: $1 + Field.links) },
        record("ext4-inode-size", "too small") { $0.store(UInt32(1000), at: $1 + Field.size) },
        record("ext4-inode-blocks", "one too many") { $0.flip(at: $1 + Field.sectors) },
        record("ext4-block-outside", "a short link that says it has a block", "short") {
            $0.store(UInt32(2), at: $1 + Field.sectors)
        },
        record("ext4-inode-flags", "a file with an index") {
            $0.store($0.u32($1 + Field.flags) ^ Ext4Inode.Flag.indexed, at: $1 + Field.flags)
        },
        record("ext4-inode-flags", "inline data", "other") {
            $0.store($0.u32($1 + Field.flags) ^ Ext4Inode.Flag.inline, at: $1 + Field.flags)
        },
        record("ext4-deletion-time", "of a file") { $0.store(UInt32(77), at: $1 + Field.deletionTime) },
        record("ext4-extent-tree", "no magic in the inode") { $0.store(UInt16(0), at: $1 + Field.area + Node.magic) },
        record("ext4-extent-tree", "more extents than there is room for") {
            $0.store(UInt16(5), at: $1 + Field.area + Node.entries)
        },
        record("ext4-block-outside", "an extent") { $0.store(UInt32(0x7FFF_FFFF), at: $1 + extent + Entry.diskLow) },
        record("ext4-block-twice", "an extent in the inode table") {
            $0.store(UInt32(truncatingIfNeeded: $0.volume.groups.inodeTable(0)), at: $1 + extent + Entry.diskLow)
        },
        record("ext4-block-twice", "another file's") {
            $0.store(UInt32(try $0.offset("other") / 1024), at: $1 + extent + Entry.diskLow)
        },
        record("ext4-block-twice", "its own attributes", "other") {
            $0.store(
                UInt32(truncatingIfNeeded: try $0.node("other").record.attributeBlock), at: $1 + extent + Entry.diskLow)
        },
        node("ext4-extent-checksum", "of the lower block", isSealed: false) {
            $0.flip(at: $1 + Node.length + Entry.diskLow)
        },
        node("ext4-extent-checksum", "of the upper block", level: 0, isSealed: false) {
            $0.flip(at: $1 + Node.length + Entry.childHigh + 2)
        },
        node("ext4-extent-tree", "magic") { $0.flip(at: $1 + Node.magic) },
        // Only the kernel refuses it.
        node("ext4-extent-tree", "depth", isJudged: false) { $0.flip(at: $1 + Node.depth) },
        node("ext4-extent-tree", "more than there is room for") {
            $0.store($0.u16($1 + Node.maximum) + 1, at: $1 + Node.entries)
        },
        node("ext4-extent-tree", "order") { $0.store(UInt32(0), at: $1 + Node.length + 2 * Entry.length) },
        node("ext4-extent-tree", "no length") { $0.store(UInt16(0), at: $1 + Node.length + Entry.count) },
        node("ext4-extent-tree", "other than its parent says") {
            $0.store(UInt32(1), at: $1 + Node.length + Entry.first)
        },
        node("ext4-block-outside", "an extent") { $0.store(UInt32(0x7FFF_FFFF), at: $1 + Node.length + Entry.diskLow) },
        node("ext4-block-outside", "a block of extents", level: 0) {
            $0.store(UInt32(0x7FFF_FFFF), at: $1 + Node.length + Entry.childLow)
        },
        node("ext4-block-twice", "a block of extents leads to itself", level: 0) {
            $0.store(UInt32($1 / 1024), at: $1 + Node.length + Entry.length + Entry.childLow)
        },
        attributes("ext4-attributes", "magic") { $0.flip(at: $1 + Header.magic) },
        attributes("ext4-attributes", "a value outside") {
            $0.store(UInt16(0xFFF0), at: $1 + Header.length + Attribute.valueOffset)
        },
        attributes("ext4-attributes", "a long name") {
            $0.store([0xFF], at: $1 + Header.length + Attribute.nameLength)
        },
        attributes("ext4-attributes", "a value") { $0.flip(at: $1 + 1020) },
        attributes("ext4-attributes-checksum", "a bit", isSealed: false) { $0.flip(at: $1 + 1000) },
        attributes("ext4-attributes-count", "of inodes") { $0.store(UInt32(5), at: $1 + Header.inodes) },
        record("ext4-block-outside", "attributes", "small") {
            $0.store(UInt32(0x7FFF_FFFF), at: $1 + Field.attributeBlock)
        },
        record("ext4-link-target", "too short", "short") { $0.store(UInt32(40), at: $1 + Field.size) },
        record("ext4-link-target", "too long", "tiny") { $0.store(UInt32(30), at: $1 + Field.size) },
        record("ext4-link-target", "in a block, too short", "long") { $0.store(UInt32(100), at: $1 + Field.size) },
        record("ext4-link-target", "of no length", "tiny") { $0.store(UInt32(0), at: $1 + Field.size) },
        Damage("ext4-block-outside", "an indirect block", in: ext2) {
            $0.store(UInt32(0x7FFF_FFFF), at: try $0.inode("file", indirect))
        },
        Damage("ext4-block-twice", "a block in an indirect one", in: ext2) {
            let block = Int($0.u32(try $0.inode("file", indirect))) * 1024
            $0.store($0.u32(block), at: block + 4)
        },
        Damage("ext4-block-twice", "another file's block", in: ext2) {
            $0.store(UInt32(try $0.offset("other") / 1024), at: try $0.inode("file", Field.area))
        },
        Damage("ext4-inode-size", "more than the file has", in: ext2) {
            $0.store(UInt32(2000), at: try $0.inode("file", Field.size))
        },
    ]
}
