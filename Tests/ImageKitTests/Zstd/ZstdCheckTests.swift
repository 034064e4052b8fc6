import Foundation
import Synchronization
import SystemPackage
import Testing

@testable import ImageKit

/// Checks of compressed images: no finding for sound images, and the right one for each damage.
@Suite struct ZstdCheckTests {
    /// Half a megabyte, for six frames with a table.
    private static let plain = Array(CompressedSamples.plain[300_000..<830_007])
    private static let size = 90_000

    /// Compressed frames, and the plain bytes of each.
    private static let frames = Result {
        try stride(from: 0, to: plain.count, by: size).map { start in
            (
                frame: try CompressedSamples.frame(Array(plain[start..<min(start + size, plain.count)])),
                size: min(size, plain.count - start)
            )
        }
    }

    private static func table(checksums: [UInt32]? = nil) throws -> [UInt8] {
        let table = SeekTable(
            entries: try frames.get().map { .init(compressedSize: UInt32($0.frame.count), size: UInt32($0.size)) })
        guard let checksums else { return table.encoded() }
        var bytes: [UInt8] = []
        bytes.append(littleEndian: SeekTable.skippableMagic)
        let length = table.entries.count * SeekTable.entrySize(hasChecksums: true) + SeekTable.footerSize
        bytes.append(littleEndian: UInt32(length))
        for (entry, checksum) in zip(table.entries, checksums) {
            bytes.append(littleEndian: entry.compressedSize)
            bytes.append(littleEndian: entry.size)
            bytes.append(littleEndian: checksum)
        }
        bytes.append(littleEndian: UInt32(table.entries.count))
        return bytes + [0x80, 0xB1, 0xEA, 0x92, 0x8F]
    }

    private static func sound() throws -> [UInt8] { try frames.get().flatMap(\.frame) + table() }

    /// The offset of a frame in the file.
    private static func offset(ofFrame frame: Int) throws -> Int {
        try frames.get()[..<frame].reduce(0) { $0 + $1.frame.count }
    }

    /// The offset in the file of a field of a frame's entry in the table, which has no checksums.
    private static func offset(ofEntry frame: Int, _ field: Int, in bytes: [UInt8]) throws -> Int {
        let size = SeekTable.entrySize(hasChecksums: false)
        return try bytes.count - SeekTable.footerSize - (frames.get().count - frame) * size + field
    }

    /// The offset in the file of a field of the table's footer.
    private static func offset(ofFooter field: Int, in bytes: [UInt8]) -> Int {
        bytes.count - SeekTable.footerSize + field
    }

    /// The length of the table, which has no checksums.
    private static func tableLength() throws -> Int {
        try SeekTable.headerSize + frames.get().count * SeekTable.entrySize(hasChecksums: false) + SeekTable.footerSize
    }

    /// The findings of opening and decompressing, and the image.
    private func check(_ bytes: [UInt8]) throws -> (found: [Finding], image: ImageSource) {
        var found: [Finding] = []
        let image = try ImageSource.openDamaged(MemorySource(bytes: bytes), path: "x.img.zst") { found.append($0) }
        switch image.form {
        case .seekable(let source), .frames(let source): try source.checkRest(threads: 2) { found.append($0) }
        case .raw, .stream: break
        }
        return (found, image)
    }

    @Test func hasNoFindingsForOwnImages() throws {
        #expect(try check(CompressedSamples.seekable()).found == [])
        #expect(try check(Self.sound()).found == [])
        let (found, image) = try check(CompressedSamples.plain)
        #expect(found == [] && image.size == UInt64(CompressedSamples.plain.count))
    }

