import Foundation
import Testing

@testable import ImageKit

/// Volumes whose boot sector is sound, and what it leads to is not: entries of the FAT, slots, long names.
@Suite struct FATFuzzTests {
    @Test(.enabled(if: Judge.hasFATTools, "\(Judge.fatReason)"), .timeLimit(.minutes(60)), arguments: 0..<3)
    func nothingStopsTheCheck(volume: Int) throws {
        let sound = try [FATCheckTests.ours, FATCheckTests.fat12, FATCheckTests.fat32][volume].get()
        let scratch = try ScratchDirectory()
        var random = Fuzz.random(UInt64(volume) + 300)
        var fat = sound
        var silent = 0, seen: Set<Finding.Kind> = []
        for round in 0..<Fuzz.iterations(volume == 2 ? 12 : 120) {
            var before: [(place: Int, byte: UInt8)] = [], after: [String] = []
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                for (place, byte) in Self.mutation(of: sound, &random) {
                    before.append((place, fat.bytes.bytes[place]))
                    fat.bytes.bytes[place] = byte
                    after.append("\(place): \(byte)")
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
            for (place, byte) in before.reversed() { fat.bytes.bytes[place] = byte }
        }
        #expect(fat.bytes.bytes == sound.bytes.bytes && seen.count > 8, "\(seen.count) kinds")
    }

    /// One change that keeps the boot sector: the bytes that are new, and where.
    private static func mutation(of fat: SpoiltFAT, _ random: inout SplitMix) -> [(Int, UInt8)] {
        let values: [UInt8] = [0, 1, 2, 3, 5, 8, 0x0F, 0x10, 0x20, 0x2E, 0x41, 0x42, 0x61, 0xE5, 0xFF]
        let slot = fat.slots.randomElement(using: &random) ?? 0
        func byte() -> UInt8 {
            Bool.random(using: &random)
                ? values.randomElement(using: &random) ?? 0 : UInt8.random(in: 0...255, using: &random)
        }
        switch Int.random(in: 0..<8, using: &random) {
        case 0...2:
            // An entry of the FAT: mostly of a cluster that is used.
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
                let place = start + cluster * fat.layout.kind.rawValue / 8
                for place in place..<place + 4 { bytes.append((place, changed.bytes.bytes[place])) }
            }
            return bytes
        case 3: return [(slot + 11, byte())]
        case 4: return [(slot + ([20, 26, 27].randomElement(using: &random) ?? 26), byte())]
        case 5: return [(slot + Int.random(in: 28...31, using: &random), byte())]
        case 6: return [(slot, byte())]
        default: return [(slot + Int.random(in: 0..<32, using: &random), byte())]
        }
    }
}
