import Foundation
import Testing

@testable import ImageKit

@Suite struct MBRTableTests {
    /// NixOS' image of a 2,164,228,096-byte root.
    static func nixos() throws -> MBRTable {
        try MBRTable(
            diskID: 0x2178_694E,
            partitions: [
                MBREntry(number: 1, start: 16_384, count: 61_440, type: 0x0B),
                MBREntry(number: 2, start: 77_824, count: 4_227_008, type: 0x83, isActive: true),
            ])
    }

    @Test func writesWhatSfdiskWroteForNixOS() throws {
        let sector = try Self.nixos().encoded()
        #expect(sector.count == 512)
        #expect(sector[..<440].allSatisfy { $0 == 0 })
        #expect(sector[440..<446] == [0x4E, 0x69, 0x78, 0x21, 0, 0])
        #expect(
            sector[446..<462]
                == [0, 0x05, 0x05, 0x01, 0x0B, 0xD7, 0x13, 0x04, 0, 0x40, 0, 0, 0, 0xF0, 0, 0])
        #expect(
            sector[462..<478]
                == [0x80, 0xD7, 0x14, 0x04, 0x83, 0xF5, 0x6A, 0x0B, 0, 0x30, 0x01, 0, 0xC0, 0x7F, 0x40, 0])
        #expect(sector[478..<510].allSatisfy { $0 == 0 })
        #expect(sector[510...] == [0x55, 0xAA])
    }

    @Test func readsItsOwnTables() throws {
        let far = UInt64(UInt32.max) - 10
        let table = try MBRTable(
            diskID: 7,
            partitions: [
                MBREntry(number: 4, start: 2048, count: 1, type: 0x0C),
                MBREntry(number: 2, start: far, count: 11, type: 0x83, isActive: true),
            ])
        #expect(table.partitions.map(\.number) == [2, 4])
        let sector = table.encoded()
        #expect(try MBRTable.parse(sector) == table)
        #expect(sector[463..<466] == [0xFE, 0xFF, 0xFF] && sector[467..<470] == [0xFE, 0xFF, 0xFF])
        #expect(try MBRTable.parse(ArraySlice([1, 2, 3] + sector)[3...]) == table, "a slice, from its own start")
    }

    static func partition(_ number: Int, _ start: UInt64, _ count: UInt64, type: UInt8 = 0x83) -> MBREntry {
        MBREntry(number: number, start: start, count: count, type: type)
    }

    @Test(arguments: [
        ((1...5).map { partition($0, UInt64($0), 1) }, "the partition table cannot hold 5 partitions"),
        ([partition(0, 1, 1)], "its number is not 1 to 4"), ([partition(1, 1, 1, type: 0)], "its type is 0"),
        ([partition(1, 0, 1)], "it begins where the table lies"), ([partition(1, 1, 0)], "it is empty"),
        ([partition(3, 1, 1), partition(3, 2, 1)], "two partitions have the number 3"),
        (
            [partition(1, 77_824, 10), partition(2, 16_384, 61_441)],
            "partitions 2 and 1 overlap: one ends before sector 77825, the other begins at 77824; move the second to "
                + "sector 77825 or later"
        ),
        (
            [partition(2, 77_824, 1 << 32)],
            "partition 2 does not fit the partition table: it begins at sector 77824 and has 4294967296, and an MBR "
                + "counts 4294967296 sectors of 512 bytes (2 TiB); make it end within 2 TiB"
        ),
        ([partition(1, .max, .max)], "2 TiB"), ([partition(1, 1 << 32, 1)], "2 TiB"),
    ])
    func refuses(partitions: [MBREntry], sentence: String) throws {
        let error = #expect(throws: ImageError.self) { try MBRTable(diskID: 1, partitions: partitions) }
        #expect("\(try #require(error))".contains(sentence))
    }

    @Test func refusesOtherSectors() throws {
        func error(_ change: (inout [UInt8]) -> Void) throws -> ImageError {
            var sector = try Self.nixos().encoded()
            change(&sector)
            return try #require(throws: ImageError.self) { try MBRTable.parse(sector) }
        }
        #expect(try "\(error { $0[MBRTable.Field.signature] = 0 })".contains("the signature 55 aa is missing"))
        #expect(try "\(error { $0.removeLast() })".contains("there are only 511 bytes"))
        #expect(try "\(error { $0[MBRTable.Field.entry(2)] = 0x6F })".contains("the flag of entry 2 is 111"))
        // The second byte of 0x4000: the first partition begins at sector 0.
        let damaged = try error { $0[MBRTable.Field.entry(1) + MBRTable.EntryField.start + 1] = 0 }
        #expect(damaged.code == .corrupt && "\(damaged)".contains("the partition table is damaged"))
    }

    @Test func readsAnythingWithoutTrapping() throws {
        var random = Fuzz.random(1)
        for _ in 0..<Fuzz.iterations(2000) {
            var sector = (0..<512).map { _ in UInt8.random(in: 0...255, using: &random) }
            sector[510] = 0x55
            sector[511] = 0xAA
            for entry in 0..<4 {
                sector[446 + entry * 16] = [0, 0x80, 0, 0x80, 1].randomElement(using: &random) ?? 0
            }
            if Bool.random(using: &random) { for byte in 462..<510 { sector[byte] = 0 } }
            if let table = try? MBRTable.parse(sector) {
                #expect(try MBRTable.parse(table.encoded()) == table)
            }
        }
    }

    @Test(.enabled(if: Judge.hasFATTools, "\(Judge.fatReason)"), arguments: 0..<12)
    func sfdiskWritesAndReadsTheSame(seed: UInt64) throws {
        let scratch = try ScratchDirectory()
        var random = SplitMix(state: seed)
        var start: UInt64 = 2048 * UInt64.random(in: 1...9, using: &random)
        var partitions: [MBREntry] = []
        for number in Array(1...4).filter({ _ in Bool.random(using: &random) }) {
            let count = UInt64.random(in: 1...(seed < 6 ? 3_000_000 : 900_000_000), using: &random)
            partitions.append(
                MBREntry(
                    number: number, start: start, count: count, type: [0x0B, 0x83, 0x0C][number % 3],
                    isActive: number == 2))
            start += count + UInt64.random(in: 0...4096, using: &random)
        }
        let table = seed == 0 ? try Self.nixos() : try MBRTable(diskID: 0xA000_0001, partitions: partitions)
        let size = max(start, 4_304_832) * 512

        let theirs = try scratch.empty("theirs.img", size: size)
        let script = table.partitions.map {
            "\(theirs)\($0.number) : start=\($0.start), size=\($0.count), type=\(String($0.type, radix: 16))"
                + ($0.isActive ? ", bootable" : "")
        }
        let id = "0x" + String(table.diskID, radix: 16)
        let wrote = try Judge.run(
            "sfdisk", ["--no-reread", "--no-tell-kernel", theirs],
            input: "label: dos\nlabel-id: \(id)\nunit: sectors\n" + script.joined(separator: "\n") + "\n")
        #expect(wrote.status == 0, "\(wrote.said)")
        let sector = try scratch.read(theirs, 512)
        #expect(table.encoded() == sector)
        #expect(try MBRTable.parse(sector) == table)

        var map = SegmentMap(size: size)
        map.add(table.encoded(), at: 0)
        try map.seal()
        let ours = try scratch.write(map, as: "ours.img")
        let verified = try Judge.run("sfdisk", ["--verify", ours])
        #expect(verified.status == 0 && verified.said.contains("No errors detected"), "\(verified.said)")
        let json = try Judge.run("sfdisk", ["-J", ours]).said
        let read = try #require(JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: [String: Any]])
        #expect(read["partitiontable"]?["id"] as? String == id)
        let rows = read["partitiontable"]?["partitions"] as? [[String: Any]] ?? []
        #expect(rows.map { $0["start"] as? UInt64 } == table.partitions.map(\.start))
        #expect(rows.map { $0["size"] as? UInt64 } == table.partitions.map(\.count))
        #expect(rows.map { $0["node"] as? String } == table.partitions.map { "\(ours)\($0.number)" })
    }
}
