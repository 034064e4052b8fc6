import Foundation
import SystemPackage
import Testing

@testable import ImageKit

/// Comparisons of two images.
@Suite struct DiffTests {
    private func disk(_ recipe: ImageRecipe) throws -> DiskImage {
        try DiskImage(ImagePlan(recipe).map, path: "planned")
    }

    /// A copy of the small closure after an update: another kernel and system, a rebuilt configuration, an added and a
    /// removed path, and a changed setting of the firmware. The registration is written by hand.
    private func updated(in directory: borrowing ScratchDirectory) throws -> (ImageRecipe, before: ImageRecipe) {
        let before = try SmallClosure.shared.get().registeredRecipe()
        guard case .registration(let registered) = before.source else { throw Errno.invalidArgument }
        let after = try SmallClosure(copyTo: FilePath(directory.path).appending("small"))
        let script = """
            cd "$1"; chmod -R u+w root; cd root/nix/store
            linux=$(ls -d ????????????????????????????????-linux-6.6.30)
            etc=$(ls -d ????????????????????????????????-etc)
            system=$(ls -d *-nixos-system-*); edge=$(ls -d *-edge-cases-*)
            mv "$linux" "0${linux:1:31}-linux-6.6.31"; mv "$etc" "0${etc:1}"
            mv "$system" "0${system:1:31}-nixos-system-small-24.11"
            rm -rf "$edge"; hello=0000000000000000000000000000000z-hello-2.12
            echo hello >$hello
            head -c 1000 /dev/zero >>"0${linux:1:31}-linux-6.6.31/Image"
            sed -i s/24.05/24.11/ "0${etc:1}/etc/os-release"
            cd 0*-nixos-system-*; rm kernel dtbs etc extra-dependencies
            ln -s "/nix/store/0${linux:1:31}-linux-6.6.31/Image" kernel
            ln -s "/nix/store/0${linux:1:31}-linux-6.6.31/dtbs" dtbs
            ln -s "/nix/store/0${etc:1}/etc" etc
            ln -sfn "/nix/store/0${system:1:31}-nixos-system-small-24.11" "$1/result"
            sed -i s/enable_uart=1/enable_uart=0/ "$1/firmware/config.txt"
            # In the registration, hello replaces the removed path, without its references.
            awk -v edge="/nix/store/$edge" -v hello="/nix/store/$hello" '
                skip > 0 { skip--; next }
                $0 == edge && !seen {
                    seen = 1; print hello; getline; print; getline; print 200; print ""; print 0
                    getline; getline; skip = $0; next
                }
                { sub(edge, hello); print }' "$2" |
            sed "s|$linux|0${linux:1:31}-linux-6.6.31|; s|$etc|0${etc:1}|" |
            sed "s|$system|0${system:1:31}-nixos-system-small-24.11|" |
            awk 'grows { $0 += 1000; grows = 0 }
                /^sha256:/ && last ~ /-linux-6.6.31$/ { grows = 1 }
                { last = $0; print }' >"$1/registration"
            """
        let run = try Judge.run(
            "bash", ["-euo", "pipefail", "-c", script, "-", after.directory.string, registered.string])
        try #require(run.status == 0, "\(run.said)")
        var recipe = after.recipe
        recipe.source = .registration(after.directory.appending("registration"))
        return (recipe, before)
    }

    // MARK: Images of ours

    @Test func findsTheChangesOfAnUpdate() throws {
        let directory = try ScratchDirectory()
        var (after, before) = try updated(in: directory)
        after.kernelParameters = ["console=tty9"]
        let difference = try ImageDifference(disk(before), disk(after))
        let paths = difference.paths.map { change in
            "\(change.action.rawValue) \(change.name) \(change.oldVersion ?? "") \(change.newVersion ?? "")"
        }
        #expect(
            Set(paths) == [
                "upgraded linux 6.6.30 6.6.31", "rebuilt etc  ", "upgraded nixos-system-small 24.05 24.11",
                "added hello  2.12", "removed edge-cases 1.0 ",
            ])
        #expect(difference.commonPaths == 3)
        // The largest change of size, the removed path, comes first.
        #expect(difference.paths.first?.name == "edge-cases" && difference.paths.first?.newSize == 0)
        #expect(difference.paths.first { $0.name == "hello" }?.newSize == 200)

