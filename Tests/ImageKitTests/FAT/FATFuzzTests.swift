import Foundation
import Testing

@testable import ImageKit

/// Volumes with a sound boot sector and damage elsewhere: in entries of the FAT, in slots, in long names.
@Suite struct FATFuzzTests {
    @Test(.enabled(if: Judge.hasFATTools, "\(Judge.fatReason)"), .timeLimit(.minutes(60)), arguments: 0..<3)
    func nothingStopsTheCheck(volume: Int) throws {
        let sound = try [FATCheckTests.formatted, FATCheckTests.fat12, FATCheckTests.fat32][volume].get()
        let scratch = try ScratchDirectory()
        var random = Fuzz.random(UInt64(volume) + 300)
        var fat = sound
        var silent = 0, seen: Set<Finding.Kind> = []
        for round in 0..<Fuzz.iterations(volume == 2 ? 12 : 120) {
            var before: [(offset: Int, byte: UInt8)] = [], after: [String] = []
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                for (offset, byte) in Self.mutation(of: sound, &random) {
                    before.append((offset, fat.bytes.bytes[offset]))
                    fat.bytes.bytes[offset] = byte
                    after.append("\(offset): \(byte)")
                }
            }
            let (found, tree) = try fat.check()
            seen.formUnion(found.map(\.kind))
            var damages = 0
            let read = try FATVolume(fat.bytes).tree { (_) throws(ImageError) in damages += 1 }
            #expect(try tree?.everything() == read.everything(), "round \(round)")
            #expect(damages == 0 || found.contains { $0.kind.severity == .damage }, "round \(round)")
            #expect(!found.contains { $0.kind == .fatUnreadable }, "round \(round): \(found)")
            if found.isEmpty, silent < 30 {
                silent += 1
                #expect(try Judge.fsckFAT(fat.bytes, in: scratch) == "", "round \(round): \(after)")
            }
            for (offset, byte) in before.reversed() { fat.bytes.bytes[offset] = byte }
        }
        #expect(fat.bytes.bytes == sound.bytes.bytes && seen.count > 8, "\(seen.count) kinds")
    }

    /// One change outside of the boot sector, as new bytes with their offsets.
    private static func mutation(of fat: DamagedFAT, _ random: inout SplitMix) -> [(Int, UInt8)] {
        typealias Field = FATDirectoryEntry.Field
        let values: [UInt8] = [0, 1, 2, 3, 5, 8, 0x0F, 0x10, 0x20, 0x2E, 0x41, 0x42, 0x61, 0xE5, 0xFF]
        let slot = fat.slots.randomElement(using: &random) ?? 0
        func byte() -> UInt8 {
            Bool.random(using: &random)
                ? values.randomElement(using: &random) ?? 0 : UInt8.random(in: 0...255, using: &random)
        }
        switch Int.random(in: 0..<8, using: &random) {
        case 0...2:
            // An entry of the FAT, in most cases of a cluster in use.
            let last = Int(fat.layout.clusterCount) + 1
            let cluster = Int.random(in: Bool.random(using: &random) ? 1...30 : 1...last, using: &random)
            let value =
                [0, 1, 2, 3, 4, 5, 6, 9, 12, UInt32(last), UInt32(last + 1), 0xFFFF_FFF7, .max]
                .randomElement(using: &random) ?? 0
            var changed = fat
            changed.link(cluster, value, copy: Int.random(in: 0..<10, using: &random) == 0 ? 0 : nil)
            var bytes: [(Int, UInt8)] = []
            for copy in 0..<Int(fat.layout.fatCopies) {
                let start = Int(fat.layout.fatOffset) + copy * Int(fat.layout.fatSize)
                let entry = start + cluster * fat.layout.kind.rawValue / 8
                for offset in entry..<entry + 4 { bytes.append((offset, changed.bytes.bytes[offset])) }
            }
            return bytes
        case 3: return [(slot + Field.attributes, byte())]
        case 4:
            let fields = [Field.clusterHigh, Field.clusterLow, Field.clusterLow + 1]
            return [(slot + (fields.randomElement(using: &random) ?? Field.clusterLow), byte())]
        case 5: return [(slot + Int.random(in: Field.size..<FATDirectoryEntry.size, using: &random), byte())]
        case 6: return [(slot, byte())]
        default: return [(slot + Int.random(in: 0..<FATDirectoryEntry.size, using: &random), byte())]
        }
    }
}
