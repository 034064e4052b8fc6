import Foundation
import SystemPackage
import Testing

@testable import ImageKit

/// `--check`: a rotten store does not become an image.
@Suite struct ContentCheckTests {
    /// A small closure of a test's own with the registration of what it was at first.
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

        func known() throws -> Registration {
            guard case .registration(let file) = registered.source else {
                throw ImageError(.internal, "there is no registration")
            }
            return try Registration.read(file)
        }

        /// Builds; the error as people read it.
        func said(
            _ format: ImageWriter.Format, threads: Int = 2, from source: ClosureSource? = nil
        ) throws -> String {
            var recipe = recipe
            if let source { recipe.source = source }
            let layout = try ImagePlan(recipe)
            return message(try ImageWriter(layout, format: format, threads: threads).write(to: .file(target)))
        }

        /// Only the old image is there, as it was.
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
        let own = try Registered()
        for format in Self.formats {
            #expect(try own.said(format, threads: format == .raw ? 1 : 7) == "")
        }
        #expect(try Judge.run("sha256sum", [own.target.string]).said.hasPrefix(ImageTests.golden))
        try ImagePlan(own.recipe).checkContent(threads: 3)
    }

    /// The kinds of rot, each judged by nix-store where it is there.
    private static let kindsOfRot = [
        ("-glibc-2.38", "printf x | dd of=\"$1/lib/libc.so.6\" bs=1 seek=345678 conv=notrunc status=none"),
        ("-edge-cases-1.0", "printf x | dd of=\"$1/sizes/hole\" bs=1 seek=3000000 conv=notrunc status=none"),
        ("-edge-cases-1.0", "chmod u+w \"$1/sizes/131073\"; truncate -s -1 \"$1/sizes/131073\""),
        ("-edge-cases-1.0", "chmod u+w \"$1/names\"; mv \"$1/names/case\" \"$1/names/cAse\""),
        ("-edge-cases-1.0", "chmod u+x \"$1/modes/444\""),
        ("-etc", "chmod u+w \"$1/etc\"; rm \"$1/etc/shell\"; ln -s /bin/sh \"$1/etc/shell\""),
        ("-etc", "chmod u+w \"$1/etc\"; : >\"$1/etc/more\""), ("-etc", "chmod u+w \"$1/etc\"; mkdir \"$1/etc/more\""),
        ("-nixos-system-small-24.05", "chmod u+w \"$1\"; printf y >>\"$1/init\""),
    ]

    @Test func aRottenPathIsNamed() throws {
        let own = try Registered()
        for (index, (name, rot)) in Self.kindsOfRot.enumerated() {
            let path = try own.small.path(name)
            try own.shell("cp -a \"$1\" \"$2\"", path.string, own.scratch.path + "/sound")
            try own.shell(rot, path.string)
            try expectRefusal(of: path, index == 0 ? Self.formats : [Self.formats[index % 3]], own)
            try own.shell(
                "chmod -R u+w \"$1\"; rm -rf \"$1\"; mv \"$2\" \"$1\"", path.string, own.scratch.path + "/sound")
        }
        #expect(try own.said(Self.formats[0]) == "", "all is mended")
    }

    private func expectRefusal(of path: FilePath, _ formats: [ImageWriter.Format], _ own: Registered) throws {
        let base = path.lastComponent?.string ?? ""
        let expected = try own.known()[StorePath(baseName: base)]?.narHash.description ?? "?"
        for format in formats {
            let said = try own.said(format)
            for word in [
                "'/nix/store/\(base)'", "\(expected) is registered",
                "nix-store --store '\(own.small.root.string)' --repair-path /nix/store/\(base)'",
            ] { #expect(said.contains(word), "\(word) in: \(said)") }
            if hasNix {
                let found = try Judge.run("bash", ["-c", "nix-store --dump \"$1\" | sha256sum", "-", path.string]).said
                let bytes = stride(from: 0, to: 64, by: 2).compactMap {
                    UInt8(found.dropFirst($0).prefix(2), radix: 16)
                }
                let actual = try #require(NARHash(bytes: bytes))
                #expect(said.contains("has \(actual)"), "\(said)")
            }
            #expect(try own.isOldImageAlone())
        }
    }

    @Test func aPlanChecksToo() throws {
        let own = try Registered()
        let path = try own.small.path("-etc")
        try own.shell("chmod u+w \"$1/etc\"; : >\"$1/etc/more\"", path.string)
        #expect(
            message(try ImagePlan(own.recipe).checkContent(threads: 2)).contains(path.lastComponent?.string ?? ""))
        var recipe = own.recipe
        recipe.checksContent = false
        try ImagePlan(recipe).checkContent(threads: 2)
    }

    @Test func aWrongSizeIsTheRegistrationsFault() throws {
        let own = try Registered()
        let base = try own.small.path("-etc").lastComponent?.string ?? ""
        var entries = try own.known().entries
        let index = try #require(entries.firstIndex { $0.path.baseName == base })
        let info = entries[index]
        entries[index] = PathInfo(
            path: info.path, narHash: info.narHash, narSize: info.narSize + 8, references: info.references)
        let file = own.scratch.path + "/registration"
        try Data(Registration(entries).encoded()).write(to: URL(fileURLWithPath: file))
        let said = try own.said(Self.formats[0], from: .registration(FilePath(file)))
        for word in ["the registration is wrong about", base, "\(info.narSize + 8) bytes", "and \(info.narSize)"] {
            #expect(said.contains(word), "\(said)")
        }
        #expect(try own.isOldImageAlone())
    }

    @Test func aPathThatGoesAwayIsAnErrorAndNotAHang() throws {
        let own = try Registered()
        let layout = try ImagePlan(own.recipe)
        let path = try own.small.path("-etc").string
        try own.shell("chmod u+w \"$1\" \"$1/..\"; mv \"$1\" \"$1.gone\"", path)
        let said = message(try ImageWriter(layout, format: Self.formats[0], threads: 2).write(to: .file(own.target)))
        #expect(said.contains(path), "\(said)")
        #expect(try own.isOldImageAlone())
        #expect(message(try layout.checkContent(threads: 2)).contains(path))
    }

    @Test func theWritersErrorAndACancellationComeThrough() throws {
        let own = try Registered()
        let layout = try ImagePlan(own.recipe)
        let check = try #require(layout.check)
        let full = ImageError(.doesNotFit, "the disk is full")
        #expect(throws: full) {
            try check.run(threads: 3, progress: Progress()) { () throws(ImageError) in throw full }
        }
        let progress = Progress()
        progress.cancel()
        #expect(throws: ImageError(.cancelled, "stopped on request")) {
            try layout.checkContent(threads: 2, progress: progress)
        }
    }

    /// Nothing is hashed before the writer has come to it, and rot at the beginning stops a writer that has far to go.
    @Test func keepsBehindTheWriterAndStopsIt() throws {
        let own = try Registered()
        // The first path in the order of names; what is before it on the disk are directories and metadata.
        try own.shell(
            "printf x | dd of=\"$1/bin/busybox\" bs=1 seek=9 conv=notrunc status=none",
            own.small.path("-busybox-1.36").string)
        let layout = try ImagePlan(own.recipe)
        let check = try #require(layout.check)
        let progress = Progress()
        try progress.begin(.write, total: layout.map.size)
        var noticed = false
        let said = message(
            try check.run(threads: 2, progress: progress) { () throws(ImageError) in
                progress.advance(38 << 20)
                usleep(300_000)
                try progress.checkCancelled()
                progress.advance(layout.map.size - 38 << 20)
                for _ in 0..<3000 {
                    usleep(10_000)
                    noticed = true
                    try progress.checkCancelled()
                }
                throw ImageError(.internal, "nobody stopped the writer")
            })
        #expect(noticed && said.contains("-busybox-1.36"), "\(said)")
    }
}
