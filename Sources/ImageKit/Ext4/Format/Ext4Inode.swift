/// An inode record, read.
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
    enum Flag {
        static let compressed: UInt32 = 0x4, encrypted: UInt32 = 0x800, indexed: UInt32 = 0x1000
        static let huge: UInt32 = 0x4_0000, extents: UInt32 = 0x8_0000, verity: UInt32 = 0x10_0000
        static let attributeValue: UInt32 = 0x20_0000, inline: UInt32 = 0x1000_0000
        static let caseFolded: UInt32 = 0x4000_0000
    }

    let number: UInt32
    /// Where the record is.
    let offset: UInt64
    let mode: UInt16
    let flags: UInt32
    let size: UInt64
    let links: UInt16
    let owner: UInt32, group: UInt32
    let modified: Int64, accessed: Int64, changed: Int64
    /// What is to be added to the time of modification.
    let nanoseconds: UInt32
    /// The 60 bytes that hold the map, a short link's target, a device's number or the first bytes of inline data.
    let area: [UInt8]
    let hasBlocks: Bool
    let generation: UInt32
    /// Seconds since 1970; of what is in use, 0.
    let deleted: UInt32
    /// What it takes on the disk, in blocks of 512 bytes.
    let sectors: UInt64
    /// The block of attributes; 0 where there is none.
    let attributeBlock: UInt64
    /// The part of the record after the fields.
    let attributes: [UInt8]

    init(
        _ number: UInt32, _ record: (bytes: [UInt8], offset: UInt64), _ superblock: Ext4Superblock
    ) throws(ImageError) {
        let bytes = record.bytes
        func u16(_ offset: Int) -> UInt16 { bytes.load(at: offset) ?? 0 }
        func u32(_ offset: Int) -> UInt32 { bytes.load(at: offset) ?? 0 }
        self.number = number
        offset = record.offset
        mode = u16(0)
        flags = u32(0x20)
        links = u16(0x1A)
        owner = UInt32(u16(2)) | UInt32(u16(0x78)) << 16
        group = UInt32(u16(0x18)) | UInt32(u16(0x7A)) << 16
        // Of other kinds than files and directories, the high half has been used for something else.
        let hasHigh = mode & 0xF000 == 0x8000 || mode & 0xF000 == 0x4000
        let isOld = mode & 0xF000 == 0x4000 && !superblock.information.features.contains("large_dir")
        size = UInt64(u32(4)) | (hasHigh && !isOld ? UInt64(u32(0x6C)) << 32 : 0)
        area = Array(bytes.dropFirst(0x28).prefix(60))
        generation = u32(0x64)
        deleted = u32(0x14)
        attributeBlock = UInt64(u32(0x68)) | (superblock.has(.is64Bit) ? UInt64(u16(0x76)) << 32 : 0)
        let isHuge = superblock.has(.hugeFiles)
        let unit = isHuge && flags & Flag.huge != 0 ? superblock.blockSize / 512 : 1
        sectors = (UInt64(u32(0x1C)) | (isHuge ? UInt64(u16(0x74)) << 32 : 0)) * unit
        let attributeSectors = u32(0x68) != 0 ? superblock.blockSize / 512 : 0
        hasBlocks = UInt64(u32(0x1C)) > attributeSectors
        let extra = bytes.count > 128 ? Int(u16(0x80)) : 0
        guard 128 + extra <= bytes.count, extra % 4 == 0 else {
            throw .damagedInode(number, at: record.offset, "its extra part has \(extra) bytes")
        }
        func time(_ low: Int, _ high: Int) -> Int64 {
            // Two more bits of seconds, counted from the signed low half.
            let epoch = high + 4 <= 128 + extra ? Int64(u32(high) & 3) : 0
            return Int64(Int32(bitPattern: u32(low))) + epoch << 32
        }
        modified = time(0x10, 0x88)
        accessed = time(0x08, 0x8C)
        changed = time(0x0C, 0x84)
        nanoseconds = 0x88 + 4 <= 128 + extra ? min(u32(0x88) >> 2, 999_999_999) : 0
        attributes = bytes.count > 128 ? Array(bytes.dropFirst(128 + extra)) : []
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

    /// The part of the mode that is not permissions.
    var fileKind: UInt16 { mode & 0xF000 }

    /// Content that is in the inode itself: the block area, and the rest in an attribute called `system.data`.
    func inlineParts() throws(ImageError) -> (first: [UInt8], rest: [UInt8]) {
        guard attributes.load(UInt32.self, at: 0) == 0xEA02_0000 else { return (area, []) }
        let entries = attributes.dropFirst(4)
        var place = 0
        // Each step goes forward, and the record ends.
        while let length: UInt8 = entries.load(at: place), let index: UInt8 = entries.load(at: place + 1),
            length != 0 || index != 0
        {
            let name = entries.dropFirst(place + 16).prefix(Int(length))
            if index == 7, name.elementsEqual(Array("data".utf8)) {
                let start: UInt16 = entries.load(at: place + 2) ?? 0, size: UInt32 = entries.load(at: place + 8) ?? 0
                guard size == 0 || Int(start) + Int(size) <= entries.count else {
                    throw .damagedInode(number, at: offset, "its inline data ends outside of it")
                }
                return (area, Array(entries.dropFirst(Int(start)).prefix(Int(size))))
            }
            place += 16 + Int(length).roundedUp(to: 4)
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
