import Foundation
import SystemPackage
import Testing

@testable import ImageKit

/// The options for additions, sizes and identities. Each test runs the program itself.
@Suite struct AdditionOptionsTests {
    private func mkpiimg(_ arguments: [String], umask: String = "022") throws -> (status: Int32, said: String) {
        let small = try SmallClosure.shared.get()
        guard case .registration(let registration) = try small.registeredRecipe().source else {
            throw ImageError(.internal, "there is no registration")
        }
        let base = [
            "--store-root", small.root.string, "--registration", registration.string, "--firmware",
            small.directory.appending("firmware").string, "--progress", "none",
        ]
        let closure = arguments.contains("--closure") ? [] : ["--closure", small.directory.appending("result").string]
        return try Judge.run(
            "bash", ["-c", "umask \(umask); exec \"$@\"", "-", CommandLineTests.program] + closure + base + arguments)
    }

    /// Builds a raw image; returns its JSON summary.
    private func build(_ image: String, _ arguments: [String]) throws -> [String: Any] {
        let run = try mkpiimg(["--out", image, "--json"] + arguments)
        try #require(run.status == 0, "\(run.said)")
        return try #require(JSONSerialization.jsonObject(with: Data(run.said.utf8)) as? [String: Any])
    }

    /// The fields that `blkid` prints about the filesystem at an offset of an image.
    private func blkid(_ image: String, at offset: UInt64) throws -> [String: String] {
        var fields: [String: String] = [:]
        let said = try Judge.run("blkid", ["-p", "-O", "\(offset)", "-o", "export", image]).said
        for line in said.split(separator: "\n") {
            let parts = line.split(separator: "=", maxSplits: 1).map(String.init)
            if parts.count == 2 { fields[parts[0]] = parts[1] }
        }
        return fields
    }

    @Test func labelsThatTheSystemDoesNotMountAreRefused() throws {
        let scratch = try ScratchDirectory()
        let run = try mkpiimg(["--out", scratch.path + "/pi.img", "--root-label", "other"])
        #expect(run.status == 1)
        #expect(run.said.contains("--root-label 'NIXOS_SD'") && run.said.contains("etc/fstab"), "\(run.said)")
    }

    @Test(.enabled(if: Judge.has("blkid", "sfdisk"), "needs util-linux and fdisk"))
    func toolsReadTheChosenSizesAndIdentities() throws {
        let scratch = try ScratchDirectory()
        let image = scratch.path + "/pi.img"
        let said = try build(
            image,
            [
                "--gap", "16M", "--firmware-size", "40M", "--firmware-label", "BOOT", "--root-label", "my root",
                "--root-uuid", "01234567-89AB-4def-8123-456789abcdef", "--disk-id", "0x00c0FFEE", "--root-size", "300M",
                // The system mounts other labels, so it cannot boot.
                "--boot", "none",
            ])
        let table = try Judge.run("sfdisk", ["-d", image]).said
        for word in [
            "label-id: 0x00c0ffee", "start=       32768, size=       81920, type=b",
            "start=      114688, size=      614400",
        ] {
            #expect(table.contains(word), "\(table)")
        }
        let firmware = try blkid(image, at: 16 << 20), root = try blkid(image, at: 56 << 20)
        #expect(firmware["TYPE"] == "vfat" && firmware["LABEL"] == "BOOT" && firmware["UUID"] == "00C0-FFEE")
        #expect(root["TYPE"] == "ext4" && root["LABEL"] == "my\\ root" || root["LABEL"] == "my root", "\(root)")
        #expect(root["UUID"] == "01234567-89ab-4def-8123-456789abcdef")
        #expect(said["diskID"] as? String == "0x00c0ffee" && said["rootUUID"] as? String == root["UUID"])
        #expect(said["firmwareLabel"] as? String == "BOOT" && said["rootLabel"] as? String == "my root")
        #expect(said["private"] as? Bool == false)
    }