        let boot = Dictionary(grouping: difference.boot, by: \.field)
        #expect(Set(boot.keys) == ["kernel", "device trees", "init", "parameter"])
        #expect(boot["parameter"]?.map(\.new) == [.text("console=tty9")])
        guard case .text(let initPath)? = boot["init"]?.first?.new else { throw Errno.noSuchFileOrDirectory }
        #expect(initPath.hasSuffix("-nixos-system-small-24.11/init"))

        let files = Dictionary(grouping: difference.files, by: \.address)
        #expect(files["firmware:/config.txt"]?.map(\.aspects) == [[.content]])
        #expect(files["root:/nix-path-registration"]?.map(\.action) == [.changed])
        #expect(files["root:/boot/extlinux/extlinux.conf"] != nil)
        #expect(files.keys.filter { $0.hasSuffix("-linux-6.6.31-Image") }.count == 1)
        let trees = difference.files.first { $0.action == .added && $0.path.hasSuffix("-dtbs") }
        #expect(trees?.entries == 6 && trees?.newSize == 60_500)
        #expect(!difference.files.contains { $0.path.hasPrefix("/nix/store") })
        #expect(difference.totals.map(\.name) == ["image", "firmware used", "root used", "store"])

        // In the other direction, the system is older.
        let back = try ImageDifference(disk(after), disk(before))
        #expect(back.paths.filter { $0.action == .downgraded }.map(\.name).sorted() == ["linux", "nixos-system-small"])
        #expect(back.paths.first { $0.name == "edge-cases" }?.action == .added)
        #expect(back.boot.contains { $0.field == "parameter" && $0.old == .text("console=tty9") && $0.new == nil })

