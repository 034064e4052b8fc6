import Foundation
import Testing

@testable import ImageKit

@Suite struct FATGeometryTests {
    static let mebi: UInt64 = 1 << 20

    /// The numbers measured with the tool that NixOS uses (reference, section 1.3), and the numbers of the table for
    /// other sizes.
    @Test(
        arguments: [
            (30, .fat16, 4, 4, 60, 512, 15_321, 61_440), (128, .fat16, 4, 4, 256, 512, 65_399, 262_144),
            (256, .fat16, 8, 8, 256, 512, 65_467, 524_288), (512, .fat32, 8, 32, 1024, 0, 130_811, 1_048_572),
            (1024, .fat32, 8, 32, 2048, 0, 261_627, 2_097_144), (4, .fat16, 1, 1, 32, 512, 8095, 8192),
        ] as [(UInt64, FATKind, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64)])
    func hasTheMeasuredNumbers(
        mebibytes: UInt64, kind: FATKind, cluster: UInt64, reserved: UInt64, length: UInt64, root: UInt64,
        clusters: UInt64, sectors: UInt64
    ) throws {
        let geometry = try FATGeometry(partitionSize: mebibytes * Self.mebi)
        #expect(geometry.kind == kind && geometry.sectorsPerCluster == cluster)
        #expect(geometry.reservedSectors == reserved && geometry.sectorsPerFAT == length)
        #expect(geometry.rootEntries == root && geometry.clusterCount == clusters)
        #expect(geometry.totalSectors == sectors)
    }

    @Test func refusesImpossibleSizes() throws {
        func refusal(_ size: UInt64) throws -> String {
            "\(try #require(throws: ImageError.self) { try FATGeometry(partitionSize: size) })"
        }
        #expect(try refusal(30_000_001).contains("must be a multiple of 512"))
        #expect(
            try refusal(2 << 20) == "a FAT partition cannot have 2 MiB: FAT16 needs at least 4087 clusters of 512 "
                + "bytes, and the Raspberry Pi does not reliably boot from FAT12; use partition size 3M or more")
        #expect(try refusal(2 << 40).contains("FAT counts at most 4294967295 sectors of 512 bytes (2 TiB)"))
        #expect(try refusal(0).contains("3M or more"))
        _ = try FATGeometry(partitionSize: FATGeometry.minimumSize)
        _ = try FATGeometry(partitionSize: (2 << 40) - 512)
    }

    /// Reserved sectors, FATs and clusters never exceed the partition, for any number of sectors near a threshold.
    @Test func fitsThePartition() throws {
        var sizes: [UInt64] = []
        for threshold in [8192, 16_416, 262_656, 524_790, 1_048_576, 16_777_217, 33_554_433, 67_108_865, 4_294_000_000]
        {
            sizes += (0..<200).map { UInt64(threshold) - 100 + $0 }
        }
        for sectors in sizes {
            let geometry = try FATGeometry(partitionSize: sectors * 512)
            let end = geometry.offset(ofCluster: geometry.clusterCount + 2)
            #expect(end <= geometry.totalSectors * 512 && geometry.totalSectors <= sectors)
            #expect(geometry.totalSectors * 512 - end < geometry.clusterSize * 4)
            #expect((geometry.clusterCount + 2) * geometry.kind.bits / 8 <= geometry.sectorsPerFAT * 512)
            #expect((geometry.clusterCount >= 65_525) == (geometry.kind == .fat32) && geometry.clusterCount > 4084)
        }
    }

    @Test(.enabled(if: Judge.hasFATTools, "\(Judge.fatReason)"))
    func equalsTheChoiceOfMkfs() throws {
        let scratch = try ScratchDirectory()
        var random = SplitMix(state: 3)
        let mebibytes =
            Array(3...140 as ClosedRange<UInt64>)
            + [200, 255, 256, 257, 258, 300, 400, 500, 511, 512, 513, 600, 768, 1000, 1024, 2048, 4096, 5000, 8191]
            + [8192, 8193, 16_384, 16_385, 32_768, 32_769, 65_536, 131_072, 1_000_000]
        var sectors: [UInt64] = mebibytes.map { $0 * 2048 }
        sectors += [16_416, 262_655, 262_656, 524_789, 524_790, 1_048_575, 16_777_217, 33_554_433, 67_108_865]
        sectors += (0..<60).map { _ in UInt64.random(in: 16_416...1_048_575, using: &random) }
        sectors += (0..<60).map { _ in UInt64.random(in: 1_048_576...90_000_000, using: &random) }
        for sectors in sectors {
            let file = try scratch.empty("size.img", size: sectors * 512)
            let geometry = try FATGeometry(partitionSize: sectors * 512)
            var options = ["--invariant", "-i", "2178694e", "-n", "FIRMWARE"]
            if sectors < 16_416 { options += ["-F", "16", "-s", "\(geometry.sectorsPerCluster)"] }
            let made = try Judge.run("mkfs.vfat", options + [file])
            #expect(made.status == 0, "\(made.said)")
            let theirs = try scratch.read(file, 512)
            let ours = FATBootSector(
                geometry: geometry, label: Array("FIRMWARE   ".utf8), serial: 0x2178_694E, hiddenSectors: 0
            ).encoded()
            // Everything up to the code, including the type string of mkfs.
            let code = geometry.kind == .fat32 ? 90 : 62
            #expect(ours[..<code] == theirs[..<code], "\(sectors) sectors: \(geometry)")
        }
    }
}
