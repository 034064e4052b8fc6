import Foundation
import SystemPackage
import Testing

@testable import ImageKit

/// Compressed images whose parts contradict each other: seek tables, frame headers, skippable frames.
@Suite struct ZstdFuzzTests {
    /// A frame, and the sizes that the table records for it.
    private struct Part {
        var bytes: [UInt8]
        var compressed: UInt32, plain: UInt32
    }

    private static let plain = Array(CompressedSamples.plain[900_000..<1_100_003])

    private static let parts = Result {
        try [plain.count / 2, plain.count - plain.count / 2].reduce(into: [Part]()) { parts, count in
            let start = parts.reduce(0) { $0 + Int($1.plain) }
            let frame = try CompressedSamples.frame(Array(plain[start..<start + count]))
            parts.append(Part(bytes: frame, compressed: UInt32(frame.count), plain: UInt32(count)))
            let skippable = CompressedSamples.skippable()
            parts.append(Part(bytes: skippable, compressed: UInt32(skippable.count), plain: 0))
        }
    }

    /// A number that is likely to meet a limit.
    private static func number(_ random: inout SplitMix) -> UInt32 {
        switch Int.random(in: 0..<4, using: &random) {
        case 0:
            [0, 1, 7, 8, 9, 0x4000_0000, 0x4000_0001, 0x7FFF_FFFF, 0x8000_0000, .max].randomElement(using: &random) ?? 0
        case 1: UInt32.random(in: 0...UInt32.max, using: &random)
        default: UInt32.random(in: 0...300_000, using: &random)
        }
    }

    /// The parts and a table, with some changes.
    private static func mutant(_ parts: [Part], _ random: inout SplitMix) -> [UInt8] {
        var parts = parts
        var hasTable = true
        var footer: UInt32?, length: UInt32?
        var descriptor: UInt8 = 0
        for _ in 0..<Int.random(in: 1...3, using: &random) {
            let index = Int.random(in: parts.indices, using: &random)
            let last = parts[index].bytes.count - 1
            switch Int.random(in: 0..<14, using: &random) {
            case 0: parts[index].compressed = number(&random)
            case 1: parts[index].plain = number(&random)
            case 2: footer = number(&random)
            case 3: length = number(&random)
            case 4: descriptor = UInt8.random(in: 0...255, using: &random)
            case 5: hasTable = false
            case 6: parts.swapAt(index, Int.random(in: parts.indices, using: &random))
            case 7: parts.append(parts[index])
            case 8: if parts.count > 1 { parts.remove(at: index) }
            case 9:
                // Headers: descriptor, window, sizes, the first block.
                parts[index].bytes[Int.random(in: 0...min(20, last), using: &random)] =
                    [0, 1, 0x20, 0x40, 0x60, 0x84, 0xA4, 0xC4, 0xE4, 0xFF].randomElement(using: &random) ?? 0
            case 10 where last > 2:
                parts[index].bytes.store(number(&random), at: min(4 + Int.random(in: 0..<4, using: &random), last - 3))
            case 11:
                parts[index].bytes[Int.random(in: 0...last, using: &random)] ^=
                    1 << UInt8.random(in: 0..<8, using: &random)
            case 12: parts[index].bytes.removeLast(Int.random(in: 0...min(last, 40), using: &random))
            default:
                let skippable = CompressedSamples.skippable(Int.random(in: 0..<400, using: &random))
                parts.insert(Part(bytes: skippable, compressed: UInt32(skippable.count), plain: 0), at: index)
            }
        }
        var file = parts.flatMap(\.bytes)
        guard hasTable else { return file }
        let hasChecksums = descriptor & 0x80 != 0
        let tableLength = parts.count * SeekTable.entrySize(hasChecksums: hasChecksums) + SeekTable.footerSize
        file.append(littleEndian: SeekTable.skippableMagic)
        file.append(littleEndian: length ?? UInt32(tableLength))
        for part in parts {
            file.append(littleEndian: part.compressed)
            file.append(littleEndian: part.plain)
            if hasChecksums { file.append(littleEndian: part.compressed) }
        }
        file.append(littleEndian: footer ?? UInt32(parts.count))
        file.append(descriptor)
        file.append(littleEndian: SeekTable.seekableMagic)
        return file
    }

    /// If the check finds nothing, zstd itself decompresses to the bytes that are read.
    @Test(.timeLimit(.minutes(60)), .enabled(if: Judge.has("zstd"), "needs zstd"))
    func partsThatContradictEachOther() throws {
        let parts = try Self.parts.get()
        let directory = try ScratchDirectory()
        var random = Fuzz.random(701)
        var judged = 0, refused = 0
        for round in 0..<Fuzz.iterations(150) {
            let file = Self.mutant(parts, &random)
            guard file.count >= 512 else { continue }
            let source = MemorySource(bytes: file)
            var limits = ImageSource.Limits()
            limits.streamedBytes = 16 << 20
            var found: [Finding] = []
            var content: [UInt8]?
            do throws(ImageError) {
                let image = try ImageSource.openDamaged(source, path: "x.img.zst", limits: limits) { found.append($0) }
                switch image.form {
                case .seekable(let source), .frames(let source): try source.checkRest(threads: 1) { found.append($0) }
                case .stream: break
                case .raw: continue  // without the magic number it is no compressed file
                }
                let again = try ImageSource(source, path: "x.img.zst", limits: limits)
                if again.size <= 16 << 20 { content = try again.read(Int(again.size), at: 0) }
            } catch {
                refused += 1
                #expect(error.code != .internal, "round \(round): \(error)")
            }
            guard let content, found.allSatisfy({ $0.kind.severity == .note }), judged < 30 else { continue }
            judged += 1
            let image = directory.path + "/x.zst", plain = directory.path + "/x"
            try Data(file).write(to: URL(fileURLWithPath: image))
            try Data(content).write(to: URL(fileURLWithPath: plain))
            let said = try Judge.run("bash", ["-c", "zstd -dcq '\(image)' | cmp - '\(plain)'"])
            #expect(said.status == 0, "round \(round): \(said.said)")
        }
        #expect(judged > 5 && refused > 5, "\(judged) judged, \(refused) refused")
    }
}