        // File by file.
        var options = ImageDifference.Options()
        options.listsFiles = true
        let listed = try ImageDifference(disk(before), disk(after), options: options)
        #expect(
            listed.paths.first { $0.name == "etc" }?.files.map { $0.path.suffix(15) } == ["/etc/os-release"])
        #expect(listed.paths.first { $0.name == "nixos-system-small" }?.files.count { $0.aspects == [.target] } == 3)
        #expect(listed.files.contains { $0.path.hasSuffix("-linux-6.6.31-dtbs/overlays/README") })
    }

    /// Without registrations, sizes are sums of files, and the paths are still compared.
    @Test func needsNoRegistration() throws {
        let directory = try ScratchDirectory()
        var (after, before) = try updated(in: directory)
        before.registrationPath = "/elsewhere"
        after.registrationPath = "/elsewhere"
        let difference = try ImageDifference(disk(before), disk(after))
        #expect(difference.paths.count == 5)
        #expect(difference.paths.first { $0.name == "hello" }?.newSize == 6)
        let linux = difference.paths.first { $0.name == "linux" }
        #expect(linux.map { $0.newSize - $0.oldSize } == 1000)
        #expect(!difference.totals.contains { $0.name == "store" })
    }

    @Test func findsChangedIdentities() throws {
        let small = try SmallClosure.shared.get().registeredRecipe()
        var old = small
        old.boot = .none
        var new = old
        new.rootUUID = GUID(high: 0x5544_4444_4444_4444, low: 0x8888_8888_8888_8888)
        new.firmwareLabel = "OTHER"
        new.diskID = 0x1234_5678
        new.rootSlack = 96 << 20
        let difference = try ImageDifference(disk(old), disk(new))
        let fields = Dictionary(uniqueKeysWithValues: difference.disk.map { ("\($0.part) \($0.field)", $0) })
        #expect(fields["disk identifier"]?.old == .text("0x2178694e"))
        #expect(fields["disk identifier"]?.new == .text("0x12345678"))
        #expect(fields["root UUID"]?.new == .text("55444444-4444-4444-8888-888888888888"))
        #expect(fields["firmware label"]?.old == .text("FIRMWARE") && fields["firmware label"]?.new == .text("OTHER"))
        #expect(fields["firmware UUID"]?.new == .text("1234-5678"))
        for field in ["disk size", "root partition size", "root size", "root free"] {
            guard case .bytes(let old)? = fields[field]?.old, case .bytes(let new)? = fields[field]?.new else {
                Issue.record("no \(field)")
                continue
            }
            #expect(new > old)
        }
        #expect(difference.paths.isEmpty && difference.files.isEmpty && difference.boot.isEmpty)
        // A menu that is removed has no new value.
        let removed = try ImageDifference(disk(small), disk(old))
        #expect(removed.boot.contains { $0.field == "started by" && $0.new == nil })
        #expect(removed.files.contains { $0.path == "/boot" && $0.action == .removed })
    }

    @Test func findsDamagedStorePaths() throws {
        let directory = try ScratchDirectory()
        let small = try SmallClosure.shared.get().registeredRecipe()
        guard case .registration(let registered) = small.source else { throw Errno.invalidArgument }
        let plan = try ImagePlan(small)
        let image = try directory.write(plan.map, as: "damaged.img")
        let volume = try DiskImage.open(FilePath(image)).volume(.root)
        let path =
            "\(try #require(plan.closure.paths.first { $0.path.name == "busybox-1.36" }).path.path)/bin/busybox"
        guard case .ext4(let ext4) = volume, let node = try ext4.node(at: path) else { throw Errno.invalidArgument }
        var budget: UInt64 = 100
        let offset = try ext4.location(of: node, budget: &budget).offset
        let start = plan.table.partitions[1].start * 512
        let byte = try ext4.content(of: node).read(1, at: 5000)[0]
        try OpenFile(image.utf8, O_RDWR).write([byte ^ 1], at: start + offset + 5000)

        let sound = try DiskImage(plan.map, path: "sound"), damaged = try DiskImage.open(FilePath(image))
        #expect(try ImageDifference(sound, damaged).isEmpty)
        var options = ImageDifference.Options()
        options.comparesContent = true
        let found = try ImageDifference(sound, damaged, options: options).paths
        #expect(found.map(\.action) == [.damaged] && found.first?.oldPath == found.first?.newPath)
        #expect(found.first?.files.map(\.path) == [path] && found.first?.files.first?.aspects == [.content])

        // Another hash in the registration is enough.
        let text = String(decoding: try Data(contentsOf: URL(fileURLWithPath: registered.string)), as: UTF8.self)
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        let entry = try #require(lines.firstIndex { $0.hasSuffix("-busybox-1.36") })
        lines[entry + 1] = narHash(9).description
        try Data(lines.joined(separator: "\n").utf8).write(to: URL(fileURLWithPath: directory.path + "/registration"))
        var other = small
        other.source = .registration(FilePath(directory.path + "/registration"))
        let difference = try ImageDifference(sound, disk(other))
        #expect(difference.paths.map(\.action) == [.damaged] && difference.paths.first?.name == "busybox")
        #expect(difference.paths.first?.files.isEmpty == true)
    }

    // MARK: Images of others

    /// Filesystems of other tools, without a store or a partition table, with a name of control characters.
    @Test(.enabled(if: Judge.hasExt4Tools && Judge.has("mke2fs"), "\(Judge.ext4Reason)"))
    func comparesAnyTrees() throws {
        let directory = try ScratchDirectory()
        func image(_ name: String, _ script: String) throws -> String {
            let image = directory.path + "/\(name).img"
            let made = try Judge.run(
                "bash",
                [
                    "-euc",
                    """
                    mkdir "$1"; cd "$1"; mkdir -p same both/deep/er; echo x >same/file; echo 1234 >both/content
                    echo a >both/mode; ln -s a both/link; echo kind >both/kind; echo a >both/deep/er/file
                    ln same/file same/other; \(script)
                    mke2fs -q -F -U 01234567-0123-4123-8123-0123456789ab -E root_owner=0:0 -d . "$2" 8M
                    """, "-", directory.path + "/\(name)", image,
                ])
            try #require(made.status == 0, "\(made.said)")
            return image
        }
        let old = try image("old", "echo gone >gone; mkdir -p olds/a/b; head -c 3000 /dev/zero >olds/a/b/c")
        let new = try image(
            "new",
            """
            echo 1235 >both/content; chmod 4711 both/mode; ln -sfn b both/link; rm both/kind; mkfifo both/kind
            echo ab >both/deep/er/file; printf x >$'evil\\e[31m\\nname'
            """)
        let difference = try ImageDifference(DiskImage.open(FilePath(old)), DiskImage.open(FilePath(new)))
        let said = difference.files.map { change in
            "\(change.action.rawValue) \(change.address)"
                + change.aspects.map { " " + $0.rawValue }.joined() + (change.entries.map { " \($0)" } ?? "")
        }
        #expect(
            said == [
                "removed root:/olds 3", "changed root:/both/kind kind", "removed root:/gone",
                "changed root:/both/deep/er/file size", "added root:/evil\u{1B}[31m\nname",
                "changed root:/both/content content", "changed root:/both/link target", "changed root:/both/mode mode",
            ], "\(said)")
        #expect(difference.paths.isEmpty && difference.boot.isEmpty)

        let run = try Judge.run(CommandLineTests.program, ["diff", old, new])
        #expect(run.status == 3 && run.said.contains(#"/evil\x1b[31m\x0aname"#), "\(run.said)")
        #expect(!run.said.contains("\u{1B}"))

        // A directory that contains itself is an error.
        let planted = try Judge.run("debugfs", ["-w", "-R", "ln /both /both/deep/circle", new])
        try #require(planted.status == 0, "\(planted.said)")
        #expect(
            message(try ImageDifference(DiskImage.open(FilePath(new)), DiskImage.open(FilePath(new))))
                .contains("a folder that is in two places"))
    }

    /// A partition without a filesystem that can be read, and the space before the first partition.
    @Test(.enabled(if: Judge.has("sfdisk"), "needs fdisk"))
    func comparesBytesWhereThereAreNoFiles() throws {
        let directory = try ScratchDirectory()
        let script = "label: dos\nlabel-id: 0x1\nstart=2048, size=4096, type=83\nstart=8192, size=4096, type=82\n"
        let old = try directory.disk(script, size: 8 << 20)
        let file = try OpenFile(old.utf8, O_RDWR)
        try file.write(Array("LUKS".utf8) + [0xBA, 0xBE], at: 1 << 20)
        let new = directory.path + "/other.img"
        try FileManager.default.copyItem(atPath: old, toPath: new)
        func fields() throws -> [String] {
            try ImageDifference(DiskImage.open(FilePath(old)), DiskImage.open(FilePath(new))).disk
                .map { "\($0.part) \($0.field)" }
        }
        #expect(try fields().isEmpty)
        let changed = try OpenFile(new.utf8, O_RDWR)
        try changed.write([7], at: (3 << 20) - 1)
        try changed.write([7], at: 700_000)
        #expect(try fields() == ["disk bytes before the first partition", "partition 1 content"])
        try Judge.run("sfdisk", ["--quiet", "--delete", new, "2"])
        #expect(try fields().contains("partition 2 partition"))
    }

    /// The kernel that the firmware starts itself.
    @Test func readsTheFirmwaresChoice() throws {
        func disk(_ line: String, _ config: String) throws -> DiskImage {
            let tree = SampleTree(files: [
                "config.txt": Array("os_prefix=nixos/default/\nkernel=kernel.img\n\(config)".utf8),
                "nixos/default/cmdline.txt": Array(line.utf8),
            ])
            return try DiskImage(FATFormatter.layOut(tree.built()).map, path: "firmware")
        }
        let difference = try ImageDifference(
            disk("console=tty0 quiet init=/nix/store/a/init\n", "initramfs initrd followkernel\n"),
            disk("quiet loglevel=4 init=/nix/store/b/init", "initramfs other\n"))
        #expect(difference.boot.map(\.field) == ["initrd", "init", "parameter", "parameter"])
        #expect(
            difference.boot.map(\.old) == [
                .text("nixos/default/initrd"), .text("/nix/store/a/init"),
                .text("console=tty0"), nil,
            ])
        #expect(difference.boot.last?.new == .text("loglevel=4"))
    }

    // MARK: Names

    @Test func splitsNames() {
        for (name, package, version, output) in [
            ("bash-5.2p32", "bash", "5.2p32", nil), ("bash-interactive-5.2-man", "bash-interactive", "5.2", "man"),
            ("linux-6.6.31-modules-shrunk", "linux", "6.6.31", "modules-shrunk"), ("etc", "etc", nil, nil),
            ("unit-foo.service", "unit-foo.service", nil, nil), ("hello-2.0-rc1", "hello", "2.0-rc1", nil),
            ("x-1.0-unstable-2024-05-01", "x", "1.0-unstable-2024-05-01", nil),
            ("x-0-unstable", "x", "0-unstable", nil),
            ("libx11-6-1.8.4-2+deb12u2", "libx11", "6-1.8.4-2+deb12u2", nil),
            ("glibc-2.38-lib32", "glibc", "2.38", "lib32"),
            ("-1", "", "1", nil), ("a-", "a-", nil, nil), ("a--1", "a-", "1", nil), ("1-2", "1", "2", nil),
            ("", "", nil, nil),
            ("nixos-system-pi-24.05.20240531.abc", "nixos-system-pi", "24.05.20240531.abc", nil),
            ("linux-6.6.31-aarch64-unknown-linux-gnu", "linux", "6.6.31-aarch64", "unknown-linux-gnu"),
        ] as [(String, String, String?, String?)] {
            let parsed = PackageName(name)
            #expect(
                parsed.package == package && parsed.version == version && parsed.output == output, "\(name): \(parsed)")
        }
    }

    /// Versions have the same order as in Nix.
    @Test(.enabled(if: hasNix, "needs Nix")) func ordersVersionsAsNixDoes() throws {
        let versions = [
            "1.0", "1.0pre", "1.0.1", "1.0a", "1.00", "1.0-1", "01.0", "", "1", "2", "10", "1.10", "1.9", "1pre2",
            "1rc1",
            "6.6.30", "6.6.31", "24.05.abc", "1.0+b1", "1..0", "a", "b1", "pre", "1.pre",
            "0",
        ]
        let list = "[" + versions.map { "\"\($0)\"" }.joined(separator: " ") + "]"
        let run = try Judge.run(
            "nix-instantiate",
            [
                "--eval", "--strict", "--json", "-E",
                "let v = \(list); in map (a: map (b: builtins.compareVersions a b) v) v",
            ])
        let table = try JSONDecoder().decode([[Int]].self, from: Data(run.said.utf8))
        for (left, row) in zip(versions, table) {
            for (right, order) in zip(versions, row) {
                #expect(PackageName.isVersion(left, before: right) == (order < 0), "\(left) \(right): \(order)")
            }
        }
    }

    // MARK: The command

    @Test func theCommandPrintsLinesAndExitsWithAStatus() throws {
        let directory = try ScratchDirectory()
        let (after, before) = try updated(in: directory)
        let raw = directory.path + "/before.img", compressed = directory.path + "/before.img.zst"
        let updated = directory.path + "/after.img.zst"
        let plan = try ImagePlan(before)
        try plan.write(to: raw)
        try plan.write(to: compressed, frameSize: 16 << 20)
        try ImagePlan(after).write(to: updated, frameSize: 16 << 20)
        func diff(_ arguments: String...) throws -> (status: Int32, said: String) {
            try Judge.run(CommandLineTests.program, ["diff"] + arguments)
        }
        for pair in [[raw, raw], [raw, compressed], [compressed, raw]] {
            let same = try diff(pair[0], pair[1], "--content")
            #expect(same.status == 0 && same.said.isEmpty, "\(same.said)")
        }
        let changed = try diff(compressed, updated)
        #expect(changed.status == 3)
        let lines = changed.said.split(separator: "\n")
        #expect(lines.allSatisfy { $0.count <= 80 }, "\(changed.said)")
        for words in [
            ["upgraded", "linux", "6.6.30 → 6.6.31", "+1000 B"], ["rebuilt", "etc", "0 B"],
            ["removed", "edge-cases", "1.0"],
            ["added", "hello", "2.12", "+200 B"], ["changed", "firmware:/config.txt"],
            ["kernel", "linux-6.6.30-Image → ", "linux-6.6.31-Image"],
            ["Store paths: 2 upgraded, 1 added, 1 removed, 1 rebuilt; 3 the same"],
        ] {
            #expect(lines.contains { line in words.allSatisfy { line.contains($0) } }, "\(words) in \(changed.said)")
        }
        #expect(lines.last?.hasPrefix("  store") == true)

        let json = try diff(raw, updated, "--json", "--files")
        let object = try JSONSerialization.jsonObject(with: Data(json.said.utf8)) as? [String: Any]
        #expect(json.status == 3 && object?["version"] as? Int == 1 && object?["old"] as? String == raw)
        #expect((object?["paths"] as? [[String: Any]])?.count == 5)
        #expect(
            Set(object?.keys.map { $0 } ?? []) == [
                "version", "old", "new", "disk", "boot", "paths", "files", "totals", "commonPaths",
            ])
        let empty = try diff(raw, raw, "--json")
        #expect(empty.status == 0 && empty.said.contains(#""paths":[]"#))

        let refused = try diff(raw, "/etc/passwd")
        #expect(refused.status == 1 && refused.said.hasPrefix("mkpiimg: "), "\(refused.said)")
        #expect(try diff(raw, "/nowhere").status == 1)
        #expect(try diff(raw).status == 64)
    }
}
