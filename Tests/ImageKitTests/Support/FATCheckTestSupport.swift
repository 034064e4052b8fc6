import Foundation

@testable import ImageKit

/// A FAT volume in memory, to be damaged at offsets with names.
struct DamagedFAT {
    var bytes: FATBytes
    let layout: FATVolume.Layout
    /// The offset of each directory slot, those of the root directory first.
    let slots: [Int]

    init(_ bytes: FATBytes) throws {
        self.bytes = bytes
        let volume = try FATVolume(bytes)
        layout = volume.layout
        var slots: [Int] = []
        func collect(_ directory: FATVolume.Entry) throws {
            var claims: FATClusterSet?
            let ranges = try volume.slotRanges(of: directory, claims: &claims) { (_) throws(ImageError) in }
            try volume.readSlots(in: ranges) { (_, offset) throws(ImageError) in
                slots.append(Int(offset))
                return true
            }
            for entry in try volume.entries(of: directory) where entry.isDirectory { try collect(entry) }
        }
        try collect(volume.root)
        self.slots = slots
    }

    /// FAT16 of the formatter: directories `d` and `d/e`, files `a` (three clusters), `d/b`, `empty`, and a file with
    /// a long name.
    static func formatted() throws -> DamagedFAT {
        let sample = SampleTree(files: [
            "a": FATFormatterTests.bytes(1300, 1), "d/b": FATFormatterTests.bytes(700, 2), "d/e/": [], "empty": [],
            "A long name of 2.text": [7],
        ])
        return try DamagedFAT(FATBytes.map(FATFormatter.layOut(sample.built(), FATOptions(size: 3 << 20)).map))
    }

    /// FAT12 or FAT32 of mkfs.vfat, filled by mtools.
    static func foreign(_ options: [String], mebibytes: UInt64) throws -> DamagedFAT {
        let fat = try ForeignFAT(options + ["-n", "FIRMWARE"], size: mebibytes << 20)
        try fat.directory("/d")
        try fat.directory("/d/e")
        let size = Int(try fat.volume.layout.clusterSize)
        try fat.put(FATFormatterTests.bytes(2 * size + 100, 1), "/a")
        try fat.put(FATFormatterTests.bytes(size + 1, 2), "/d/b")
        try fat.put([7], "/A long name of 2.text")
        try fat.put([8], "/d/e/another long name")
        return try DamagedFAT(FATBytes.file(fat.image))
    }

    /// Overwrites an entry of the FAT, in one copy or in all.
    mutating func link(_ cluster: Int, _ value: UInt32, copy: Int? = nil) {
        for index in 0..<Int(layout.fatCopies) where index == copy ?? index {
            let start = Int(layout.fatOffset) + index * Int(layout.fatSize)
            switch layout.kind {
            case .fat12:
                let offset = start + cluster * 3 / 2
                let old = bytes.bytes.load(UInt16.self, at: offset) ?? 0
                let new = UInt16(truncatingIfNeeded: value)
                bytes.bytes.store(cluster % 2 == 0 ? old & 0xF000 | new & 0xFFF : old & 0xF | new << 4, at: offset)
            case .fat16: bytes.bytes.store(UInt16(truncatingIfNeeded: value), at: start + 2 * cluster)
            case .fat32: bytes.bytes.store(value, at: start + 4 * cluster)
            }
        }
    }

    /// The offset of the slot with this short name.
    func slot(_ short: String) throws -> Int {
        let name = Array(short.utf8) + Array(repeating: 0x20, count: 11 - short.utf8.count)
        guard let offset = slots.first(where: { bytes.bytes[$0..<$0 + 11].elementsEqual(name) }) else {
            throw ImageError(.notFound, "no slot", path: short)
        }
        return offset
    }

    /// The offset of a piece of the long name before the slot `ALONGN~1TEX`; 1 is the first piece of the name.
    func piece(_ number: Int) throws -> Int { try slot("ALONGN~1TEX") - number * FATDirectoryEntry.size }

    /// The offset of the slot that ends the root directory of FAT12 or FAT16.
    var rootEnd: Int {
        var offset = Int(layout.rootOffset)
        while bytes.bytes[offset] != 0 { offset += FATDirectoryEntry.size }
        return offset
    }

    /// The first cluster of the file with this short name.
    func cluster(_ short: String) throws -> Int {
        Int(bytes.bytes.load(UInt16.self, at: try slot(short) + FATDirectoryEntry.Field.clusterLow) ?? 0)
    }

    /// The offset of the first cluster of the file with this short name.
    func content(_ short: String) throws -> Int { Int(layout.offset(ofCluster: UInt64(try cluster(short)))) }

    mutating func set<T: FixedWidthInteger>(_ value: T, at offset: Int) { bytes.bytes.store(value, at: offset) }
    mutating func set(_ text: String, at offset: Int) { bytes.bytes.store(bytes: text.utf8, at: offset) }

    /// The findings of the check, and its tree.
    func check() throws -> (found: [Finding], tree: FileTree?) {
        var found: [Finding] = []
        let tree = try FATCheck.run(bytes) { found.append($0) }
        return (found, tree)
    }
}

extension Judge {
    /// The output of fsck.fat about an image, without its name and its summary; empty if it finds nothing.
    static func fsckFAT(_ image: String) throws -> String {
        let said = try run("fsck.fat", ["-n", image]).said
        return said.split(separator: "\n").filter {
            !$0.hasPrefix("fsck.fat 4") && !$0.hasPrefix("Leaving filesystem") && !$0.contains(" files, ")
        }.joined(separator: "\n")
    }

    /// The output of fsck.fat about a volume in memory.
    static func fsckFAT(_ bytes: FATBytes, in scratch: borrowing ScratchDirectory) throws -> String {
        let file = scratch.path + "/judged.img"
        try Data(bytes.bytes).write(to: URL(fileURLWithPath: file))
        return try fsckFAT(file)
    }
}
