import Foundation
import SystemPackage
import Testing

@testable import ImageKit

/// A filesystem in memory whose bytes can be changed and its checksums repaired, so that damage gets past them.
struct Ext4Forger {
    private(set) var bytes: [UInt8]
    let volume: Ext4Volume
    /// The numbers of the KiB that were changed.
    private(set) var touched: Set<Int> = []

    private typealias Descriptor = Ext4GroupDescriptor.Field
    private typealias Inode = Ext4Inode.Field

    init(_ bytes: [UInt8]) throws {
        self.bytes = bytes
        volume = try Ext4Volume(HeldImage(bytes))
    }

    var blockSize: Int { Int(volume.superblock.blockSize) }

    mutating func store<T: FixedWidthInteger>(_ value: T, at offset: Int) {
        var text: [UInt8] = []
        text.append(littleEndian: value)
        store(text, at: offset)
    }

    mutating func store(_ text: [UInt8], at offset: Int) {
        bytes.store(bytes: text, at: offset)
        for number in offset / 1024...(offset + text.count - 1) / 1024 { touched.insert(number) }
    }

    mutating func flip(_ bit: UInt8 = 1, at offset: Int) { store(bytes[offset] ^ bit, at: offset) }

    func u16(_ offset: Int) -> UInt16 { bytes.load(at: offset) ?? 0 }
    func u32(_ offset: Int) -> UInt32 { bytes.load(at: offset) ?? 0 }
    func block(_ number: UInt64) -> [UInt8] { Array(bytes[Int(number) * blockSize..<Int(number + 1) * blockSize]) }

    // MARK: Offsets

    /// The offset of a field in the superblock.
    static func superblock(_ field: Int) -> Int { Int(Ext4Superblock.offset) + field }

