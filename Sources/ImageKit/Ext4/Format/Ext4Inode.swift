/// An inode record, decoded.
///
/// ```
///   00 mode | 02 uid | 04 size | 08 atime | 0C ctime | 10 mtime | 18 gid | 1A links | 1C sectors | 20 flags
///   28 block area, 60 bytes | 64 generation | 68 attribute block | 6C size high | 74 sectors high
///   76 attribute block high | 78 uid high | 7A gid high | 7C, 82 checksum | 14 deleted
///   80 extra size | 84 ctime, 88 mtime, 8C atime extra | 80 + extra size: attributes in the inode
/// ```
///
/// Source: the kernel's documentation of ext4, "Index Nodes" and "Inline Data".
struct Ext4Inode: Sendable {
    /// The length of the record in revision 0, and of the part of it that has no extra fields.
    static let minimumSize = 128
    /// The bytes of the block area.
    static let areaLength = 60

    /// The offsets of the fields.
    enum Field {
        static let mode = 0x00
        static let owner = 0x02
        static let size = 0x04
        static let accessTime = 0x08
        static let changeTime = 0x0C
        static let modificationTime = 0x10
        static let deletionTime = 0x14
        static let group = 0x18
        static let links = 0x1A
        static let sectors = 0x1C
        static let flags = 0x20
        static let area = 0x28
        static let generation = 0x64
        static let attributeBlock = 0x68
        static let sizeHigh = 0x6C
        static let sectorsHigh = 0x74
        static let attributeBlockHigh = 0x76
        static let ownerHigh = 0x78
        static let groupHigh = 0x7A
        static let checksum = 0x7C
        static let extraSize = 0x80
        static let checksumHigh = 0x82
        static let changeTimeExtra = 0x84
        static let modificationTimeExtra = 0x88
        static let accessTimeExtra = 0x8C
    }

    /// The block area of a file without extents: block numbers of four bytes each.
    enum BlockArea {
        static let directBlocks = 12
        static let blocks = 15
        static let indirect = 12 * 4
        static let doublyIndirect = 13 * 4
    }

    /// Bits of the flags.
    enum Flag {
        static let compressed: UInt32 = 0x4, encrypted: UInt32 = 0x800, indexed: UInt32 = 0x1000
        static let huge: UInt32 = 0x4_0000, extents: UInt32 = 0x8_0000, verity: UInt32 = 0x10_0000
        static let attributeValue: UInt32 = 0x20_0000, inline: UInt32 = 0x1000_0000
        static let caseFolded: UInt32 = 0x4000_0000
    }

    let number: UInt32
    /// The record's offset on the disk in bytes.
    let offset: UInt64
    let mode: UInt16
    let flags: UInt32
    /// The size of the content in bytes.
    let size: UInt64
    let links: UInt16
    let owner: UInt32, group: UInt32
    /// Seconds since 1970.
    let modified: Int64, accessed: Int64, changed: Int64
    /// Nanoseconds to add to the time of modification.
    let nanoseconds: UInt32
    /// The block area: the map of blocks, a short link's target, a device number or the first bytes of inline data.
    let area: [UInt8]
    /// Whether it has blocks besides that of its attributes.
    let hasBlocks: Bool
    let generation: UInt32
    /// The time of deletion in seconds since 1970; 0 for an inode in use.
    let deleted: UInt32
    /// The space on the disk that it takes, in sectors of 512 bytes.
    let sectors: UInt64
    /// The block of its extended attributes; 0 if there is none.
    let attributeBlock: UInt64
    /// The part of the record after the fields, where attributes may be.
    let attributes: [UInt8]