    @Test(.enabled(if: Judge.has("blkid", "sfdisk"), "needs util-linux and fdisk"))
    func randomIdentitiesAreNewEachTimeAndKnown() throws {
        let scratch = try ScratchDirectory()
        var seen: Set<String> = []
        for _ in 1...3 {
            let image = scratch.path + "/pi.img"
            let said = try build(image, ["--root-uuid", "random", "--disk-id", "random"])
            let disk = try #require(said["diskID"] as? String), uuid = try #require(said["rootUUID"] as? String)
            #expect(try Judge.run("sfdisk", ["-d", image]).said.contains("label-id: \(disk)"))
            #expect(try blkid(image, at: 38 << 20)["UUID"] == uuid)
            let serial = disk.dropFirst(2).uppercased()
            #expect(try blkid(image, at: 8 << 20)["UUID"] == "\(serial.prefix(4))-\(serial.suffix(4))")
            // Version 4 and variant 1 of RFC 9562.
            let digits = Array(uuid)
            #expect(digits.count == 36 && digits[14] == "4" && "89ab".contains(digits[19]), "\(uuid)")
            #expect(seen.insert(disk).inserted && seen.insert(uuid).inserted, "\(disk) \(uuid)")
        }
        let text = try mkpiimg(["--plan", "--root-uuid", "random", "--disk-id", "1"]).said
        #expect(text.contains("identities") && text.contains("disk 0x00000001, firmware 'FIRMWARE', root 'NIXOS_SD'"))
    }

