import Foundation
import SystemPackage
import Testing

@testable import ImageKit

@Suite struct ImageSourceTests {
    private func form(_ image: ImageSource) -> String {
        switch image.form {
        case .raw: "raw"
        case .seekable: "seekable"
        case .frames: "frames"
        case .stream: "stream"
        }
    }

    private func open(_ bytes: [UInt8], limits: ImageSource.Limits = .init()) throws(ImageError) -> ImageSource {
        try ImageSource(MemorySource(bytes: bytes), path: "x.img", limits: limits)
    }

    private func open(_ bytes: [UInt8], in directory: borrowing ScratchDirectory, as name: String) throws -> ImageSource
    {
        let path = FilePath(directory.path).appending(name)
        try Data(bytes).write(to: URL(fileURLWithPath: path.string))
        return try ImageSource.open(path)
    }

    @Test func recognisesFormsByContent() throws {
        let directory = try ScratchDirectory()
        let plain = CompressedSamples.plain
        let cases: [(String, [UInt8], String)] = [
            ("raw.img.zst", plain, "raw"),
            ("seekable.img", try CompressedSamples.seekable(), "seekable"),
            ("frames.xz", try CompressedSamples.frames(), "frames"),
            ("skippable first", try CompressedSamples.skippable() + CompressedSamples.frames(), "frames"),
            (
                "empty frames",
                try CompressedSamples.frame([]) + CompressedSamples.frames() + CompressedSamples.frame([]), "frames"
            ),
        ]
        for (name, bytes, expected) in cases {
            let image = try open(bytes, in: directory, as: name)
            #expect(form(image) == expected, "\(name)")
            #expect(image.fileSize == UInt64(bytes.count))
            #expect(try differences(image, plain) == [], "\(name)")
            #expect(image.bytesRead > 0)
            #expect(throws: ImageError.self) { try image.read(1, at: UInt64(plain.count)) }
            #expect(throws: ImageError.self) { try image.read(1, at: .max) }
        }
    }

