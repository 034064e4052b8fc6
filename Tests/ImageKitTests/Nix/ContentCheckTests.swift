import Foundation
import SystemPackage
import Testing

@testable import ImageKit

/// A damaged store does not become an image.
@Suite struct ContentCheckTests {
    /// A copy of the small closure, with the registration of its original state.
    private final class Registered {
        let scratch: ScratchDirectory
        let small: SmallClosure
        private let registered: ImageRecipe
        let target: FilePath

        init() throws {
            scratch = try ScratchDirectory()
            small = try SmallClosure(copyTo: FilePath(scratch.path).appending("small"))
            registered = try small.registeredRecipe()
            try FileManager.default.createDirectory(atPath: scratch.path + "/out", withIntermediateDirectories: true)
            target = FilePath(scratch.path).appending("out/pi.img.zst")
            try Data("the old image".utf8).write(to: URL(fileURLWithPath: target.string))
        }

        var recipe: ImageRecipe {
            var recipe = registered
            recipe.checksContent = true
            return recipe
        }

        func registration() throws -> Registration {
            guard case .registration(let file) = registered.source else {
                throw ImageError(.internal, "there is no registration")
            }
            return try Registration.read(file)
        }

        /// Builds an image.
        /// - Returns: the description of the error.
        func build(
            _ format: ImageWriter.Format, threads: Int = 2, from source: ClosureSource? = nil
        ) throws -> String {
            var recipe = recipe
            if let source { recipe.source = source }
            let plan = try ImagePlan(recipe)
            return message(try ImageWriter(plan, format: format, threads: threads).write(to: .file(target)))
        }

        /// Whether the directory has only the old image, unchanged.
        func isOldImageAlone() throws -> Bool {
            try FileManager.default.contentsOfDirectory(atPath: scratch.path + "/out") == ["pi.img.zst"]
                && String(contentsOfFile: target.string, encoding: .utf8) == "the old image"
        }

        func shell(_ script: String, _ arguments: String...) throws {
            let run = try Judge.run("bash", ["-euc", script, "-"] + arguments)
            try #require(run.status == 0, "\(run.said)")
        }
    }

    private static let formats: [ImageWriter.Format] = [
        .seekable(ZstdParameters(level: 1), frameSize: 64 << 10), .singleFrame(ZstdParameters(level: 1)), .raw,
    ]

    @Test func aSoundStorePassesWithTheSameBytes() throws {
        let fixture = try Registered()
        for format in Self.formats {
            #expect(try fixture.build(format, threads: format == .raw ? 1 : 7) == "")
        }
        #expect(try Judge.run("sha256sum", [fixture.target.string]).said.hasPrefix(ImageTests.golden))
        try ImagePlan(fixture.recipe).checkContent(threads: 3)
    }

    /// Kinds of damage. Each is compared with nix-store, if that is installed.
    private static let damages = [
        ("-glibc-2.38", "printf x | dd of=\"$1/lib/libc.so.6\" bs=1 seek=345678 conv=notrunc status=none"),
        ("-edge-cases-1.0", "printf x | dd of=\"$1/sizes/hole\" bs=1 seek=3000000 conv=notrunc status=none"),
        ("-edge-cases-1.0", "chmod u+w \"$1/sizes/131073\"; truncate -s -1 \"$1/sizes/131073\""),
        ("-edge-cases-1.0", "chmod u+w \"$1/names\"; mv \"$1/names/case\" \"$1/names/cAse\""),
        ("-edge-cases-1.0", "chmod u+x \"$1/modes/444\""),
        ("-etc", "chmod u+w \"$1/etc\"; rm \"$1/etc/shell\"; ln -s /bin/sh \"$1/etc/shell\""),
        ("-etc", "chmod u+w \"$1/etc\"; : >\"$1/etc/more\""), ("-etc", "chmod u+w \"$1/etc\"; mkdir \"$1/etc/more\""),
        ("-nixos-system-small-24.05", "chmod u+w \"$1\"; printf y >>\"$1/init\""),
    ]

    @Test func aDamagedPathIsNamed() throws {
        let fixture = try Registered()
        for (index, (name, damage)) in Self.damages.enumerated() {
            let path = try fixture.small.path(name)
            try fixture.shell("cp -a \"$1\" \"$2\"", path.string, fixture.scratch.path + "/sound")
            try fixture.shell(damage, path.string)
            try expectRefusal(of: path, index == 0 ? Self.formats : [Self.formats[index % 3]], fixture)
            try fixture.shell(
                "chmod -R u+w \"$1\"; rm -rf \"$1\"; mv \"$2\" \"$1\"", path.string, fixture.scratch.path + "/sound")
        }
        #expect(try fixture.build(Self.formats[0]) == "", "everything is repaired")
    }

