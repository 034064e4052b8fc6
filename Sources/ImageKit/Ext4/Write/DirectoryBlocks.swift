/// Builds a directory's blocks: one linear block if all entries fit, a hash tree otherwise.
///
/// ```
///   linear block:  entry | entry | … | last entry, whose length runs to byte 4084 | tail with the checksum, 12 bytes
/// ```
struct DirectoryBlocks {
    /// A name in a directory.
    struct Entry {
        var inode: UInt32
        var kind: Ext4FileType
        var name: ArraySlice<UInt8>

        /// The bytes of the entry on the disk.
        var length: Int { Ext4DirectoryEntry.length(nameLength: name.count) }
    }

    static let blockSize = Int(Ext4Geometry.blockSize)
    /// The offset of the tail in a linear block.
    static let tail = blockSize - Ext4DirectoryEntry.Tail.length

    private typealias Field = Ext4DirectoryEntry.Field

    /// The blocks in the order of the file, without checksums. Index blocks are after the first, before the leaves.
    var blocks: [[UInt8]]
    /// Whether they are a hash tree. The inode must state that.
    var isIndexed: Bool

    /// Whether that many bytes of entries, with `.` and `..`, fit one linear block.
    static func fitsOneBlock(entryBytes: Int) -> Bool {
        entryBytes + 2 * Ext4DirectoryEntry.minimumLength <= tail
    }

    /// Builds a directory.
    /// - Parameter minimumBlocks: empty blocks are added up to this number (`lost+found` has 4).
    init(
        inode: UInt32, parent: UInt32, entries: [Entry], hash: DirectoryHash, minimumBlocks: Int = 1
    ) throws(ImageError) {
        if Self.fitsOneBlock(entryBytes: entries.reduce(0) { $0 + $1.length }) {
            let dots = [Self.dot(inode), Self.dots(parent)]
            blocks = [Self.linearBlock((dots + entries)[...])]
            isIndexed = false
            while blocks.count < minimumBlocks { blocks.append(Self.linearBlock([])) }
        } else {
            blocks = try HashTree(inode: inode, parent: parent, entries: entries, hash: hash).blocks
            isIndexed = true
        }
    }

    static func dot(_ inode: UInt32) -> Entry {
        Entry(inode: inode, kind: .directory, name: Ext4DirectoryEntry.dot[...])
    }

    static func dots(_ parent: UInt32) -> Entry {
        Entry(inode: parent, kind: .directory, name: Ext4DirectoryEntry.dots[...])
    }

    /// A block of entries. The last one's length runs to the tail. A block without entries has an unused one.
    static func linearBlock(_ entries: ArraySlice<Entry>) -> [UInt8] {
        var block = [UInt8](repeating: 0, count: blockSize)
        var offset = 0
        for (index, entry) in zip(entries.indices, entries) {
            let length = index == entries.endIndex - 1 ? tail - offset : entry.length
            write(entry, length: length, at: offset, of: &block)
            offset += length
        }
        if entries.isEmpty { block.store(UInt16(tail), at: Field.entryLength) }
        block.store(UInt16(Ext4DirectoryEntry.Tail.length), at: tail + Field.entryLength)
        block[tail + Field.kind] = Ext4DirectoryEntry.Tail.kind
        return block
    }

    /// Writes one entry.
    static func write(_ entry: Entry, length: Int, at offset: Int, of block: inout [UInt8]) {
        block.store(entry.inode, at: offset + Field.inode)
        block.store(UInt16(length), at: offset + Field.entryLength)
        block[offset + Field.nameLength] = UInt8(entry.name.count)
        block[offset + Field.kind] = entry.kind.rawValue
        block.store(bytes: entry.name, at: offset + Field.name)
    }
}