    @Test(.enabled(if: Judge.has("zstd", "bash"), "needs zstd")) func readsFilesOfZstd() throws {
        let directory = try ScratchDirectory()
        let plain = directory.path + "/plain"
        try Data(CompressedSamples.plain).write(to: URL(fileURLWithPath: plain))
        let cases =
            [
                ("-1", "zstd -q1c plain", "frames"), ("-19", "zstd -q19c plain", "frames"),
                ("long", "zstd -q --long=27 -c plain", "frames"),
                ("no checksums", "zstd -q --no-check -c plain", "frames"),
                ("a stream", "cat plain | zstd -qc", "stream"),
                ("a long stream", "cat plain | zstd -q --long=27 -c", "stream"),
                (
                    "in parts", "head -c 1000001 plain >a; tail -c +1000002 plain >b; zstd -qc a; zstd -q9c b", "frames"
                ),
                ("in parts, a stream last", "zstd -qc a; cat b | zstd -qc", "stream"),
            ] + (Judge.has("pzstd") ? [("pzstd", "pzstd -qc -p 2 plain", "")] : [])
        for (name, command, expected) in cases {
            let made = try Judge.run(
                "bash", ["-ec", "cd '\(directory.path)'; { \(command); } >x.zst; zstd -dcq x.zst | cmp - plain"])
            #expect(made.status == 0, "\(name): \(made.said)")
            let image = try ImageSource.open(FilePath(directory.path).appending("x.zst"))
            if !expected.isEmpty { #expect(form(image) == expected, "\(name)") }
            #expect(try differences(image, CompressedSamples.plain, parts: 30) == [], "\(name)")
        }
    }

    @Test(.enabled(if: Judge.has("zstd", "bash"), "needs zstd")) func windowsOverTheLimitAreRefused() throws {
        let directory = try ScratchDirectory()
        let made = try Judge.run(
            "bash", ["-ec", "head -c 300M /dev/zero | zstd -q1 --long=28 -c >'\(directory.path)/x.zst'"])
        #expect(made.status == 0)
        let said = message(try ImageSource.open(FilePath(directory.path).appending("x.zst")))
        #expect(said.contains("window of more than 128 MiB") && said.contains("--long=27"), "\(said)")
    }

    @Test func readsBuiltImages() throws {
        let plan = try ImagePlan(SmallClosure.shared.get().recipe)
        let directory = try ScratchDirectory()
        let formats: [(ImageWriter.Format, String)] = [
            (.raw, "raw"), (.seekable(ZstdParameters(), frameSize: 1 << 20), "seekable"),
            (.singleFrame(ZstdParameters()), ""),
        ]
        let plain = try plan.map.read(Int(plan.map.size), at: 0)
        for (format, expected) in formats {
            let path = FilePath(directory.path).appending("x.img")
            _ = try ImageWriter(plan, format: format, threads: 2).write(to: .file(path))
            let image = try ImageSource.open(path)
            if !expected.isEmpty { #expect(form(image) == expected) }
            #expect(try differences(image, plain, parts: 20) == [])
        }
    }

    @Test func refusesOtherFiles() throws {
        let directory = try ScratchDirectory()
        func said(_ name: String) -> String { message(try ImageSource.open(FilePath(directory.path).appending(name))) }
        for (name, bytes, reason) in [
            ("empty", [], "it is empty"), ("tiny", [1, 2, 3], "it has only 3 bytes"),
            ("magic", [0x28, 0xB5, 0x2F, 0xFD], "ends inside a frame"),
            ("small", try CompressedSamples.frame([1, 2, 3]), "what it holds has only 3 bytes"),
            ("skippable", CompressedSamples.skippable(), "what it holds has only 0 bytes"),
            ("xz", [0xFD, 0x37, 0x7A, 0x58, 0x5A, 0] + [UInt8](repeating: 1, count: 600), "compressed with xz"),
            ("gzip", [0x1F, 0x8B, 8] + [UInt8](repeating: 1, count: 600), "compressed with gzip"),
        ] as [(String, [UInt8], String)] {
            try Data(bytes).write(to: URL(fileURLWithPath: directory.path + "/" + name))
            #expect(said(name).contains(reason), "\(name): \(said(name))")
        }
        #expect(said("missing").contains("check the path"))
        #expect(said("").contains("a folder"))
        #expect(try Judge.run("mkfifo", [directory.path + "/pipe"]).status == 0)
        #expect(said("pipe").contains("a pipe"))
        #expect(message(try ImageSource.open("/dev/zero")).contains("a character device"))
    }

    @Test func aFileThatBecomesShorterIsAnError() throws {
        let directory = try ScratchDirectory()
        let path = try directory.empty("x.img", size: 1 << 20)
        let image = try ImageSource.open(FilePath(path))
        #expect(try Judge.run("truncate", ["-s", "1000", path]).status == 0)
        let failure = #expect(throws: ImageError.self) { try image.read(600, at: 600) }
        #expect(failure?.code == .changed && failure?.offset == 1000)
    }

    @Test func streamsAreBoundedAndCanBeStopped() throws {
        // 200 MiB of zeros are larger than the largest frame that is cached.
        let bytes = try CompressedSamples.frame([UInt8](repeating: 0, count: 200 << 20))
        var limits = ImageSource.Limits()
        #expect(try open(bytes).size == 200 << 20)
        limits.streamedBytes = 100 << 20
        #expect(message(try open(bytes, limits: limits)).contains("more than 100 MiB"))
        let progress = Progress()
        progress.cancel()
        let failure = #expect(throws: ImageError.self) {
            try ImageSource(MemorySource(bytes: bytes), path: "x", progress: progress)
        }
        #expect(failure?.code == .cancelled)
        limits = .init()
        limits.directory = "/nonexistent"
        #expect(message(try open(bytes, limits: limits)).contains("TMPDIR"))
    }

    /// A changed or lost byte of a file leads to the same content or to an error, never to a trap, an endless loop or
    /// other content.
    @Test func damageIsAnErrorOrDoesNotMatter() throws {
        var plain = CompressedSamples.plain
        plain.removeSubrange(300_000...)
        plain.replaceSubrange(100_000..<250_000, with: [UInt8](repeating: 0, count: 150_000))
        let frames = try CompressedSamples.frames(plain, of: 40_000)
        var table = SeekTable()
        for start in stride(from: 0, to: plain.count, by: 40_000) {
            let part = Array(plain[start..<min(start + 40_000, plain.count)])
            table.entries.append(
                .init(compressedSize: UInt32(try CompressedSamples.frame(part).count), size: UInt32(part.count)))
        }
        let whole = try CompressedSamples.frame(plain)
        var random = Fuzz.random(3)
        let rounds = Fuzz.iterations(150)
        var refused = 0, same = 0
        for (sample, bytes) in [frames + table.encoded(), frames, whole].enumerated() {
            #expect(try differences(try open(bytes), plain, parts: 5) == [])
            for round in 0..<rounds {
                var damaged = bytes
                // Two of three bytes are in headers and seek tables, where damage matters most.
                let ranges = [0..<64, max(0, bytes.count - 96)..<bytes.count, 0..<bytes.count]
                let offset = Int.random(in: ranges[round % 3], using: &random)
                switch round % 5 {
                case 0: damaged.removeSubrange(offset...)
                case 1: damaged[offset] = UInt8.random(in: 0...255, using: &random)
                case 2: damaged.remove(at: offset)
                case 3: damaged.insert(0xFF, at: offset)
                default: damaged[offset] ^= 1 << UInt8.random(in: 0...7, using: &random)
                }
                do throws(ImageError) {
                    var limits = ImageSource.Limits()
                    limits.streamedBytes = 64 << 20
                    let image = try open(damaged, limits: limits)
                    guard image.size < 64 << 20 else { throw ImageError(.corrupt, "too large") }
                    let read = try image.read(Int(image.size), at: 0)
                    if case .raw = image.form {
                        // Without its magic number, the file is a raw image.
                        #expect(offset < 4 && read == damaged, "sample \(sample), round \(round), byte \(offset)")
                    } else {
                        // A file that was cut between two frames cannot be recognised as such. A seek table is trusted:
                        // if it moves or hides frames, none of them is damaged.
                        let isKnown =
                            read == plain || plain.starts(with: read) || (sample == 0 && offset >= frames.count)
                        #expect(isKnown, "sample \(sample), round \(round), byte \(offset)")
                    }
                    same += 1
                } catch {
                    #expect(error.code != .internal, "\(error)")
                    refused += 1
                }
            }
        }
        #expect(refused > 2 * rounds && same > 3, "\(refused) refused, \(same) the same")
    }
}
