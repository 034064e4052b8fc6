import Foundation
import Testing

@testable import ImageKit

/// Checks of partition tables: no finding for a sound table, and the expected findings for each damage.
@Suite(.enabled(if: Judge.has("sfdisk"), "needs fdisk"))
struct PartitionCheckTests {
    private static let size: UInt64 = 8 << 20

    private static func disk(_ script: String, size: UInt64 = size) throws -> FATBytes {
        let directory = try ScratchDirectory()
        let image = try directory.disk(script, size: size)
        try #require(try Judge.run("sfdisk", ["--verify", image]).status == 0)
        return try FATBytes.file(image)
    }

    /// Two primary partitions, and two logical ones.
    static let mbr = Result {
        try disk(
            """
            label: dos
            label-id: 0x2178694e
            start=2048, size=2048, type=c
            start=4096, size=2048, type=83, bootable
            start=6144, size=8000, type=5
            start=8192, size=2048, type=83
            start=12288, size=1000, type=82

            """)
    }

    static let gpt = Result {
        try disk(
            """
            label: gpt
            start=2048, size=2048, type=U, name="firmware"
            start=4096, size=8000, type=L, name="root"

            """)
    }

    private func findings(_ source: any ByteSource) throws -> [Finding] {
        var found: [Finding] = []
        try PartitionCheck.run(source) { found.append($0) }
        return found
    }

    @Test func isSilentOnSoundTables() throws {
        #expect(try findings(Self.mbr.get()) == [])
        #expect(try findings(Self.gpt.get()) == [])
        #expect(try findings(ImagePlan(SmallClosure.shared.get().recipe).map) == [])
        let empty = try Self.disk("label: dos\nstart=2048, size=2048, type=83\nstart=4096, size=2048, type=f\n")
        #expect(try findings(empty) == [], "an extended partition with nothing in it")
        #expect(try findings(Self.disk("label: gpt\n")) == [])
        #expect(try findings(Self.disk("label: dos\n")) == [])
    }

    struct Damage: Sendable, CustomTestStringConvertible {
        var name: String
        var isGPT: Bool
        var kinds: [Finding.Kind]
        var plant: @Sendable (inout [UInt8]) throws -> Void
        var testDescription: String { name }

        init(
            _ name: String, gpt: Bool = false, _ kinds: [Finding.Kind],
            _ plant: @escaping @Sendable (inout [UInt8]) throws -> Void
        ) {
            (self.name, isGPT, self.kinds, self.plant) = (name, gpt, kinds, plant)
        }
    }

    private typealias MBR = MBRTable.Field
    private typealias Entry = MBRTable.EntryField
    private typealias Header = GPTHeader.Field
    private typealias GPTEntry = GPTHeader.EntryField

    /// The offsets of the tables of the two logical partitions.
    private static let logical = [6144 * 512, 10240 * 512]
    /// The offsets of the first header of the GPT and of its entries.
    private static let first = 512, firstEntries = 1024
    /// The offsets of the last header of the GPT and of its entries.
    private static let last = Int(size) - 512, lastEntries = last - 32 * 512