    @Test(.enabled(if: Judge.has("zstd", "bash"), "needs zstd"))
    func hasOnlyTrueFindingsForFilesOfZstd() throws {
        let directory = try ScratchDirectory()
        try Data(CompressedSamples.plain).write(to: URL(fileURLWithPath: directory.path + "/plain"))
        for (command, expected) in [
            ("zstd -q1c plain", [.zstdTableMissing]), ("zstd -q --long=27 -c plain", [.zstdTableMissing]),
            ("zstd -q --no-check -c plain", [.zstdTableMissing, .zstdNoChecksum]), ("cat plain | zstd -qc", []),
        ] as [(String, [Finding.Kind])] {
            let made = try Judge.run("bash", ["-ec", "cd '\(directory.path)'; \(command) >x.zst"])
            #expect(made.status == 0, "\(made.said)")
            let bytes = Array(try Data(contentsOf: URL(fileURLWithPath: directory.path + "/x.zst")))
            let (found, image) = try check(bytes)
            #expect(found.map(\.kind) == expected, "\(command): \(found)")
            #expect(try differences(image, CompressedSamples.plain, parts: 3) == [])
        }
        // A stream is readable up to its damage.
        var bytes = Array(try Data(contentsOf: URL(fileURLWithPath: directory.path + "/x.zst")))
        bytes.removeSubrange((bytes.count / 2)...)
        let (found, image) = try check(bytes)
        #expect(found.map(\.kind) == [.zstdFrame] && image.size < UInt64(CompressedSamples.plain.count))
    }

    // MARK: Damage

    /// A change of a sound file, and the findings that it must cause.
    struct Damage: Sendable, CustomTestStringConvertible {
        var name: String
        var kinds: [Finding.Kind]
        /// Frames that cannot be read.
        var lost: Set<Int> = []
        var spoil: @Sendable (inout [UInt8]) throws -> Void
        var testDescription: String { name }

        init(
            _ name: String, _ kinds: [Finding.Kind], lost: Set<Int> = [],
            _ spoil: @escaping @Sendable (inout [UInt8]) throws -> Void
        ) {
            (self.name, self.kinds, self.lost, self.spoil) = (name, kinds, lost, spoil)
        }
    }

    static let damages: [Damage] = [
        Damage("a bit of a frame", [.zstdFrame], lost: [2]) { try $0[offset(ofFrame: 2) + 5000] ^= 4 },
        Damage("bits of three frames", [.zstdFrame, .zstdFrame, .zstdFrame], lost: [0, 3, 5]) {
            for frame in [0, 3, 5] { try $0[offset(ofFrame: frame) + 3000] ^= 4 }
        },
        Damage("a frame's checksum", [.zstdFrame], lost: [1]) { try $0[offset(ofFrame: 2) - 1] ^= 1 },
        Damage("a frame's size", [.zstdFrame], lost: [3]) {
            // The frame is a single segment, so its size is where others have the window.
            try $0[offset(ofFrame: 3) + ZstdFrameHeader.Field.window] ^= 1
        },
        Damage("a frame's magic", [.zstdFrame], lost: [3]) {
            try $0[offset(ofFrame: 3) + ZstdFrameHeader.Field.magic] ^= 1
        },
        Damage("the first magic", [.zstdMagic, .zstdFrame], lost: [0]) { $0[0] ^= 1 },
        Damage("a size in the table", [.zstdTable]) {
            try $0[offset(ofEntry: 0, SeekTable.EntryField.size, in: $0)] ^= 1
        },
        Damage("two frames' lengths in the table", [.zstdTable]) {
            let first = try offset(ofEntry: 0, SeekTable.EntryField.compressedSize, in: $0)
            let second = try offset(ofEntry: 1, SeekTable.EntryField.compressedSize, in: $0)
            for byte in 0..<4 { $0.swapAt(first + byte, second + byte) }
            $0[first] ^= 1
            $0[second] ^= 1
        },
        Damage("a length in the table", [.zstdTable]) {
            try $0[offset(ofEntry: 5, SeekTable.EntryField.compressedSize, in: $0)] ^= 1
        },
        Damage("the number of frames", [.zstdTable]) {
            $0[offset(ofFooter: SeekTable.FooterField.count, in: $0)] ^= 1
        },
        Damage("the table's flags", [.zstdTable]) {
            $0[offset(ofFooter: SeekTable.FooterField.descriptor, in: $0)] = 4
        },
        Damage("the table's first magic", [.zstdTable, .zstdTrailing]) {
            try $0[$0.count - tableLength() + SeekTable.HeaderField.magic] ^= 0x80
        },
        Damage("the table's last magic", [.zstdTableMissing]) { $0[$0.count - 1] ^= 1 },
        Damage("no table", [.zstdTableMissing]) { try $0.removeLast(tableLength()) },
        Damage("half a table", [.zstdCut, .zstdTableMissing]) { $0.removeLast(30) },
        Damage("cut off", [.zstdCut, .zstdTableMissing]) { try $0.removeSubrange((offset(ofFrame: 4) + 1000)...) },
        Damage("something after it", [.zstdTrailing, .zstdTableMissing]) { $0 += [UInt8](repeating: 7, count: 100) },
        Damage("a block of no kind", [.zstdFrame], lost: [2]) {
            // The frame header has 9 bytes.
            try $0[offset(ofFrame: 2) + 9] |= 6
        },
        Damage("frames without checksums", [.zstdTableMissing, .zstdNoChecksum]) {
            var bare = try frames.get()[0].frame
            bare[ZstdFrameHeader.Field.descriptor] &= ~ZstdFrameHeader.Descriptor.hasChecksum
            $0 = try bare.dropLast(4) + frames.get()[1...].flatMap(\.frame)
        },
        Damage("other checksums in the table", [.zstdTableChecksum, .zstdTableChecksum]) {
            var sums = try ZstdCheckTests.checksums()
            sums[1] ^= 1
            sums[4] ^= 1
            $0 = try frames.get().flatMap(\.frame) + table(checksums: sums)
        },
    ]