    @Test(.enabled(if: Judge.hasExt4Tools, Comment(rawValue: Judge.ext4Reason)))
    func slackAndRegistrationPathAreAsChosen() throws {
        let scratch = try ScratchDirectory()
        let image = scratch.path + "/pi.img", root = scratch.path + "/root.img"
        _ = try build(image, ["--root-slack", "10M", "--registration-path", "/var//lib/first boot/registration"])
        try Judge.run("dd", ["if=\(image)", "of=\(root)", "bs=1M", "skip=38", "conv=sparse", "status=none"])
        let fields = try Ext4Judge.superblock(root)
        let free = try #require(fields["Free blocks"].flatMap { UInt64($0) })
        let blocks = try #require(fields["Block count"].flatMap { UInt64($0) })
        // The kernel reserves a fiftieth of the blocks.
        #expect(free * 4096 >= 10 << 20 && free * 4096 < 10 << 20 + blocks / 50 * 4096 + 1 << 20, "\(free)")
        #expect(
            try Ext4Judge.debugfs("cat \"/var/lib/first boot/registration\"", root).contains("-busybox-1.36\nsha256:"))
        #expect(try Ext4Judge.debugfs("stat \"/var/lib/first boot/registration\"", root).contains("Mode:  0444"))
        #expect(try Ext4Judge.debugfs("stat /nix-path-registration", root).contains("File not found"))
    }

    @Test func severalClosuresAreOneImage() throws {
        let small = try SmallClosure.shared.get()
        func name(_ suffix: String) throws -> String {
            "/nix/store/\(try small.path(suffix).lastComponent?.string ?? "")"
        }
        func plan(_ closures: String..., boot: String = "none") throws -> [String: Any] {
            let run = try mkpiimg(["--plan", "--json", "--boot", boot] + closures.flatMap { ["--closure", $0] })
            #expect(run.status == 0, "\(run.said)")
            return try #require(JSONSerialization.jsonObject(with: Data(run.said.utf8)) as? [String: Any])
        }
        let glibc = try name("-glibc-2.38"), linux = try name("-linux-6.6.30"), edge = try name("-edge-cases-1.0")
        #expect(try plan(glibc)["storePaths"] as? Int == 1)
        #expect(try plan(glibc, linux, edge, glibc)["storePaths"] as? Int == 3)
        let system = try name("-nixos-system-small-24.05")
        let whole = try plan(edge, system, boot: "extlinux")
        #expect(whole["storePaths"] as? Int == 7 && whole["toplevel"] as? String == system)
    }

    @Test func usageErrorsEndWith64() throws {
        for arguments in [
            ["--copy", "x"], ["--copy", "x:/y:0600:0"], ["--copy", "x:/y:999"], ["--copy", "x:/y/../z"],
            ["--raw", "x"], ["--raw", "x@"], ["--raw", "x@-1"], ["--disk-id", "0x+5"], ["--disk-id", "+5"],
            ["--disk-id", "0x100000000"], ["--disk-id", ""], ["--root-uuid", "x"],
            ["--root-uuid", "44444444-4444-4444-8888-8888888888888"],
        ] {
            let run = try mkpiimg(arguments + ["--plan"])
            #expect(run.status == 64, "\(arguments): \(run.said)")
        }
        for (arguments, word) in [
            (["--registration-path", "relative"], "no absolute path"),
            (["--registration-path", "/nix/store/x"], "something else"),
            (["--profile", "--registration-path", "/nix/var/nix/profiles/system"], "something else"),
            (["--root-uuid", "00000000-0000-0000-0000-000000000000"], "all zeros"),
            (["--root-label", "seventeen letters"], "label"), (["--firmware-label", "twelve chars"], "label"),
            (["--gap", "0"], "gap"), (["--gap", "100"], "gap"), (["--config-txt", "a\nb"], "config.txt"),
            (["--kernel-param", ""], "--kernel-param"), (["--device-tree", "../x"], "device tree"),
            (["--board", "pi1", "--board", "pi4"], "32 and of 64 bits"), (["--board", "pi6"], "--board"),
            (["--menu-timeout", "soon"], "--menu-timeout"), (["--boot", "grub"], "--boot"),
        ] {
            let run = try mkpiimg(arguments + ["--out", "/nowhere/pi.img"])
            #expect(run.status == 64 && run.said.contains(word), "\(arguments): \(run.status) \(run.said)")
        }
        for word in ["--root-files", "--copy", "--profile", "--raw", "--check"] {
            #expect(try mkpiimg(["build", "--help"]).said.contains(word))
        }
    }

    @Test func refusalsEndWith1AndKeepTheOldImage() throws {
        let scratch = try ScratchDirectory()
        let image = scratch.path + "/out/pi.img"
        try FileManager.default.createDirectory(atPath: scratch.path + "/out", withIntermediateDirectories: true)
        try FileManager.default.createDirectory(
            atPath: scratch.path + "/files/nix/store", withIntermediateDirectories: true)
        try Data("the old image".utf8).write(to: URL(fileURLWithPath: image))
        for (arguments, word) in [
            (["--root-files", scratch.path + "/files"], "the store"), (["--root-files", "/nowhere"], "/nowhere"),
            (["--copy", "/etc/hostname:/nix-path-registration"], "the registration"),
            (["--copy", "/etc/hostname:/nix/var/nix/profiles/system", "--profile"], "the system profile"),
            (["--raw", "\(CommandLineTests.program)@1M"], "partition 1"),
            (["--raw", "/dev/null@512"], "not a regular file"),
            (["--firmware-size", "1M"], "firmware"),
        ] {
            let run = try mkpiimg(arguments + ["--out", image])
            #expect(run.status == 1 && run.said.contains(word), "\(arguments): \(run.status) \(run.said)")
            #expect(run.said.hasPrefix("mkpiimg: ") && run.said.split(separator: "\n").count == 1, "\(run.said)")
            #expect(try String(contentsOfFile: image, encoding: .utf8) == "the old image")
            #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.path + "/out") == ["pi.img"])
        }
    }

    @Test func onlyTheOwnerReadsAnImageWithSecrets() throws {
        let scratch = try ScratchDirectory()
        let secret = scratch.path + "/secret"
        try Data("a secret".utf8).write(to: URL(fileURLWithPath: secret))
        chmod(secret, 0o600)
        func mode(_ file: String) -> mode_t {
            var status = stat()
            return stat(file, &status) == 0 ? status.st_mode & 0o7777 : 0
        }
        for name in ["pi.img", "pi.img.zst"] {
            let image = scratch.path + "/" + name
            _ = try build(image, [])
            #expect(mode(image) == 0o644)
            let said = try build(image, ["--copy", "\(secret):/etc/secret"])
            #expect(mode(image) == 0o600 && said["private"] as? Bool == true)
            // The summary says so in one line, unless everybody may read every file.
            chmod(image, 0o644)
            let run = try mkpiimg(
                ["--out", image, "--copy", "\(secret):/etc/secret", "--progress", "plain"], umask: "000")
            #expect(run.said.components(separatedBy: "its mode is 0600").count == 2, "\(run.said)")
            #expect(mode(image) == 0o600)
            let open = try mkpiimg(
                ["--out", image, "--copy", "\(secret):/etc/secret:0644", "--progress", "plain"], umask: "002")
            #expect(!open.said.contains("private") && mode(image) == 0o664, "\(open.said)")
        }
    }

    @Test func everySecretFileMakesTheImagePrivate() throws {
        let scratch = try ScratchDirectory()
        let directory = scratch.path + "/folder", image = scratch.path + "/pi.img"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        try Data("AGE-SECRET-KEY-1".utf8).write(to: URL(fileURLWithPath: directory + "/secret"))
        for (arguments, warning) in [
            (["--firmware", directory], "'/secret' on the firmware partition is a private key"),
            (["--raw", "\(directory)/secret@4K"], nil),
            (["--root-files", directory], "--root-files \(directory) is closed"),
        ] as [([String], String?)] {
            chmod(directory + "/secret", 0o600)
            chmod(directory, 0o700)
            let run = try mkpiimg(["--out", image, "--json"] + arguments)
            var status = stat()
            #expect(stat(image, &status) == 0 && status.st_mode & 0o7777 == 0o600, "\(arguments)")
            #expect(run.status == 0 && run.said.contains("\"private\":true"), "\(run.said)")
            #expect(run.said.contains("\"warnings\":[]") == (warning == nil), "\(run.said)")
            if let warning { #expect(run.said.contains(warning), "\(run.said)") }
        }
    }

    @Test(.enabled(if: CommandLineTests.isRoot && Judge.has("setpriv"), "needs root, to run as another user"))
    func unreadableFilesAreRefusedWhilePlanning() throws {
        let scratch = try ScratchDirectory()
        let small = try SmallClosure.shared.get()
        let secret = scratch.path + "/secret", program = scratch.path + "/mkpiimg"
        try Data("a secret".utf8).write(to: URL(fileURLWithPath: secret))
        chmod(secret, 0o600)
        chmod(scratch.path, 0o755)
        try FileManager.default.copyItem(atPath: CommandLineTests.program, toPath: program)
        let run = try Judge.run(
            "setpriv",
            [
                "--reuid=65534", "--regid=65534", "--clear-groups", program, "--closure",
                small.directory.appending("result").string, "--store-root", small.root.string, "--scan-references",
                "--firmware", small.directory.appending("firmware").string, "--plan", "--progress", "none", "--copy",
                "\(secret):/etc/secret",
            ])
        #expect(run.status == 1 && run.said.contains("'\(secret)'") && run.said.contains("denied"), "\(run.said)")
    }

    @Test func aDamagedStoreEndsWith1() throws {
        let scratch = try ScratchDirectory()
        let closure = try SmallClosure(copyTo: FilePath(scratch.path).appending("small"))
        let etc = try closure.path("-etc").appending("etc/fstab").string
        chmod(etc, 0o644)
        try Data("rotten".utf8).write(to: URL(fileURLWithPath: etc))
        let image = scratch.path + "/pi.img.zst"
        for arguments in [["--out", image], ["--plan"], ["--out", "-"]] {
            let run = try mkpiimg(["--store-root", closure.root.string, "--check"] + arguments)
            #expect(run.status == 1 && run.said.contains("a store path is damaged"), "\(arguments) \(run.status)")
            #expect(!FileManager.default.fileExists(atPath: image))
        }
    }
}
