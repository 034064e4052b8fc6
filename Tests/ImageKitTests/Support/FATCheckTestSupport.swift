import Foundation

@testable import ImageKit

/// A FAT volume in memory, to be spoilt at places that have a name.
struct SpoiltFAT {
    var bytes: FATBytes
    let layout: FATLayout
    /// Where each slot of a directory lies, the root directory's first.
    let slots: [Int]

    init(_ bytes: FATBytes) throws {
        self.bytes = bytes
        let volume = try FATVolume(bytes)
        layout = volume.layout
        var slots: [Int] = []
        func collect(_ directory: FATVolume.Entry) throws {
            var claims: FATClusterSet?
            let places = try volume.places(of: directory, claims: &claims) { (_) throws(ImageError) in }
            try volume.readSlots(of: places) { (_, offset) throws(ImageError) in
                slots.append(Int(offset))
                return true
            }
            for entry in try volume.entries(of: directory) where entry.isDirectory { try collect(entry) }
        }
        try collect(volume.root)
        self.slots = slots
    }

    /// FAT16 of the formatter: directories `d` and `d/e`, files `a` (three clusters), `d/b`, `empty` and one with a long name.
    static func ours() throws -> SpoiltFAT {
        let sample = SampleTree(files: [
            "a": FATFormatterTests.bytes(1300, 1), "d/b": FATFormatterTests.bytes(700, 2), "d/e/": [], "empty": [],
            "A long name of 2.text": [7],
        ])
        return try SpoiltFAT(FATBytes.map(FATFormatter.layOut(sample.built(), options: FATOptions(size: 3 << 20))))
    }

    /// FAT12 or FAT32 of mkfs.vfat, filled by mtools.
    static func theirs(_ options: [String], mebibytes: UInt64) throws -> SpoiltFAT {
        let fat = try ForeignFAT(options + ["-n", "FIRMWARE"], size: mebibytes << 20)
        try fat.directory("/d")
        try fat.directory("/d/e")
        let size = Int(try fat.volume.layout.clusterSize)
        try fat.put(FATFormatterTests.bytes(2 * size + 100, 1), "/a")
        try fat.put(FATFormatterTests.bytes(size + 1, 2), "/d/b")
        try fat.put([7], "/A long name of 2.text")
        try fat.put([8], "/d/e/another long name")
        return try SpoiltFAT(FATBytes.file(fat.image))
    }

    /// Overwrites an entry, in all copies of the FAT unless one is named.
    mutating func link(_ cluster: Int, _ value: UInt32, copy: Int? = nil) {
        for index in 0..<Int(layout.fatCopies) where index == copy ?? index {
            let start = Int(layout.fatOffset) + index * Int(layout.fatSize)
            switch layout.kind {
            case .fat12:
                let place = start + cluster * 3 / 2
                let old = bytes.bytes.load(UInt16.self, at: place) ?? 0
                let new = UInt16(truncatingIfNeeded: value)
                bytes.bytes.store(cluster % 2 == 0 ? old & 0xF000 | new & 0xFFF : old & 0xF | new << 4, at: place)
            case .fat16: bytes.bytes.store(UInt16(truncatingIfNeeded: value), at: start + 2 * cluster)
            case .fat32: bytes.bytes.store(value, at: start + 4 * cluster)
            }
        }
    }

    /// Where the slot of this short name begins.
    func slot(_ short: String) throws -> Int {
        let name = Array(short.utf8) + Array(repeating: 0x20, count: 11 - short.utf8.count)
        guard let place = slots.first(where: { bytes.bytes[$0..<$0 + 11].elementsEqual(name) }) else {
            throw ImageError(.notFound, "no slot", path: short)
        }
        return place
    }

    /// Where the slot lies that ends the root directory of FAT12 or FAT16.
    var rootEnd: Int {
        var place = Int(layout.rootOffset)
        while bytes.bytes[place] != 0 { place += FATDirectoryEntry.size }
        return place
    }

    /// The first cluster of this short name.
    func cluster(_ short: String) throws -> Int { Int(bytes.bytes.load(UInt16.self, at: try slot(short) + 26) ?? 0) }

    /// Where its first cluster begins.
    func content(_ short: String) throws -> Int { Int(layout.offset(ofCluster: UInt64(try cluster(short)))) }

    mutating func set<T: FixedWidthInteger>(_ value: T, at offset: Int) { bytes.bytes.store(value, at: offset) }
    mutating func set(_ text: String, at offset: Int) { bytes.bytes.store(bytes: text.utf8, at: offset) }

    /// What the check finds, and the tree it gives.
    func check() throws -> (found: [Finding], tree: FileTree?) {
        var found: [Finding] = []
        let tree = try FATCheck.run(bytes) { found.append($0) }
        return (found, tree)
    }
}

extension Judge {
    /// What fsck.fat says of an image, besides its name and its summary; empty where it is content.
    static func fsckFAT(_ image: String) throws -> String {
        let said = try run("fsck.fat", ["-n", image]).said
        return said.split(separator: "\n").filter {
            !$0.hasPrefix("fsck.fat 4") && !$0.hasPrefix("Leaving filesystem") && !$0.contains(" files, ")
        }.joined(separator: "\n")
    }

    /// The same, of bytes.
    static func fsckFAT(_ bytes: FATBytes, in scratch: borrowing ScratchDirectory) throws -> String {
        let file = scratch.path + "/judged.img"
        try Data(bytes.bytes).write(to: URL(fileURLWithPath: file))
        return try fsckFAT(file)
    }
}