    /// The checksums at the ends of the frames, which are those of a table.
    static func checksums() throws -> [UInt32] { try frames.get().map { $0.frame.suffix(4).load(at: 0) ?? 0 } }

    @Test(arguments: damages)
    func findsTheDamage(_ damage: Damage) throws {
        var bytes = try Self.sound()
        try damage.spoil(&bytes)
        let (found, image) = try check(bytes)
        #expect(found.map(\.kind) == damage.kinds, "\(found)")
        for finding in found where finding.kind != .zstdTableMissing {
            #expect(finding.offset.map { $0 <= UInt64(bytes.count) } ?? false, "\(finding)")
        }
        // Sound frames can be read, and the others throw.
        for frame in 0..<6 {
            let start = frame * Self.size
            guard UInt64(start) < image.size else { continue }
            let count = min(Self.size, Self.plain.count - start)
            let read = try? image.read(count, at: UInt64(start))
            #expect(read == (damage.lost.contains(frame) ? nil : Array(Self.plain[start..<start + count])), "\(frame)")
        }
        let lost = found.filter { $0.kind == .zstdFrame }
        #expect(try lost.map(\.offset) == damage.lost.sorted().map { UInt64(try Self.offset(ofFrame: $0)) })
        for (finding, frame) in zip(lost, damage.lost.sorted()) {
            #expect(finding.what.contains("frame \(frame), which holds bytes \(frame * Self.size) to "))
        }
    }

    @Test func tablesMayHaveChecksums() throws {
        let frames = try Self.frames.get().flatMap(\.frame)
        #expect(try check(frames + Self.table(checksums: Self.checksums())).found == [])
        // For a frame without a checksum of its own, the table's decides.
        var parts = try Self.frames.get()
        parts[2].frame[ZstdFrameHeader.Field.descriptor] &= ~ZstdFrameHeader.Descriptor.hasChecksum
        parts[2].frame.removeLast(4)
        var bytes = parts.flatMap(\.frame)
        var table = try Self.table(checksums: Self.checksums())
        let entry = SeekTable.headerSize + 2 * SeekTable.entrySize(hasChecksums: true)
        table.store(UInt32(parts[2].frame.count), at: entry + SeekTable.EntryField.compressedSize)
        #expect(try check(bytes + table).found.map(\.kind) == [.zstdNoChecksum])
        table[entry + SeekTable.EntryField.checksum] ^= 1
        bytes += table
        let (found, image) = try check(bytes)
        #expect(found.map(\.kind) == [.zstdNoChecksum, .zstdFrame])
        #expect(message(try image.read(1, at: UInt64(2 * Self.size))).contains("the seek table says"))
    }