    private func expectRefusal(of path: FilePath, _ formats: [ImageWriter.Format], _ fixture: Registered) throws {
        let base = path.lastComponent?.string ?? ""
        let expected = try fixture.registration()[StorePath(baseName: base)]?.narHash.description ?? "?"
        for format in formats {
            let error = try fixture.build(format)
            for word in [
                "'/nix/store/\(base)'", "\(expected) is registered",
                "nix-store --store '\(fixture.small.root.string)' --repair-path /nix/store/\(base)'",
            ] { #expect(error.contains(word), "\(word) in: \(error)") }
            if hasNix {
                let found = try Judge.run("bash", ["-c", "nix-store --dump \"$1\" | sha256sum", "-", path.string]).said
                let bytes = stride(from: 0, to: 64, by: 2).compactMap {
                    UInt8(found.dropFirst($0).prefix(2), radix: 16)
                }
                let actual = try #require(NARHash(bytes: bytes))
                #expect(error.contains("has \(actual)"), "\(error)")
            }
            #expect(try fixture.isOldImageAlone())
        }
    }

    @Test func aPlanChecksToo() throws {
        let fixture = try Registered()
        let path = try fixture.small.path("-etc")
        try fixture.shell("chmod u+w \"$1/etc\"; : >\"$1/etc/more\"", path.string)
        #expect(
            message(try ImagePlan(fixture.recipe).checkContent(threads: 2)).contains(path.lastComponent?.string ?? ""))
        var recipe = fixture.recipe
        recipe.checksContent = false
        try ImagePlan(recipe).checkContent(threads: 2)
    }

    @Test func aWrongSizeIsTheRegistrationsFault() throws {
        let fixture = try Registered()
        let base = try fixture.small.path("-etc").lastComponent?.string ?? ""
        var entries = try fixture.registration().entries
        let index = try #require(entries.firstIndex { $0.path.baseName == base })
        let info = entries[index]
        entries[index] = PathInfo(
            path: info.path, narHash: info.narHash, narSize: info.narSize + 8, references: info.references)
        let file = fixture.scratch.path + "/registration"
        try Data(Registration(entries).encoded()).write(to: URL(fileURLWithPath: file))
        let error = try fixture.build(Self.formats[0], from: .registration(FilePath(file)))
        for word in ["the registration is wrong about", base, "\(info.narSize + 8) bytes", "and \(info.narSize)"] {
            #expect(error.contains(word), "\(error)")
        }
        #expect(try fixture.isOldImageAlone())
    }

    @Test func aPathThatDisappearsIsAnError() throws {
        let fixture = try Registered()
        let plan = try ImagePlan(fixture.recipe)
        let path = try fixture.small.path("-etc").string
        try fixture.shell("chmod u+w \"$1\" \"$1/..\"; mv \"$1\" \"$1.gone\"", path)
        let error = message(try ImageWriter(plan, format: Self.formats[0], threads: 2).write(to: .file(fixture.target)))
        #expect(error.contains(path), "\(error)")
        #expect(try fixture.isOldImageAlone())
        #expect(message(try plan.checkContent(threads: 2)).contains(path))
    }

    @Test func theWritersErrorAndACancellationAreThrown() throws {
        let fixture = try Registered()
        let plan = try ImagePlan(fixture.recipe)
        let check = try #require(plan.check)
        let full = ImageError(.doesNotFit, "the disk is full")
        #expect(throws: full) {
            try check.run(threads: 3, progress: Progress()) { () throws(ImageError) in throw full }
        }
        let progress = Progress()
        progress.cancel()
        #expect(throws: ImageError(.cancelled, "stopped on request")) {
            try plan.checkContent(threads: 2, progress: progress)
        }
    }

    /// A path is hashed after the writer has reached it, and damage at the beginning stops a writer early.
    @Test func staysBehindTheWriterAndStopsIt() throws {
        let fixture = try Registered()
        // The first path in the order of names; only directories and metadata are before it on the disk.
        try fixture.shell(
            "printf x | dd of=\"$1/bin/busybox\" bs=1 seek=9 conv=notrunc status=none",
            fixture.small.path("-busybox-1.36").string)
        let plan = try ImagePlan(fixture.recipe)
        let check = try #require(plan.check)
        let progress = Progress()
        try progress.begin(.write, total: plan.map.size)
        var noticed = false
        let error = message(
            try check.run(threads: 2, progress: progress) { () throws(ImageError) in
                progress.advance(38 << 20)
                usleep(300_000)
                try progress.checkCancelled()
                progress.advance(plan.map.size - 38 << 20)
                for _ in 0..<3000 {
                    usleep(10_000)
                    noticed = true
                    try progress.checkCancelled()
                }
                throw ImageError(.internal, "the writer was not stopped")
            })
        #expect(noticed && error.contains("-busybox-1.36"), "\(error)")
    }
}
