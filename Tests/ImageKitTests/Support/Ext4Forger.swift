import Foundation
import SystemPackage
import Testing

@testable import ImageKit

/// A filesystem in memory whose bytes can be changed with the checksums repaired, so that damage gets deep.
struct Ext4Forger {
    private(set) var bytes: [UInt8]
    let volume: Ext4Volume
    /// What has been changed, in KiB.
    private(set) var touched: Set<Int> = []

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
        for place in offset / 1024...(offset + text.count - 1) / 1024 { touched.insert(place) }
    }

    mutating func flip(_ bit: UInt8 = 1, at offset: Int) { store(bytes[offset] ^ bit, at: offset) }

    func u16(_ offset: Int) -> UInt16 { bytes.load(at: offset) ?? 0 }
    func u32(_ offset: Int) -> UInt32 { bytes.load(at: offset) ?? 0 }
    func block(_ number: UInt64) -> [UInt8] { Array(bytes[Int(number) * blockSize..<Int(number + 1) * blockSize]) }

    // MARK: Places

    func node(_ path: String) throws -> Ext4Volume.Node { try #require(try volume.node(at: path), "\(path)") }
    func inode(_ path: String) throws -> Int { Int(try node(path).record.offset) }
    func inode(_ number: UInt32) throws -> Int { Int(try volume.offset(of: number)) }

    /// The byte where the block of a file or directory begins on the disk.
    func place(_ path: String, block: UInt64 = 0) throws -> Int {
        let node = try node(path)
        var limit: UInt64 = 1 << 20
        let runs = try Ext4BlockRuns.find(node.record, volume, limit: &limit)
        let run = try #require(runs.last { $0.first <= block })
        return Int(run.disk + block - run.first) * blockSize
    }

    /// The byte where the entry of a name begins.
    func entry(_ name: String, in path: String) throws -> Int {
        var budget: UInt64 = 1 << 20
        let entries = try volume.entries(of: node(path), blockBudget: &budget)
        return Int(try #require(entries.first { $0.name == Array(name.utf8) }, "\(name)").offset)
    }

    func descriptor(_ group: Int) -> Int {
        let first = Int(volume.superblock.firstBlock + 1) * blockSize
        return first + group * volume.superblock.descriptorSize
    }

    // MARK: Checksums

    mutating func sealSuperblock() { store(Ext4Checksums.superblock(Array(bytes[1024..<2048])), at: 1024 + 0x3FC) }

    mutating func sealGroup(_ group: Int) {
        let place = descriptor(group)
        let text = Array(bytes[place..<place + volume.superblock.descriptorSize])
        if let sum = volume.checksums.descriptor(text, group: UInt32(group), volume.superblock.bytes) {
            store(sum, at: place + 0x1E)
        }
    }

    /// Also the descriptor's own.
    mutating func sealBitmaps(_ group: Int) {
        let places = volume.groups[group]
        let perGroup = Int(volume.superblock.information.blocksPerGroup)
        for (block, bits, low, high) in [
            (places.blockBitmap, perGroup, 0x18, 0x38),
            (places.inodeBitmap, Int(volume.superblock.inodesPerGroup), 0x1A, 0x3A),
        ] {
            let sum = volume.checksums.bitmap(self.block(block).prefix(bits / 8))
            store(UInt16(truncatingIfNeeded: sum), at: descriptor(group) + low)
            if volume.superblock.descriptorSize >= 64 {
                store(UInt16(truncatingIfNeeded: sum >> 16), at: descriptor(group) + high)
            }
        }
        sealGroup(group)
    }

    mutating func sealInode(_ number: UInt32) throws {
        let place = try inode(number)
        let record = Array(bytes[place..<place + volume.superblock.inodeSize])
        guard let wrong = volume.checksums.inode(record, number) else { return }
        store(UInt16(truncatingIfNeeded: wrong.expected), at: place + 0x7C)
        if record.count > 128, u16(place + 0x80) >= 4 {
            store(UInt16(truncatingIfNeeded: wrong.expected >> 16), at: place + 0x82)
        }
    }

    private func seed(_ inode: UInt32) throws -> UInt32 {
        volume.checksums.seed(inode: inode, generation: u32(try self.inode(inode) + 0x64))
    }

    /// - Parameter place: any byte of the block.
    mutating func sealExtents(at place: Int, of inode: UInt32) throws {
        let start = place / blockSize * blockSize
        if let wrong = volume.checksums.extentBlock(block(UInt64(start / blockSize)), seed: try seed(inode)) {
            let tail = start + 12 + 12 * Int(u16(start + 4))
            if tail + 4 <= start + blockSize { store(wrong.expected, at: tail) }
        }
    }

    mutating func sealDirectory(at place: Int, of inode: UInt32) throws {
        let start = place / blockSize * blockSize
        let text = block(UInt64(start / blockSize))
        guard let wrong = volume.checksums.directoryBlock(text, seed: try seed(inode)) else { return }
        if let lines = Ext4Checksums.indexStart(text) {
            let tail = lines + 8 * Int(u16(start + lines)) + 4
            if tail + 4 <= blockSize { store(wrong.expected, at: start + tail) }
        } else {
            store(wrong.expected, at: start + blockSize - 4)
        }
    }

    mutating func sealAttributes(_ number: UInt64) {
        if let wrong = volume.checksums.attributeBlock(block(number), at: number) {
            store(wrong.expected, at: Int(number) * blockSize + 0x10)
        }
    }

    // MARK: Files

    /// Changes an inode's record.
    mutating func change(_ path: String, isSealed: Bool = true, _ body: (inout Ext4Forger, Int) throws -> Void) throws {
        let node = try node(path)
        try body(&self, Int(node.record.offset))
        if isSealed { try sealInode(node.inode) }
    }

    /// Changes a directory's block at a byte of it.
    mutating func change(
        directory path: String, at place: Int, _ body: (inout Ext4Forger, Int) throws -> Void
    ) throws {
        try body(&self, place)
        try sealDirectory(at: place, of: node(path).inode)
    }

    /// Changes a group's descriptor.
    mutating func change(group: Int, _ body: (inout Ext4Forger, Int) -> Void) {
        body(&self, descriptor(group))
        sealGroup(group)
    }

    /// Writes what has been changed (or what was there before, from `old`) into an image.
    func write(to image: String, from old: [UInt8]? = nil) throws {
        let file = try OpenFile(image.utf8, O_WRONLY)
        for place in touched.sorted() {
            let range = place * 1024..<min((place + 1) * 1024, bytes.count)
            try file.write(Array((old ?? bytes)[range]), at: UInt64(range.lowerBound))
        }
    }
}
