import Foundation
import SystemPackage
import Testing

@testable import ImageKit

/// The command line. Each test runs the program itself.
@Suite struct CommandLineTests {
    static let isRoot = getuid() == 0

    /// The result of one run.
    struct Run {
        var status: Int32
        var said: String
    }

    private func mkpiimg(_ arguments: [String]) throws -> Run {
        let run = try Judge.run(Self.program, arguments)
        return Run(status: run.status, said: run.said)
    }

    /// The path of the program, which is built in the directory of these tests.
    static let program: String = {
        let tests = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
        return FilePath(tests).removingLastComponent().appending("mkpiimg").string
    }()

    private func options(_ small: SmallClosure) -> [String] {
        [
            "--closure", small.directory.appending("result").string, "--store-root", small.root.string,
            "--scan-references", "--firmware", small.directory.appending("firmware").string,
        ]
    }

    /// Expects one line of error with these words, exit status 1, and an unchanged existing output.
    private func expectRefusal(
        _ words: [String], _ arguments: [String], in directory: borrowing ScratchDirectory,
        location: SourceLocation = #_sourceLocation
    ) throws {
        let target = directory.path + "/out/pi.img.zst"
        try FileManager.default.createDirectory(atPath: directory.path + "/out", withIntermediateDirectories: true)
        try Data("the old image".utf8).write(to: URL(fileURLWithPath: target))
        let run = try mkpiimg(
            arguments + (arguments.contains("--out") ? [] : ["--out", target]) + ["--progress", "none"])
        #expect(run.status == 1, "\(run.said)", sourceLocation: location)
        #expect(run.said.hasPrefix("mkpiimg: "), "\(run.said)", sourceLocation: location)
        #expect(run.said.split(separator: "\n").count == 1, "\(run.said)", sourceLocation: location)
        for word in words { #expect(run.said.contains(word), "\(word) in: \(run.said)", sourceLocation: location) }
        #expect(
            try Data(contentsOf: URL(fileURLWithPath: target)) == Data("the old image".utf8), sourceLocation: location)
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: directory.path + "/out") == ["pi.img.zst"],
            sourceLocation: location)
    }

    @Test func buildsAnImageAndPrintsItsSummary() throws {
        let small = try SmallClosure.shared.get()
        let directory = try ScratchDirectory()
        let target = directory.path + "/pi.img.zst"
        let run = try mkpiimg(options(small) + ["--out", target])
        #expect(run.status == 0, "\(run.said)")
        for word in ["24.05.small", "store paths", "7 with", "compressed", "time"] { #expect(run.said.contains(word)) }
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path) == ["pi.img.zst"])

        let json = try mkpiimg(options(small) + ["--out", target, "--json", "--progress", "none"])
        let object = try JSONSerialization.jsonObject(with: Data(json.said.utf8)) as? [String: Any]
        #expect(object?["storePaths"] as? Int == 7)
        #expect((object?["outputSize"] as? Int ?? 0) > 0)

        let plan = try mkpiimg(options(small) + ["--plan", "--progress", "none"])
        #expect(plan.status == 0 && plan.said.contains("partition 2"))
    }

    @Test func streamsToStandardOutput() throws {
        let small = try SmallClosure.shared.get()
        let command = "\"$@\" --progress none --out - | zstd -dcq | sha256sum"
        let run = try Judge.run("bash", ["-o", "pipefail", "-c", command, "-", Self.program] + options(small))
        #expect(run.status == 0 && run.said.hasPrefix(ImageTests.golden), "\(run.said)")
        // If the reader goes away, the program ends without a message.
        let closed = try Judge.run(
            "bash",
            ["-c", "\"$@\" --progress none --out - | head -c 100 >/dev/null; exit ${PIPESTATUS[0]}", "-", Self.program]
                + options(small))
        #expect(closed.status == 1 && closed.said.isEmpty, "\(closed.status) \(closed.said)")
    }

    @Test func usageErrorsEndWith64() throws {
        for arguments in [
            [], ["--closure", "x"], ["--closure", "x", "--out", "pi.iso"],
            ["--closure", "x", "--out", "a.img", "--level", "99"],
            ["--closure", "x", "--out", "a.img", "--gap", "huge"], ["--closure", "x", "--out", "a.img", "--nonsense"],
            ["--closure", "x", "--out", "a.img", "--registration", "r", "--scan-references"],
            ["--closure", "x", "--out", "a.img", "--frame-size", "1000"], ["--closure", "x", "--out", "-", "--json"],
        ] {
            #expect(try mkpiimg(arguments).status == 64, "\(arguments)")
        }
        #expect(try mkpiimg(["build", "--help"]).said.contains("--store-root"))
        #expect(try mkpiimg(["--version"]).status == 0)
    }

    @Test func refusesPathsThatAreNotClosures() throws {
        let small = try SmallClosure.shared.get()
        let directory = try ScratchDirectory()
        let base = Array(options(small).dropFirst(2))
        try expectRefusal(["/nowhere/result"], ["--closure", "/nowhere/result"] + base, in: directory)
        try expectRefusal(["store"], ["--closure", directory.path] + base, in: directory)
        let loop = directory.path + "/loop"
        symlink("loop", loop)
        try expectRefusal(["loop"], ["--closure", loop] + base, in: directory)
        let etc = try small.path("-etc")
        try expectRefusal(
            ["none of the closures can boot", "--boot none"],
            ["--closure", "/nix/store/\(etc.lastComponent?.string ?? "")"] + base,
            in: directory)
        try expectRefusal(
            ["--firmware", "--boot none"], Array(options(small).dropLast(2)), in: directory)
    }

    @Test func refusesARegistrationThatLacksAReferredPath() throws {
        let small = try SmallClosure.shared.get()
        let directory = try ScratchDirectory()
        let plan = try ImagePlan(small.recipe)
        let file = directory.path + "/registration"
        let text = String(decoding: plan.closure.registration.encoded(), as: UTF8.self)
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        // Drop the first entry: five lines and its references.
        let references = Int(lines[4]) ?? 0
        try Data(lines.dropFirst(5 + references).joined(separator: "\n").utf8).write(to: URL(fileURLWithPath: file))
        let arguments = options(small).filter { $0 != "--scan-references" } + ["--registration", file]
        try expectRefusal([String(lines[0]), "refers to it"], arguments, in: directory)
    }

    @Test func refusesFilesThatNoFilesystemHolds() throws {
        let directory = try ScratchDirectory()
        let closure = try SmallClosure(at: FilePath(directory.path).appending("small"))
        let etc = try closure.path("-etc")
        chmod(etc.string, 0o755)
        let pipe = etc.appending("pipe").string
        mkfifo(pipe, 0o644)
        try expectRefusal([pipe, "pipe"], options(closure), in: directory)
        unlink(pipe)

        let firmware = closure.directory.appending("firmware")
        try Data().write(to: URL(fileURLWithPath: firmware.appending("CONFIG.TXT").string))
        try expectRefusal(["config.txt", "CONFIG.TXT"], options(closure), in: directory)
        unlink(firmware.appending("CONFIG.TXT").string)

        let large = firmware.appending("large.bin").string
        try Data().write(to: URL(fileURLWithPath: large))
        truncate(large, 40 << 20)
        try expectRefusal(["--firmware-size"], options(closure) + ["--firmware-size", "30M"], in: directory)
        truncate(large, 4 << 30)
        try expectRefusal(["large.bin"], options(closure), in: directory)
        unlink(large)

        try expectRefusal(["too small", "--root-size"], options(closure) + ["--root-size", "40M"], in: directory)
    }

    @Test(.enabled(if: isRoot && Judge.has("setpriv"), "needs root, to run as another user"))
    func refusesUnreadableFiles() throws {
        let directory = try ScratchDirectory()
        let closure = try SmallClosure(at: FilePath(directory.path).appending("small"))
        let file = try closure.path("-etc").appending("etc/fstab").string
        chmod(file, 0)
        chmod(directory.path, 0o755)
        let program = directory.path + "/mkpiimg"
        try FileManager.default.copyItem(atPath: Self.program, toPath: program)
        let run = try Judge.run(
            "setpriv",
            ["--reuid=65534", "--regid=65534", "--clear-groups", program] + options(closure)
                + ["--progress", "none", "--out", "/tmp/never-written.img"])
        #expect(run.status == 1 && run.said.contains(file), "\(run.said)")
        #expect(!FileManager.default.fileExists(atPath: "/tmp/never-written.img"))
    }

    @Test func refusesOutputsThatCannotBeWritten() throws {
        let small = try SmallClosure.shared.get()
        let directory = try ScratchDirectory()
        try expectRefusal(
            ["/nowhere", "does not exist"], options(small) + ["--out", "/nowhere/pi.img"], in: directory)
        try FileManager.default.createDirectory(
            atPath: directory.path + "/folder.img", withIntermediateDirectories: true)
        try expectRefusal(["is a folder"], options(small) + ["--out", directory.path + "/folder.img"], in: directory)
        symlink("/dev/null", directory.path + "/device.img")
        try expectRefusal(
            ["not a regular file"], options(small) + ["--out", directory.path + "/device.img"], in: directory)
    }

    @Test(.enabled(if: isRoot && Judge.has("mount", "umount"), "needs root, to mount a small disk"))
    func aFullDiskLeavesNothingBehind() throws {
        let small = try SmallClosure.shared.get()
        let directory = try ScratchDirectory()
        let disk = directory.path + "/disk"
        try FileManager.default.createDirectory(atPath: disk, withIntermediateDirectories: true)
        let mounted = try Judge.run("mount", ["-t", "tmpfs", "-o", "size=16k", "tmpfs", disk])
        try #require(mounted.status == 0, "\(mounted.said)")
        defer { _ = try? Judge.run("umount", [disk]) }
        for name in ["pi.img.zst", "pi.img"] {
            let run = try mkpiimg(options(small) + ["--progress", "none", "--out", "\(disk)/\(name)"])
            #expect(run.status == 1 && run.said.contains(name) && run.said.contains("free some space"), "\(run.said)")
            #expect(try FileManager.default.contentsOfDirectory(atPath: disk).isEmpty)
        }
    }

    @Test func closedDescriptorsDoNoHarm() throws {
        let small = try SmallClosure.shared.get()
        let directory = try ScratchDirectory()
        let arguments = ["-", Self.program] + options(small)
        let quiet = try Judge.run(
            "bash",
            ["-c", "\"$@\" --out \(directory.path)/x.img 2>&- <&- && sha256sum \(directory.path)/x.img"] + arguments)
        #expect(quiet.said.hasPrefix(ImageTests.golden), "\(quiet.said)")
        let mute = try Judge.run("bash", ["-c", "\"$@\" --progress none --plan --json >&-"] + arguments)
        #expect(mute.status == 1 && mute.said.contains("standard output"), "\(mute.said)")
        let limited = try Judge.run(
            "bash", ["-c", "ulimit -f 10; \"$@\" --progress none --out \(directory.path)/y.img.zst"] + arguments)
        #expect(limited.status == 1 && limited.said.contains("y.img.zst"), "\(limited.said)")
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path) == ["x.img"])
    }

    @Test func signalsLeaveNothingBehind() throws {
        let small = try SmallClosure.shared.get()
        let directory = try ScratchDirectory(), input = try ScratchDirectory()
        let target = directory.path + "/pi.img.zst"
        // zstd finds no match in random text. Even an optimised program needs longer for it than the longest delay.
        let text = input.path + "/text"
        try Judge.run("bash", ["-c", "base64 -w 0 /dev/urandom | head -c 32M >\(text)"])
        let arguments = ["-", Self.program] + options(small) + ["--copy", "\(text):/text"]
        for (signal, delay) in [("INT", "0.2"), ("TERM", "0.4"), ("INT", "0.5"), ("TERM", "0.6")] {
            // If these tests run with the signals ignored, the program would ignore them, too.
            let command = """
                env --default-signal=INT,TERM "$@" --level 19 --progress none --out \(target) &
                sleep \(delay); kill -\(signal) $!; wait $!
                """
            let run = try Judge.run("bash", ["-c", command] + arguments)
            #expect(run.status == (signal == "INT" ? 130 : 143), "\(run.status) \(run.said)")
            #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path).isEmpty)
        }
    }
}