    /// Decodes the record of inode `number`.
    ///
    /// Throws `corrupt` if it contradicts itself, and `invalidInput` with the damage ``Finding/Kind/ext4Unsupported``
    /// for encrypted and compressed files.
    init(
        _ number: UInt32, _ record: (bytes: [UInt8], offset: UInt64), _ superblock: Ext4Superblock
    ) throws(ImageError) {
        let bytes = record.bytes
        func u16(_ offset: Int) -> UInt16 { bytes.load(at: offset) ?? 0 }
        func u32(_ offset: Int) -> UInt32 { bytes.load(at: offset) ?? 0 }
        self.number = number
        offset = record.offset
        mode = u16(Field.mode)
        flags = u32(Field.flags)
        links = u16(Field.links)
        owner = UInt32(u16(Field.owner)) | UInt32(u16(Field.ownerHigh)) << 16
        group = UInt32(u16(Field.group)) | UInt32(u16(Field.groupHigh)) << 16
        let kind = mode & Ext4Mode.kindMask
        // Other kinds than files and directories have used the high half for something else.
        let hasHigh =
            kind == Ext4Mode.file || kind == Ext4Mode.directory && superblock.has(.largeDirectories)
        size = UInt64(u32(Field.size)) | (hasHigh ? UInt64(u32(Field.sizeHigh)) << 32 : 0)
        area = Array(bytes.dropFirst(Field.area).prefix(Self.areaLength))
        generation = u32(Field.generation)
        deleted = u32(Field.deletionTime)
        attributeBlock =
            UInt64(u32(Field.attributeBlock))
            | (superblock.has(.is64Bit) ? UInt64(u16(Field.attributeBlockHigh)) << 32 : 0)
        let isHuge = superblock.has(.hugeFiles)
        let unit = isHuge && flags & Flag.huge != 0 ? superblock.blockSize / 512 : 1
        sectors = (UInt64(u32(Field.sectors)) | (isHuge ? UInt64(u16(Field.sectorsHigh)) << 32 : 0)) * unit
        let attributeSectors = u32(Field.attributeBlock) != 0 ? superblock.blockSize / 512 : 0
        hasBlocks = UInt64(u32(Field.sectors)) > attributeSectors

        let extra = bytes.count > Self.minimumSize ? Int(u16(Field.extraSize)) : 0
        let end = Self.minimumSize + extra
        guard end <= bytes.count, extra % 4 == 0 else {
            throw .damagedInode(number, at: record.offset, "its extra part has \(extra) bytes")
        }
        func time(_ low: Int, _ high: Int) -> Int64 {
            // Two more bits of seconds, counted from the signed low half.
            let epoch = high + 4 <= end ? Int64(u32(high) & 3) : 0
            return Int64(Int32(bitPattern: u32(low))) + epoch << 32
        }
        modified = time(Field.modificationTime, Field.modificationTimeExtra)
        accessed = time(Field.accessTime, Field.accessTimeExtra)
        changed = time(Field.changeTime, Field.changeTimeExtra)
        nanoseconds =
            Field.modificationTimeExtra + 4 <= end ? min(u32(Field.modificationTimeExtra) >> 2, 999_999_999) : 0
        attributes = bytes.count > Self.minimumSize ? Array(bytes.dropFirst(end)) : []
        guard size <= UInt64(Int64.max) else {
            throw .damagedInode(number, at: record.offset, "its size is \(size)")
        }
        guard flags & (Flag.encrypted | Flag.compressed) == 0 else {
            let way = flags & Flag.encrypted != 0 ? "encrypted" : "compressed"
            var error = ImageError(.invalidInput, "cannot read inode \(number)", reason: "it is \(way)")
            error.damage = .ext4Unsupported
            throw error
        }
    }

    /// The kind of file in the mode: see ``Ext4Mode``.
    var fileKind: UInt16 { mode & Ext4Mode.kindMask }

    /// Whether the content is in the inode itself.
    var isInline: Bool { flags & Flag.inline != 0 }

    /// The content that is in the inode itself: the block area, and the rest in the attribute `system.data`.
    func inlineParts() throws(ImageError) -> (first: [UInt8], rest: [UInt8]) {
        guard attributes.load(UInt32.self, at: Ext4Attributes.Header.magic) == Ext4Attributes.magic else {
            return (area, [])
        }
        typealias Entry = Ext4Attributes.Entry
        let entries = attributes.dropFirst(Ext4Attributes.Header.lengthInInode)
        var position = 0
        // Each step goes forward, and the record ends.
        while let length: UInt8 = entries.load(at: position + Entry.nameLength),
            let index: UInt8 = entries.load(at: position + Entry.index), length != 0 || index != 0
        {
            let name = entries.dropFirst(position + Entry.name).prefix(Int(length))
            if index == Ext4Attributes.systemIndex, name.elementsEqual(Ext4Attributes.inlineDataName) {
                let start: UInt16 = entries.load(at: position + Entry.valueOffset) ?? 0
                let size: UInt32 = entries.load(at: position + Entry.valueSize) ?? 0
                guard size == 0 || Int(start) + Int(size) <= entries.count else {
                    throw .damagedInode(number, at: offset, "its inline data ends outside of it")
                }
                return (area, Array(entries.dropFirst(Int(start)).prefix(Int(size))))
            }
            position += Entry.name + Int(length).roundedUp(to: 4)
        }
        return (area, [])
    }

    /// A link's inline content, cut to its size.
    func inlineContent() throws(ImageError) -> [UInt8] {
        let (first, rest) = try inlineParts()
        guard size <= UInt64(first.count + rest.count) else {
            throw .damagedInode(number, at: offset, "\(size) bytes do not fit into it")
        }
        return Array((first + rest).prefix(Int(size)))
    }
}
