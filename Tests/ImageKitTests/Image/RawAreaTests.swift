import Foundation
import SystemPackage
import Testing

@testable import ImageKit

/// Files that `--raw` puts outside of the partitions.
@Suite struct RawAreaTests {
    private func plan(_ areas: [(String, UInt64)]) throws(ImageError) -> ImagePlan {
        var recipe: ImageRecipe
        do { recipe = try SmallClosure.shared.get().registeredRecipe() } catch {
            throw ImageError(.internal, "\(error)")
        }
        recipe.rawAreas = areas.map { RawArea(file: FilePath($0.0), offset: $0.1) }
        return try ImagePlan(recipe)
    }

    /// A file of bytes that are never zero.
    private func file(_ name: String, _ size: Int, in scratch: borrowing ScratchDirectory) throws -> String {
        let path = scratch.path + "/" + name
        let bytes = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ size) | 1 }
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        return path
    }

    @Test(.enabled(if: Judge.hasFATTools && Judge.has("zstd"), "needs fdisk and zstd"))
    func isAtItsOffsetAndNothingElseChanges() throws {
        let scratch = try ScratchDirectory()
        let code = try file("boot code", 440, in: scratch), loader = try file("spl@bin", 32_256, in: scratch)
        let last = try file("last", 4097, in: scratch), gap: UInt64 = 8 << 20
        let areas: [(String, UInt64)] = [(last, gap - 4097), (code, 0), (loader, 512)]
        let plan = try self.plan(areas)
        let image = scratch.path + "/pi.img", compressed = scratch.path + "/pi.img.zst"
        try plan.write(to: image)
        try plan.write(to: compressed, frameSize: 1 << 20)
        for (file, offset) in areas {
            let compared = try Judge.run(
                "bash",
                ["-c", "cmp <(tail -c +\(offset + 1) \"$1\" | head -c $(stat -c %s \"$2\")) \"$2\"", "-", image, file])
            #expect(compared.status == 0, "\(compared.said)")
        }
        let same = try Judge.run("bash", ["-c", "zstd -dcq \"$1\" | cmp - \"$2\"", "-", compressed, image])
        #expect(same.status == 0, "\(same.said)")
        let verified = try Judge.run("sfdisk", ["--verify", image])
        #expect(verified.status == 0 && verified.said.contains("No errors"), "\(verified.said)")
        // With these bytes zeroed, the image is the same as without raw areas.
        for (file, offset) in areas {
            let size = try Data(contentsOf: URL(fileURLWithPath: file)).count
            try OpenFile(image.utf8, O_WRONLY).write([UInt8](repeating: 0, count: size), at: offset)
        }
        #expect(try Judge.run("sha256sum", [image]).said.hasPrefix(ImageTests.golden))
    }

    @Test func mayBeBetweenThePartitions() throws {
        let scratch = try ScratchDirectory()
        var recipe = try SmallClosure.shared.get().registeredRecipe()
        recipe.firmwareSize = 30 << 20 + 512 * 1024
        let end: UInt64 = 38 << 20 + 512 * 1024
        recipe.rawAreas = [RawArea(file: FilePath(try file("between", 512 << 10, in: scratch)), offset: end)]
        let plan = try ImagePlan(recipe)
        #expect(plan.table.partitions[1].start == 39 << 11)
        #expect(try plan.map.read(2, at: end) == [1, 7])
        recipe.rawAreas[0].offset -= 1
        #expect(message(try ImagePlan(recipe)).contains("partition 1 has bytes 8388608 to 40370175"))
        recipe.rawAreas[0].offset += 2
        #expect(message(try ImagePlan(recipe)).contains("partition 2 has bytes 40894464 to"))
    }

    @Test func refusesWhatIsTaken() throws {
        let scratch = try ScratchDirectory()
        let byte = try file("one", 1, in: scratch), code = try file("code", 441, in: scratch)
        let large = try file("large", 5 << 20, in: scratch), small = try file("small", 1000, in: scratch)
        for (areas, words) in [
            ([(code, 0)], ["bytes 0 to 440", "the partition table has bytes 440 to 511", "byte 512 or later"]),
            ([(byte, 440)], ["bytes 440 to 440", "the partition table"]), ([(byte, 511)], ["bytes 511 to 511"]),
            ([(small, 0)], ["bytes 0 to 999", "the partition table"]),
            ([(small, 512), (byte, 1511)], ["bytes 1511 to 1511", small, "bytes 512 to 1511", "move one"]),
            ([(byte, 512), (byte, 512)], ["bytes 512 to 512", "move one"]),
            (
                [(large, 4 << 20)],
                [
                    "bytes 4194304 to 9437183", "partition 1 has bytes 8388608 to 39845887", "gap 9M",
                    "below byte 8388608",
                ]
            ),
            ([(byte, 8 << 20)], ["partition 1 has", "gap 9M"]), ([(byte, (8 << 20) + 1)], ["gap 9M"]),
            ([(byte, 40 << 20)], ["partition 2 has bytes 39845888 to", "gap 41M"]),
            ([(byte, 1 << 40)], ["the image has only", "choose an offset that leaves it below byte 8388608"]),
            ([(byte, UInt64(Int64.max))], ["no disk has"]), ([(byte, .max)], ["no disk has", "smaller offset"]),
            ([(large, .max - 5)], ["no disk has"]),
        ] as [([(String, UInt64)], [String])] {
            let said = message(try plan(areas))
            for word in [areas[areas.count - 1].0] + words { #expect(said.contains(word), "\(word) in: \(said)") }
        }
        // Neighbours do not overlap.
        _ = try plan([(byte, 439), (small, 512), (byte, 1512), (byte, (8 << 20) - 1)])
    }

    @Test func refusesOtherFiles() throws {
        let scratch = try ScratchDirectory()
        let empty = try scratch.empty("empty", size: 0)
        mkfifo(scratch.path + "/pipe", 0o644)
        symlink("loop", scratch.path + "/loop")
        for (path, word) in [
            (empty, "it is empty"), (scratch.path + "/pipe", "not a regular file"),
            (scratch.path, "not a regular file"),
            ("/dev/zero", "not a regular file"), (scratch.path + "/none", "No such file"),
            (scratch.path + "/loop", "symbolic link"), ("..", "not a regular file"),
        ] {
            let said = message(try plan([(path, 512)]))
            #expect(said.contains(word) && said.contains(path), "\(said)")
        }
    }

    @Test func aFileThatIsNotReadableByAllMakesAPrivateImage() throws {
        let scratch = try ScratchDirectory()
        let open = try file("open", 10, in: scratch), closed = try file("closed", 10, in: scratch)
        chmod(open, 0o604)
        for mode in [0o600, 0o640] as [mode_t] {
            chmod(closed, mode)
            #expect(try plan([(closed, 512), (open, 1024)]).isPrivate)
        }
        #expect(try !plan([(open, 1024)]).isPrivate)
    }

    @Test func noticesAFileThatChanges() throws {
        let scratch = try ScratchDirectory()
        let path = try file("loader", 1000, in: scratch)
        let plan = try self.plan([(path, 512)])
        try Data(repeating: 9, count: 1000).write(to: URL(fileURLWithPath: path))
        let said = message(try plan.map.read(1, at: 600))
        #expect(said.contains(path) && said.contains("changed"), "\(said)")
    }

    @Test func splitsAtTheLastAt() throws {
        for (text, file, offset) in [
            ("a@0", "a", 0), ("a@8K", "a", 8192), ("a@0x2000", "a", 0x2000), ("a@0XfF", "a", 255),
            ("a@b@1M", "a@b", 1 << 20),
            ("/x y@z/é@32256", "/x y@z/é", 32_256), ("a@9223372036854775807", "a", UInt64(Int64.max)),
            ("a@0x7fffffffffffffff", "a", UInt64(Int64.max)),
        ] as [(String, String, UInt64)] {
            let area = try RawArea(parsing: text)
            #expect(area.file.string == file && area.offset == offset, "\(text): \(area)")
        }
        for (text, word) in [
            ("", "no offset"), ("a", "no offset"), ("a@", "no offset"), ("@8K", "no file"), ("a@x", "'x' is not"),
            ("a@-1", "'-1'"), ("a@+1", "'+1'"), ("a@0x", "'0x'"), ("a@0x+5", "'0x+5'"),
            ("a@0x8000000000000000", "is not"),
            ("a@9223372036854775808", "is not"), ("a@99999999999999999999", "is not"), ("a@8 K", "is not"),
            ("a@0x1K", "is not"),
            ("a@٨", "is not"), ("8K@a", "'a'"), ("a@0x٨", "is not"), ("a@0xＦ", "is not"),
        ] {
            let said = message(try RawArea(parsing: text))
            #expect(said.contains(word) && said.contains("FILE@OFFSET"), "'\(text)': \(said)")
        }
    }
}