    static let damages: [Damage] = [
        Damage("no signature", [.partitionTable]) { $0[MBR.signature] = 0 },
        Damage("an invalid flag", [.partitionTable]) { $0[MBR.entry(1) + Entry.status] = 3 },
        Damage("too short a disk", [.partitionTable]) { $0.removeSubrange(100...) },
        Damage("partitions overlap", [.partitionOverlap]) { $0.store(3000 as UInt32, at: MBR.entry(1) + Entry.count) },
        Damage("one inside the other", [.partitionOverlap]) {
            $0.store(3000 as UInt32, at: MBR.entry(2) + Entry.start)
            $0.store(50 as UInt32, at: MBR.entry(2) + Entry.count)
        },
        Damage("overlaps the extended one", [.partitionOverlap]) {
            $0.store(2100 as UInt32, at: MBR.entry(2) + Entry.count)
        },
        Damage("past the end", [.partitionPastEnd, .partitionPastEnd]) { $0.removeSubrange((12_800 * 512)...) },
        Damage("on the table", [.partitionOnTable]) {
            $0.store(0 as UInt32, at: MBR.entry(1) + Entry.start)
            $0.store(1 as UInt32, at: MBR.entry(1) + Entry.count)
        },
        Damage("two to boot from", [.partitionActive]) { $0[MBR.entry(1) + Entry.status] = Entry.active },
        Damage("not aligned", [.partitionAlignment]) { $0.store(63 as UInt32, at: MBR.entry(1) + Entry.start) },
        Damage("no identifier", [.partitionIdentifier]) { $0.store(0 as UInt32, at: MBR.diskID) },
        Damage("a chain past the end", [.partitionChain]) {
            $0.store(UInt32.max, at: logical[0] + MBR.entry(2) + Entry.start)
        },
        Damage("a chain to no table", [.partitionChain]) { $0[logical[1] + MBR.signature] = 0 },
        Damage("no first table", [.partitionChain]) { $0[logical[0] + MBR.signature] = 0 },
        Damage("a chain in a circle", [.partitionChainCircle]) {
            $0.store(0 as UInt32, at: logical[0] + MBR.entry(2) + Entry.start)
        },
        Damage("outside", [.partitionOutside]) {
            $0.store(4000 as UInt32, at: logical[1] + MBR.entry(1) + Entry.start)
        },
        Damage("protection of another type", gpt: true, [.gptUnprotected]) { $0[MBR.entry(1) + Entry.type] = 0x83 },
        Damage("no MBR before it", gpt: true, [.gptUnprotected]) { $0[MBR.signature] = 0 },
        Damage("protection that begins elsewhere", gpt: true, [.gptUnprotected]) { $0[MBR.entry(1) + Entry.start] = 2 },
        Damage("a partition besides the protection", gpt: true, [.gptProtection]) {
            $0[MBR.entry(2) + Entry.type] = 0x83
            $0.store(2048 as UInt32, at: MBR.entry(2) + Entry.start)
            $0.store(2048 as UInt32, at: MBR.entry(2) + Entry.count)
        },
        Damage("the first header", gpt: true, [.gptPrimary]) { $0[first + Header.disk + 4] ^= 1 },
        Damage("no first header", gpt: true, [.gptPrimary]) { $0[first + Header.signature] ^= 1 },
        Damage("the first entries", gpt: true, [.gptPrimary]) { $0[firstEntries + GPTEntry.first + 1] ^= 1 },
        Damage("the last header", gpt: true, [.gptBackup]) { $0[last + Header.disk + 4] ^= 1 },
        Damage("no last header", gpt: true, [.gptBackup]) { $0[last + Header.signature] ^= 1 },
        Damage("the last entries", gpt: true, [.gptBackup]) { $0[lastEntries + GPTEntry.first + 1] ^= 1 },
        Damage("both headers", gpt: true, [.gptPrimary, .gptBackup]) {
            $0[first + Header.disk + 4] ^= 1
            $0[last + Header.disk + 4] ^= 1
        },
        Damage("no GPT", gpt: true, [.gptPrimary]) {
            $0[first + Header.signature] ^= 1
            $0[last + Header.signature] ^= 1
        },
        Damage("cut off", gpt: true, [.gptBackupMissing]) { $0.removeLast(1 << 20) },
        Damage("made longer", gpt: true, [.gptBackupPlace]) { $0 += [UInt8](repeating: 0, count: 1 << 20) },
        Damage("tables that differ", gpt: true, [.gptBackup]) {
            $0[firstEntries + GPTEntry.name] ^= 1
            repair(&$0, header: first)
        },
        Damage("a partition past the end", gpt: true, [.gptRange, .gptBackup, .partitionPastEnd]) {
            $0.store(20_000 as UInt64, at: firstEntries + GPTEntry.end + GPTEntry.last)
            repair(&$0, header: first)
        },
        Damage("the same identifier", gpt: true, [.gptSameIdentifier]) {
            for entries in [firstEntries, lastEntries] {
                let id = entries + GPTEntry.id
                $0.store(bytes: Array($0[id..<id + GUID.size]), at: id + GPTEntry.end)
            }
            repair(&$0, header: first)
            repair(&$0, header: last)
        },
        Damage("entries that overlap", gpt: true, [.partitionOverlap]) {
            for entries in [firstEntries, lastEntries] { $0.store(5000 as UInt64, at: entries + GPTEntry.last) }
            repair(&$0, header: first)
            repair(&$0, header: last)
        },
    ]

