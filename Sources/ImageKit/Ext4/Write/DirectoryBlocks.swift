/// A directory's blocks, built whole: one linear block where everything fits, a hash tree otherwise.
///
/// ```
///   linear block:  entry | entry | … | last entry, whose length runs to byte 4084 | tail with the checksum, 12 bytes
///   entry:         inode u32 | entry length u16 | name length u8 | kind u8 | name, padded to 4
/// ```
///
/// Source: the kernel's documentation of ext4, "Directory Entries", "Linear (Classic) Directories".
struct DirectoryBlocks {
    /// One name in a directory.
    struct Entry {
        var inode: UInt32
        var kind: Kind
        var name: ArraySlice<UInt8>

        /// Bytes of the entry on the disk.
        var length: Int { Self.length(nameLength: name.count) }

        static func length(nameLength: Int) -> Int { (8 + nameLength + 3) & ~3 }
    }

    /// What kind of file a name stands for, as the directory says it.
    enum Kind: UInt8 { case unknown = 0, file = 1, directory = 2, symlink = 7 }

    static let blockSize = Int(Ext4Geometry.blockSize)
    /// Where the tail (an entry of its own, without a name) begins.
    static let tail = blockSize - 12

    private enum Field {
        static let inode = 0, entryLength = 4, nameLength = 6, kind = 7, name = 8
        static let tailKind: UInt8 = 0xDE
    }

    /// The blocks in the order of the file, without checksums. Index blocks come after the first, before the leaves.
    var blocks: [[UInt8]]
    /// Whether they are a hash tree, which the inode has to say.
    var isIndexed: Bool

    /// Whether so many bytes of entries, with `.` and `..`, fit one linear block.
    static func fitsOneBlock(entryBytes: Int) -> Bool { entryBytes + 24 <= tail }

    /// Builds a directory.
    /// - Parameter leastBlocks: empty blocks are added up to this number (`lost+found` has 4).
    init(
        inode: UInt32, parent: UInt32, entries: [Entry], hash: DirectoryHash, leastBlocks: Int = 1
    ) throws(ImageError) {
        let dots = [
            Entry(inode: inode, kind: .directory, name: [0x2E]),
            Entry(inode: parent, kind: .directory, name: [0x2E, 0x2E]),
        ]
        if Self.fitsOneBlock(entryBytes: entries.reduce(0) { $0 + $1.length }) {
            blocks = [Self.linearBlock((dots + entries)[...])]
            isIndexed = false
            while blocks.count < leastBlocks { blocks.append(Self.linearBlock([])) }
        } else {
            blocks = try HashTree(inode: inode, parent: parent, entries: entries, hash: hash).blocks
            isIndexed = true
        }
    }

    /// A block of entries; the last one's length runs to the tail. Without entries, an empty one takes their place.
    static func linearBlock(_ entries: ArraySlice<Entry>) -> [UInt8] {
        var block = [UInt8](repeating: 0, count: blockSize)
        var offset = 0
        for (index, entry) in zip(entries.indices, entries) {
            let length = index == entries.endIndex - 1 ? tail - offset : entry.length
            write(entry, length: length, at: offset, of: &block)
            offset += length
        }
        if entries.isEmpty { block.store(UInt16(tail), at: Field.entryLength) }
        block.store(UInt16(12), at: tail + Field.entryLength)
        block[tail + Field.kind] = Field.tailKind
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
