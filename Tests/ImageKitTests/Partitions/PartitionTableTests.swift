import Foundation
import SystemPackage
import Testing

@testable import ImageKit

/// Partition tables of other tools, compared with the output of sfdisk.
@Suite(.enabled(if: Judge.has("sfdisk"), "needs fdisk"))
struct PartitionTableTests {
    /// The output of `sfdisk --json`.
    struct Listing: Decodable {
        struct Table: Decodable {
            var label: String
            var id: String
            var partitions: [Entry]?
        }
        struct Entry: Decodable {
            var node: String
            var start: UInt64
            var size: UInt64
            var type: String
            var uuid: String?
            var name: String?
            var bootable: Bool?
        }
        var partitiontable: Table
    }

    private func compare(_ image: String) throws -> PartitionTable {
        let table = try PartitionTable.read(from: try FileSource(.init(image)))
        let said = try Judge.run("sfdisk", ["--json", image]).said
        let listing = try JSONDecoder().decode(Listing.self, from: Data(said.utf8)).partitiontable
        #expect(table.scheme.rawValue == (listing.label == "dos" ? "mbr" : listing.label))
        #expect(table.identifier == listing.id)
        let entries = listing.partitions ?? []
        #expect(table.partitions.count == entries.count)
        for (found, entry) in zip(table.partitions, entries) {
            #expect("\(image)\(found.number)" == entry.node)
            #expect(found.bytes == entry.start * 512..<(entry.start + entry.size) * 512)
            #expect(found.typeText == (entry.type.count == 1 ? "0" + entry.type : entry.type))
            #expect(found.name ?? "" == entry.name ?? "")
            if let uuid = entry.uuid { #expect(found.id?.uppercased() == uuid) }
            if listing.label == "dos" { #expect(found.isActive == (entry.bootable ?? false)) }
        }
        return table
    }

    @Test func primaryAndLogicalPartitions() throws {
        let directory = try ScratchDirectory()
        let table = try compare(
            try directory.disk(
                """
                label: dos
                label-id: 0x2178694e
                start=2048, size=8192, type=c
                start=10240, size=4096, type=83, bootable
                start=20480, size=100000, type=5
                start=22528, size=2048, type=83
                start=30720, size=2048, type=82
                start=40960, size=10000, type=b

                """, size: 64 << 20))
        #expect(table.partitions.map(\.number) == [1, 2, 3, 5, 6, 7] && table.partitions[2].isExtended)
        #expect(table.partitions.map(\.id) == ["1", "2", "3", "5", "6", "7"].map { "2178694e-0\($0)" })
    }

    @Test func aTableOfGUIDs() throws {
        let directory = try ScratchDirectory()
        let image = try directory.disk(
            """
            label: gpt
            label-id: 01234567-89AB-4CDE-8F01-23456789ABCD
            start=2048, size=8192, type=U, name="firmware ü"
            start=10240, size=4096, type=L
            start=20480, size=100, type=S, name="with a long, long name of up to 36 ch"

            """, size: 64 << 20)
        let table = try compare(image)
        #expect(table.partitions.first?.typeName == "EFI system")

        // If the first header or its entries are damaged, the copy at the end is used.
        for offset in [512 + UInt64(GPTHeader.Field.disk), 1024 + UInt64(GPTHeader.EntryField.first)] as [UInt64] {
            let file = try OpenFile(image.utf8, O_RDWR)
            let before = file.read(1, at: offset)
            try file.write([before[0] ^ 1], at: offset)
            #expect(try PartitionTable.read(from: try FileSource(.init(image))) == table)
            try file.write(before, at: offset)
        }
        // If both are damaged, the error names the damage.
        let file = try OpenFile(image.utf8, O_RDWR)
        for offset in [512, (64 << 20) - 512] as [UInt64] {
            try file.write([0xEE], at: offset + UInt64(GPTHeader.Field.disk))
        }
        #expect(message(try PartitionTable.read(from: try FileSource(.init(image)))).contains("its checksum is wrong"))
    }

    /// Reading ends for a chain of logical partitions that leads to itself or past the end of the disk.
    @Test func circlesEnd() throws {
        let directory = try ScratchDirectory()
        let image = try directory.disk(
            """
            label: dos
            start=2048, size=100000, type=5
            start=4096, size=2048, type=83
            start=8192, size=2048, type=83

            """, size: 64 << 20)
        let file = try OpenFile(image.utf8, O_RDWR)
        let second: UInt64 = (8192 - 2048) * 512
        // The link of the second table leads to the first one, to itself, and past the end of the disk.
        for target in [0, UInt32(8192 - 2048 - 2048), .max] {
            var entry: [UInt8] = [0, 0, 0, 0, 5, 0, 0, 0]
            entry.append(littleEndian: target)
            entry.append(littleEndian: UInt32(2048))
            try file.write(entry, at: second + UInt64(MBRTable.Field.entry(2)))
            let table = try PartitionTable.read(from: try FileSource(.init(image)))
            #expect(table.partitions.map(\.number) == [1, 5, 6])
        }
    }

    @Test func aFilesystemWithoutATable() throws {
        let directory = try ScratchDirectory()
        let image = try directory.empty("whole.img", size: 8 << 20)
        for make in [["mkfs.vfat", image], ["mke2fs", "-q", "-F", image]] where Judge.has(make[0]) {
            try #require(try Judge.run(make[0], Array(make.dropFirst())).status == 0)
            let disk = try DiskImage.open(.init(image))
            #expect(disk.table.scheme == .none && disk.table.partitions.count == 1)
            #expect(try disk.volume(.number(1)).root().kind == .directory)
        }
        let empty = try directory.empty("empty.img", size: 8 << 20)
        #expect(message(try DiskImage.open(.init(empty))).contains("there is no disk in"))
    }
}