    /// A frame of zeros that is known from an earlier one is not decompressed; its checksum is still compared.
    @Test func comparesTheChecksumsOfAllFramesOfZeros() throws {
        let size = 200_000
        let zeros = try CompressedSamples.frame([UInt8](repeating: 0, count: size))
        let right: UInt32 = zeros.suffix(4).load(at: 0) ?? 0
        var bytes = zeros + zeros + zeros
        bytes.append(littleEndian: SeekTable.skippableMagic)
        let length = 3 * SeekTable.entrySize(hasChecksums: true) + SeekTable.footerSize
        bytes.append(littleEndian: UInt32(length))
        for checksum in [right, right ^ 1, right ^ 2] {
            bytes.append(littleEndian: UInt32(zeros.count))
            bytes.append(littleEndian: UInt32(size))
            bytes.append(littleEndian: checksum)
        }
        bytes.append(littleEndian: UInt32(3))
        bytes += [0x80, 0xB1, 0xEA, 0x92, 0x8F]
        #expect(try check(bytes).found.map(\.kind) == [.zstdTableChecksum, .zstdTableChecksum])
    }

    @Test func findsLargeWindows() throws {
        // 600 stored bytes, in a frame with a window of 2^28 bytes (1 KiB times 2^18).
        var frame: [UInt8] = [0x28, 0xB5, 0x2F, 0xFD, 0x40, 18 << 3]
        frame.append(littleEndian: UInt16(600 - 256))
        frame += [UInt8(600 << 3 & 0xFF | 1), UInt8(600 >> 5), 0] + [UInt8](repeating: 9, count: 600)
        let (found, image) = try check(frame)
        #expect(found.map(\.kind) == [.zstdTableMissing, .zstdWindow, .zstdNoChecksum])
        #expect(try image.read(600, at: 0) == [UInt8](repeating: 9, count: 600))
        frame[ZstdFrameHeader.Field.window] = 17 << 3
        #expect(try check(frame).found.map(\.kind) == [.zstdTableMissing, .zstdNoChecksum])
    }

    @Test func decompressesEachFrameOnce() throws {
        let file = CountedSource(try CompressedSamples.seekable())
        let table = try #require(try SeekTable.read(from: file))
        let source = SeekableSource(file, path: "x", list: FrameList(table))
        #expect(source.verifiedFrames == 0)
        _ = try source.read(700_000, at: 100_000)
        let verified = source.verifiedFrames
        #expect(verified > 3 && verified < source.frameCount - 3)
        file.reads.change { $0 = [:] }
        var found: [Finding] = []
        let progress = Progress()
        try source.checkRest(threads: 3, progress: progress) { found.append($0) }
        #expect(found == [] && source.verifiedFrames == source.frameCount)
        #expect(progress.snapshot.done == progress.snapshot.total && progress.snapshot.done < source.size)
        // At most two reads for each frame: its beginning and the rest.
        #expect(file.reads.change { $0.count } <= 2 * (source.frameCount - verified))
        file.total.store(0, ordering: .relaxed)
        try source.checkRest(threads: 3) { found.append($0) }
        #expect(file.total.load(ordering: .relaxed) == 0, "nothing is left to do")
        progress.cancel()
        #expect(throws: ImageError.self) { try source.checkRest(threads: 1, progress: progress) { _ in } }
    }

    @Test func hashesAsZstdDoes() throws {
        func hash(_ bytes: [UInt8]) -> UInt64 { bytes.withUnsafeBytes { XXH64.hash($0) } }
        for (text, expected) in [
            ("", 0xEF46_DB37_51D8_E999), ("a", 0xD24E_C4F1_A98C_6E5B), ("abc", 0x44BC_2CF5_AD77_0999),
        ] as [(String, UInt64)] {
            #expect(hash(Array(text.utf8)) == expected, "\(text)")
        }
        for count in Array(1...70) + [1000, 4099] {
            let bytes = Array(CompressedSamples.plain[1_500_000..<1_500_000 + count])
            let frame = try CompressedSamples.frame(bytes)
            #expect(UInt32(truncatingIfNeeded: hash(bytes)) == frame.suffix(4).load(at: 0), "\(count)")
        }
    }
}