    func node(_ path: String) throws -> Ext4Volume.Node { try #require(try volume.node(at: path), "\(path)") }

    /// The offset of an inode's record, and of a field in it.
    func inode(_ path: String, _ field: Int = 0) throws -> Int { Int(try node(path).record.offset) + field }
    func inode(_ number: UInt32, _ field: Int = 0) throws -> Int { Int(try volume.offset(of: number)) + field }

    /// The offset of a block of a file or directory.
    func offset(_ path: String, block: UInt64 = 0) throws -> Int {
        let node = try node(path)
        var budget: UInt64 = 1 << 20
        let extents = try Ext4BlockMapReader.extents(of: node.record, in: volume, budget: &budget)
        let extent = try #require(extents.last { $0.first <= block })
        return Int(extent.disk + block - extent.first) * blockSize
    }

    /// The offset of a name's entry.
    func entry(_ name: String, in path: String) throws -> Int {
        var budget: UInt64 = 1 << 20
        let entries = try volume.entries(of: node(path), blockBudget: &budget)
        return Int(try #require(entries.first { $0.name == Array(name.utf8) }, "\(name)").offset)
    }

    /// The offset of a group's descriptor, and of a field in it.
    func descriptor(_ group: Int, _ field: Int = 0) -> Int {
        let first = Int(volume.superblock.firstBlock + 1) * blockSize
        return first + group * volume.superblock.descriptorSize + field
    }

    // MARK: Checksums

    mutating func sealSuperblock() {
        let start = Self.superblock(0)
        store(
            Ext4Checksums.superblock(Array(bytes[start..<start + Ext4Superblock.length])),
            at: Self.superblock(Ext4Superblock.Field.checksum))
    }

    mutating func sealGroup(_ group: Int) {
        let start = descriptor(group)
        let text = Array(bytes[start..<start + volume.superblock.descriptorSize])
        if let sum = volume.checksums.descriptor(text, group: UInt32(group), volume.superblock.bytes) {
            store(sum, at: descriptor(group, Descriptor.checksum))
        }
    }

    /// Repairs the checksums of a group's bitmaps and of its descriptor.
    mutating func sealBitmaps(_ group: Int) {
        let locations = volume.groups[group]
        let perGroup = Int(volume.superblock.information.blocksPerGroup)
        for (block, bits, low, high) in [
            (locations.blockBitmap, perGroup, Descriptor.blockBitmapChecksum, Descriptor.blockBitmapChecksumHigh),
            (
                locations.inodeBitmap, Int(volume.superblock.inodesPerGroup), Descriptor.inodeBitmapChecksum,
                Descriptor.inodeBitmapChecksumHigh
            ),
        ] {
            let sum = volume.checksums.bitmap(self.block(block).prefix(bits / 8))
            store(UInt16(truncatingIfNeeded: sum), at: descriptor(group, low))
            if volume.superblock.descriptorSize >= Ext4GroupDescriptor.longSize {
                store(UInt16(truncatingIfNeeded: sum >> 16), at: descriptor(group, high))
            }
        }
        sealGroup(group)
    }

    mutating func sealInode(_ number: UInt32) throws {
        let start = try inode(number)
        let record = Array(bytes[start..<start + volume.superblock.inodeSize])
        guard let wrong = volume.checksums.inode(record, number) else { return }
        store(UInt16(truncatingIfNeeded: wrong.expected), at: start + Inode.checksum)
        if record.count > Ext4Inode.minimumSize, u16(start + Inode.extraSize) >= 4 {
            store(UInt16(truncatingIfNeeded: wrong.expected >> 16), at: start + Inode.checksumHigh)
        }
    }

    private func seed(_ inode: UInt32) throws -> UInt32 {
        volume.checksums.seed(inode: inode, generation: u32(try self.inode(inode, Inode.generation)))
    }

    /// - Parameter offset: of any byte of the block.
    mutating func sealExtents(at offset: Int, of inode: UInt32) throws {
        let start = offset / blockSize * blockSize
        if let wrong = volume.checksums.extentBlock(block(UInt64(start / blockSize)), seed: try seed(inode)) {
            let maximum = Int(u16(start + Ext4ExtentNode.Header.maximum))
            let tail = start + Ext4ExtentNode.Header.length + Ext4ExtentNode.Entry.length * maximum
            if tail + 4 <= start + blockSize { store(wrong.expected, at: tail) }
        }
    }

    /// - Parameter offset: of any byte of the block.
    mutating func sealDirectory(at offset: Int, of inode: UInt32) throws {
        let start = offset / blockSize * blockSize
        let text = block(UInt64(start / blockSize))
        guard let wrong = volume.checksums.directoryBlock(text, seed: try seed(inode)) else { return }
        if let entries = Ext4IndexBlock.entriesOffset(in: text) {
            let limit = Int(u16(start + entries + Ext4IndexBlock.Entry.limit))
            let checksum = entries + Ext4IndexBlock.Entry.length * limit + Ext4IndexBlock.tailChecksum
            if checksum + 4 <= blockSize { store(wrong.expected, at: start + checksum) }
        } else {
            let tail = blockSize - Ext4DirectoryEntry.Tail.length
            store(wrong.expected, at: start + tail + Ext4DirectoryEntry.Tail.checksum)
        }
    }

    mutating func sealAttributes(_ number: UInt64) {
        if let wrong = volume.checksums.attributeBlock(block(number), at: number) {
            store(wrong.expected, at: Int(number) * blockSize + Ext4Attributes.Header.checksum)
        }
    }

    // MARK: Changes

    /// Changes an inode's record.
    mutating func change(_ path: String, isSealed: Bool = true, _ body: (inout Ext4Forger, Int) throws -> Void) throws {
        let node = try node(path)
        try body(&self, Int(node.record.offset))
        if isSealed { try sealInode(node.inode) }
    }

    /// Changes a directory's block at a byte of it.
    mutating func change(
        directory path: String, at offset: Int, _ body: (inout Ext4Forger, Int) throws -> Void
    ) throws {
        try body(&self, offset)
        try sealDirectory(at: offset, of: node(path).inode)
    }

    /// Changes a group's descriptor.
    mutating func change(group: Int, _ body: (inout Ext4Forger, Int) -> Void) {
        body(&self, descriptor(group))
        sealGroup(group)
    }

    /// Writes the changed bytes (or their old values, from `old`) into an image.
    func write(to image: String, from old: [UInt8]? = nil) throws {
        let file = try OpenFile(image.utf8, O_WRONLY)
        for number in touched.sorted() {
            let range = number * 1024..<min((number + 1) * 1024, bytes.count)
            try file.write(Array((old ?? bytes)[range]), at: UInt64(range.lowerBound))
        }
    }
}