    /// Updates the checksums of a header and of its entries, if these are on the disk.
    private static func repair(_ bytes: inout [UInt8], header: Int) {
        guard header + 512 <= bytes.count, let sector: UInt64 = bytes.load(at: header + Header.entries),
            let count: UInt32 = bytes.load(at: header + Header.count),
            let size: UInt32 = bytes.load(at: header + Header.entrySize)
        else { return }
        let start = sector.multipliedClamping(by: 512), length = UInt64(count) * UInt64(size)
        if length <= 1 << 16, start <= UInt64(bytes.count), length <= UInt64(bytes.count) - start {
            bytes.store(CRC32.of(bytes[Int(start)..<Int(start + length)]), at: header + Header.entriesChecksum)
        }
        bytes.store(0 as UInt32, at: header + Header.checksum)
        bytes.store(CRC32.of(bytes[header..<header + Header.end]), at: header + Header.checksum)
    }

    @Test(arguments: damages)
    func namesTheDamage(_ damage: Damage) throws {
        var disk = try (damage.isGPT ? Self.gpt : Self.mbr).get()
        try damage.plant(&disk.bytes)
        let found = try findings(disk)
        #expect(found.map(\.kind) == damage.kinds, "\(found)")
        for finding in found { #expect(!finding.what.hasSuffix(".") && finding.offset != nil) }
    }

    /// A card with an image that has an MBR, and with the copy of an older GPT at its end.
    @Test func aLeftoverOfAnotherTableIsNotDamage() throws {
        var bytes = try Self.mbr.get().bytes
        let other = try Self.gpt.get().bytes
        bytes.replaceSubrange(bytes.count - 33 * 512..<bytes.count, with: other.suffix(33 * 512))
        #expect(try findings(FATBytes(bytes: bytes)).isEmpty)
        #expect(try PartitionTable.read(from: FATBytes(bytes: bytes)).scheme == .mbr)
    }

    @Test func comparesTypesWithContents() throws {
        let plan = try ImagePlan(SmallClosure.shared.get().recipe)
        func kinds(_ types: [UInt8]) throws -> [String] {
            var head = try plan.map.read(512, at: 0)
            for (index, type) in types.enumerated() { head[MBR.entry(index + 1) + Entry.type] = type }
            var map = SegmentMap(size: plan.map.size)
            map.add(head, at: 0)
            map.add(plan.map, start: 512, length: plan.map.size - 512, at: 512)
            try map.seal()
            var found: [Finding] = []
            try PartitionCheck.checkContents(of: DiskImage(map, path: "x.img")) { found.append($0) }
            return found.map { "\($0.kind.name) \($0.what)" }
        }
        #expect(try kinds([0x0B, 0x83]) == [] && kinds([0x0E, 0x83]) == [] && kinds([0xDA, 0xDA]) == [])
        #expect(
            try kinds([0x83, 0x0C]) == [
                "partition-type partition 1 is for Linux (type 83), and holds a FAT filesystem",
                "partition-type partition 2 is for FAT32 (type 0c), and holds an ext filesystem",
            ])
    }

    /// Tables with correct checksums and random damage.
    @Test(.timeLimit(.minutes(60)), arguments: [false, true])
    func nothingStopsTheCheck(isGPT: Bool) throws {
        let sound = try (isGPT ? Self.gpt : Self.mbr).get()
        var random = Fuzz.random(isGPT ? 501 : 502)
        let areas =
            isGPT
            ? [
                MBR.entry(1)..<MBR.entry(2), Self.first + 8..<Self.first + Header.end,
                Self.firstEntries..<Self.firstEntries + 2 * GPTEntry.end, Self.last + 8..<Self.last + Header.end,
            ]
            : [MBR.diskID..<MBR.end] + Self.logical.map { $0 + MBR.entries..<$0 + MBR.end }
        var disk = sound
        var seen: Set<Finding.Kind> = []
        for round in 0..<Fuzz.iterations(isGPT ? 40 : 200) {
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                let area = areas.randomElement(using: &random) ?? 0..<1
                let offset = Int.random(in: area, using: &random)
                disk.bytes[offset] =
                    Bool.random(using: &random)
                    ? [0, 1, 2, 5, 0x0F, 0x80, 0xEE, 0xFF].randomElement(using: &random) ?? 0
                    : UInt8.random(in: 0...255, using: &random)
            }
            if isGPT {
                Self.repair(&disk.bytes, header: Self.first)
                Self.repair(&disk.bytes, header: Self.last)
            }
            let found = try findings(disk)
            seen.formUnion(found.map(\.kind))
            if (try? PartitionTable.read(from: disk)) == nil {
                #expect(found.contains { $0.kind.severity == .damage }, "round \(round): \(found)")
            }
            if round % 4 == 3 { disk = sound }
        }
        #expect(seen.count > 3, "\(seen.map(\.name))")
    }
}
