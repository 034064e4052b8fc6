import Foundation
import SystemPackage
import Testing

@testable import ImageKit

/// `mkpiimg verify`, on whole images.
@Suite struct VerifyTests {
    static let reason = "needs e2fsprogs, mtools and zstd"
    static let canDamage = Judge.hasExt4Tools && Judge.hasFATTools && Judge.has("zstd")

    /// The result of the program for an image.
    struct Outcome {
        var status: Int32
        /// Names of kinds, without those of notes.
        var kinds: Set<String>
        /// Names of kinds that are notes.
        var notes: Set<String>
        var findings: [[String: Any]]
        var said: String
    }

    static func verify(_ image: String) throws -> Outcome {
        let run = try Judge.run(CommandLineTests.program, ["verify", "--json", "--threads", "2", image])
        guard let object = try JSONSerialization.jsonObject(with: Data(run.said.utf8)) as? [String: Any],
            let kinds = object["kinds"] as? [[String: Any]], let findings = object["findings"] as? [[String: Any]]
        else { throw ImageError(.internal, "verify gave no JSON", reason: run.said) }
        #expect(object["sound"] as? Bool == (run.status == 0))
        func names(_ isNote: Bool) -> Set<String> {
            Set(kinds.filter { ($0["severity"] as? String == "note") == isNote }.compactMap { $0["kind"] as? String })
        }
        return Outcome(
            status: run.status, kinds: names(false), notes: names(true), findings: findings, said: run.said)
    }

    /// The small closure's image, raw and compressed in small frames. Created once.
    private static let images = Result { () throws -> (raw: String, compressed: String) in
        let small = try SmallClosure.shared.get()
        let plan = try ImagePlan(small.registeredRecipe())
        let directory = small.directory.appending("verify")
        try FileManager.default.createDirectory(atPath: directory.string, withIntermediateDirectories: true)
        let raw = directory.appending("pi.img").string, compressed = directory.appending("pi.img.zst").string
        try plan.write(to: raw)
        try plan.write(to: compressed, frameSize: 1 << 20)
        return (raw, compressed)
    }

    // MARK: Sound images

    @Test func oursAreSound() throws {
        let images = try Self.images.get()
        for image in [images.raw, images.compressed] {
            let outcome = try Self.verify(image)
            #expect(outcome.status == 0 && outcome.kinds.isEmpty, "\(outcome.said)")
            // The small closure has no firmware of Raspberry Pi.
            #expect(outcome.notes == ["boot-no-firmware"])
            let text = try Judge.run(CommandLineTests.program, ["verify", image])
            #expect(text.status == 0 && text.said.hasSuffix("\nsound\n"), "\(text.said)")
            #expect(text.said.contains("7 of\nthem by") || text.said.contains("7 store"), "\(text.said)")
            #expect(text.said.split(separator: "\n").allSatisfy { $0.count <= 80 || $0.contains("/") })
        }
    }

    @Test func otherFilesAreErrors() throws {
        let directory = try ScratchDirectory()
        let file = directory.path + "/text"
        try Data("no image".utf8).write(to: URL(fileURLWithPath: file))
        let run = try Judge.run(CommandLineTests.program, ["verify", file])
        #expect(run.status == 1 && run.said.hasPrefix("mkpiimg: "), "\(run.said)")
        #expect(try Judge.run(CommandLineTests.program, ["verify", file, "--threads", "0"]).status == 64)
    }

    /// Disks that mkpiimg did not write: a card with an ordinary Linux, and a GPT with an EFI system partition.
    @Test(.enabled(if: canDamage && Judge.has("mke2fs"), Comment(rawValue: reason))) func foreignDisksHaveNoFindings()
        throws
    {
        let directory = try ScratchDirectory()
        let script = """
            cd "$1"; mkdir -p root/etc root/boot root/bin
            echo 'PARTUUID=12345678-02 / ext4 defaults 0 1' >root/etc/fstab
            echo sh >root/bin/sh; chmod +x root/bin/sh
            truncate -s 40M card.img; echo 'label-id: 0x12345678
            start=2048, size=16384, type=c
            start=18432, size=57344, type=83' | sfdisk -q card.img
            mkfs.vfat --offset 2048 -n BOOT card.img 8192 >/dev/null
            printf 'kernel=kernel8.img\\n[pi4]\\nmax_framebuffers=2\\n[all]\\ndtoverlay=vc4-kms-v3d\\n' >config.txt
            printf 'console=tty1 root=PARTUUID=12345678-02 rootwait init=/bin/sh\\n' >cmdline.txt
            for f in bootcode.bin start.elf fixup.dat start4.elf fixup4.dat kernel8.img; do echo $f >$f; done
            mkdir overlays; echo x >overlays/vc4-kms-v3d.dtbo
            mcopy -s -i card.img@@1048576 config.txt cmdline.txt *.bin *.elf *.dat kernel8.img overlays ::
            mke2fs -q -t ext4 -d root -E offset=9437184 card.img 28M
            truncate -s 40M efi.img; printf 'label: gpt\\nsize=16384, type=U\\ntype=L\\n' | sfdisk -q efi.img
            mkfs.vfat --offset 2048 efi.img 8192 >/dev/null; mke2fs -q -t ext2 -E offset=9437184 efi.img 28M
            """
        let made = try Judge.run("bash", ["-euc", script, "-", directory.path])
        try #require(made.status == 0, "\(made.said)")
        for (image, notes) in [("card.img", []), ("efi.img", ["boot-none"])] as [(String, Set<String>)] {
            let outcome = try Self.verify(directory.path + "/" + image)
            #expect(outcome.status == 0 && outcome.kinds.isEmpty, "\(outcome.said)")
            #expect(outcome.notes.isSuperset(of: notes), "\(outcome.said)")
        }
    }

    // MARK: Planted damage

    /// A damage, the script that plants it, and all kinds of findings that it must lead to.
    struct Damage: CustomTestStringConvertible, Sendable {
        var name: String
        var script: String
        var kinds: Set<String>
        /// The exit status: 3, or 0 where there are only warnings.
        var status: Int32 = 3
        var testDescription: String { name }
    }

    /// In the scripts, `root` runs a debugfs command on the root partition, `put` writes a file there from standard
    /// input, `get` prints a file, `firmware` writes a file to the firmware partition, `poke` overwrites bytes, and
    /// `$busybox` and its like are store paths.
    private static let prelude = """
        cd "$(dirname "$1")"; image=$1; root="$image?offset=39845888"; fat="$image@@8388608"; export MTOOLS_SKIP_CHECK=1
        root() { debugfs -w -R "$1" "$root" 2>&1 | sed 1d; }
        get() { debugfs -R "cat $1" "$root" 2>/dev/null; }
        put() { cat >put; debugfs -w -f - "$root" >/dev/null 2>&1 <<<"rm $1
        cd $(dirname "$1")
        write put $(basename "$1")"; }
        firmware() { cat >file; mcopy -o -i "$fat" file "::/$1"; }
        store() { debugfs -R "ls -p /nix/store" "$root" 2>/dev/null | cut -d/ -f6 | grep -e "-$1\\$"; }
        boot() { debugfs -R "ls -p /boot/nixos" "$root" 2>/dev/null | cut -d/ -f6 | grep -e "-$1\\$"; }
        block() { debugfs -R "blocks $1" "$root" 2>/dev/null | cut -d' ' -f1; }
        poke() { printf "$2" | dd of="$image" bs=1 seek="$1" conv=notrunc status=none; }
        menu=/boot/extlinux/extlinux.conf registration=/nix-path-registration
        busybox=/nix/store/$(store busybox-1.36) edge=/nix/store/$(store edge-cases-1.0)
        initrd=/nix/store/$(store initrd-linux-6.6.30)
        system=/nix/store/$(store nixos-system-small-24.05)

        """

    static let damages: [Damage] = [
        // Filesystems that cannot be recognised.
        Damage(
            name: "the root's magic number", script: "poke $((39845888 + 1024 + 56)) '\\000\\000'",
            kinds: ["image-filesystem"]),
        Damage(
            name: "the root's first block, zeroed",
            script: "dd if=/dev/zero of=$image bs=4096 seek=9728 count=1 conv=notrunc status=none",
            kinds: ["image-filesystem"]),
        Damage(
            name: "the firmware's boot signature", script: "poke $((8388608 + 510)) '\\000\\000'",
            kinds: ["fat-boot-sector"]),
        // The store.
        Damage(
            name: "a bit of a store file",
            script: "poke $((39845888 + $(block $busybox/bin/busybox) * 4096 + 5000)) '\\001'", kinds: ["store-content"]
        ),
        Damage(name: "no registration", script: "root \"rm $registration\"", kinds: ["store-unregistered"]),
        Damage(
            name: "a registration cut short", script: "get $registration | head -c 700 | put $registration",
            kinds: ["store-registration"]),
        Damage(
            name: "an empty registration", script: "printf '' | put $registration", kinds: ["store-registration"]),
        Damage(
            name: "a wrong size",
            script: """
                get $registration |
                awk 'n == 1 && /^[0-9]+$/ { $0++; n = 2 } /^sha256/ && !n { n = 1 } { print }' | put $registration
                """,
            kinds: ["store-size"]),
        Damage(
            name: "a wrong hash",
            script:
                "get $registration | sed '0,/^sha256:0/s//sha256:1/;t;0,/^sha256:1/s//sha256:0/' | put $registration",
            kinds: ["store-content"]),
        Damage(
            name: "a path that is not registered",
            script: """
                get $registration | awk -v p=$busybox '
                    $0 == p && !n {
                        n = 1; for (i = 0; i < 4; i++) getline
                        k = $0; for (i = 0; i < k; i++) getline
                        next
                    }
                    { print }' | put $registration
                """,
            kinds: ["store-reference", "store-unknown"]),
        Damage(
            name: "a circle",
            script: """
                get $registration | awk -v p=$initrd -v q=$system '
                    $0 == p && !n {
                        n = 1; print; for (i = 0; i < 3; i++) { getline; print }
                        getline; print $0 + 1; print q; next
                    }
                    { print }' | put $registration
                """,
            kinds: ["store-circle"]),
        Damage(
            name: "a path that is gone", script: "root \"rm $initrd/initrd\"; root \"rmdir $initrd\"",
            kinds: ["store-missing"]),
        Damage(
            name: "a file that is gone", script: "root \"rm $edge/sizes/65535\"", kinds: ["store-content"]),
        Damage(
            name: "a path too many",
            script: """
                p=/nix/store/00000000000000000000000000000000-more
                root "mkdir $p"; root "sif $p mode 040555"; root "sif $p mtime @1"
                """,
            kinds: ["store-unknown"], status: 0),
        Damage(
            name: "a name that is none",
            script: "root 'mkdir /nix/store/rubbish'", kinds: ["store-name"], status: 0),
        Damage(name: "a mode", script: "root \"sif $edge/sizes/1 mode 0100644\"", kinds: ["store-mode"]),
        Damage(name: "a folder's mode", script: "root \"sif $edge/sizes mode 040755\"", kinds: ["store-mode"]),
        Damage(
            name: "the rights of root", script: "root \"sif $busybox/bin/busybox mode 0104555\"",
            kinds: ["store-privileged"]),
        Damage(name: "an owner", script: "root \"sif $edge/sizes/1 uid 1000\"", kinds: ["store-owner"]),
        Damage(
            name: "a time", script: "root \"sif $edge/sizes/1 mtime @1700000000\"", kinds: ["store-time"], status: 0),
        Damage(
            name: "a pipe in the store",
            script: "printf 'cd %s\\nmknod pipe p\\n' $edge/sizes | debugfs -w -f - \"$root\" >/dev/null 2>&1",
            kinds: ["store-special"]),
        Damage(
            name: "a store that everybody may write to", script: "root 'sif /nix/store mode 040777'",
            kinds: ["store-folder"], status: 0),
        // U-Boot's menu and its files.
        Damage(name: "no menu", script: "root \"rm $menu\"", kinds: ["boot-no-menu"]),
        Damage(name: "an empty menu", script: "echo '# nothing' | put $menu", kinds: ["boot-menu"]),
        Damage(
            name: "no kernel", script: "root \"rm /boot/nixos/$(boot linux-6.6.30-Image)\"", kinds: ["boot-file"]),
        Damage(
            name: "no initrd", script: "root \"rm /boot/nixos/$(boot initrd)\"", kinds: ["boot-file"]),
        Damage(
            name: "an empty kernel", script: "p=/boot/nixos/$(boot linux-6.6.30-Image); printf '' | put $p",
            kinds: ["boot-empty"]),
        Damage(
            name: "no device trees",
            script: """
                p=/boot/nixos/$(boot dtbs)/broadcom
                for f in $(debugfs -R "ls -p $p" "$root" 2>/dev/null | cut -d/ -f6 | grep dtb); do root "rm $p/$f"; done
                """,
            kinds: ["boot-device-tree"]),
        Damage(
            name: "a folder of device trees that is not there",
            script: "get $menu | sed 's/-dtbs$/-trees/' | put $menu", kinds: ["boot-device-tree"]),
        Damage(
            name: "a default that is none", script: "get $menu | sed 's/^DEFAULT .*/DEFAULT other/' | put $menu",
            kinds: ["boot-default"]),
        Damage(
            name: "another root", script: "get $menu | sed 's/APPEND/APPEND root=LABEL=OTHER/' | put $menu",
            kinds: ["boot-root"]),
        Damage(
            name: "another partition",
            script: "get $menu | sed 's/APPEND/APPEND root=PARTUUID=2178694e-03/' | put $menu",
            kinds: ["boot-root"]),
        Damage(
            name: "no init", script: "get $menu | sed 's|/init |/gone |' | put $menu", kinds: ["boot-init"]),
        Damage(
            name: "an init that cannot be executed", script: "root \"sif $system/init mode 0100444\"",
            kinds: ["boot-init", "store-content"]),
        Damage(
            name: "another label", script: "root 'ssv volume_name OTHER'", kinds: ["boot-mount"]),
        // The firmware partition.
        Damage(name: "no U-Boot", script: "mdel -i \"$fat\" ::/u-boot.bin", kinds: ["boot-config"]),
        Damage(name: "an empty U-Boot", script: "printf '' | firmware u-boot.bin", kinds: ["boot-empty"]),
        Damage(
            name: "no kernel named", script: "echo enable_uart=1 | firmware config.txt", kinds: ["boot-kernel"]),
        Damage(
            name: "no armstub",
            script: "printf 'kernel=u-boot.bin\\n[pi4]\\narmstub=armstub8-gic.bin\\n' | firmware config.txt",
            kinds: ["boot-config"]),
        Damage(
            name: "no overlay", script: "printf 'kernel=u-boot.bin\\ndtoverlay=gone\\n' | firmware config.txt",
            kinds: ["boot-overlay"], status: 0),
        Damage(
            name: "half a firmware", script: "echo x | firmware start4.elf", kinds: ["boot-firmware"]),
        Damage(
            name: "U-Boot's variables", script: "printf 'xxxxbootcmd=run a\\0\\0' | firmware uboot.env",
            kinds: ["boot-environment"]),
        Damage(
            name: "a command line without its root",
            script: "printf 'root=UUID=1 init=/bin/sh' | firmware cmdline.txt", kinds: ["boot-root", "boot-init"]),
    ]

    @Test(.enabled(if: canDamage, Comment(rawValue: reason)), arguments: damages)
    func damageIsNamed(_ damage: Damage) throws {
        let directory = try ScratchDirectory()
        let image = directory.path + "/pi.img"
        let copied = try Judge.run("cp", ["--sparse=always", Self.images.get().raw, image])
        try #require(copied.status == 0, "\(copied.said)")
        let planted = try Judge.run("bash", ["-eu", "-o", "pipefail", "-c", Self.prelude + damage.script, "-", image])
        try #require(planted.status == 0, "\(planted.said)")
        let outcome = try Self.verify(image)
        #expect(outcome.kinds == damage.kinds, "\(planted.said)\(outcome.said)")
        #expect(outcome.status == damage.status)
    }

    /// A changed byte in a frame leads to findings about the frame and the paths with blocks in it.
    @Test func aDamagedFrameAndItsPathsAreNamed() throws {
        let directory = try ScratchDirectory()
        var bytes = try Data(contentsOf: URL(fileURLWithPath: Self.images.get().compressed))
        bytes[bytes.count / 2] ^= 0x10
        let image = directory.path + "/pi.img.zst"
        try bytes.write(to: URL(fileURLWithPath: image))
        let outcome = try Self.verify(image)
        #expect(outcome.status == 3 && outcome.kinds.contains("zstd-frame"), "\(outcome.said)")
        #expect(outcome.kinds.subtracting(["zstd-frame", "boot-empty"]) == ["store-unreadable"], "\(outcome.said)")
        // A truncated file.
        try bytes.prefix(bytes.count / 2).write(to: URL(fileURLWithPath: image))
        let cut = try Self.verify(image)
        #expect(cut.status == 3 && cut.kinds.contains("zstd-cut"), "\(cut.said)")
    }

    /// Findings of filesystems have offsets on the disk.
    @Test func findingsOfPartitionsHaveOffsetsOnTheDisk() throws {
        let directory = try ScratchDirectory()
        let image = directory.path + "/pi.img"
        try Judge.run("cp", ["--sparse=always", Self.images.get().raw, image])
        let fat: UInt64 = 8 << 20, root: UInt64 = 38 << 20
        let handle = try FileHandle(forUpdating: URL(fileURLWithPath: image))
        let sector = try DiskImage.open(FilePath(image)).bytes(
            of: PartitionTable.read(from: FileSource(FilePath(image))).partitions[0]
        )
        .read(512, at: 0)
        let reserved: UInt16 = try #require(sector.load(at: 14))
        try handle.seek(toOffset: fat + UInt64(reserved) * 512 + 300)
        try handle.write(contentsOf: Data([0xFF]))
        // The label in the superblock; its checksum stays.
        try handle.seek(toOffset: root + 1024 + 0x78)
        try handle.write(contentsOf: Data("X".utf8))
        try handle.close()
        let outcome = try Self.verify(image)
        #expect(outcome.status == 3)
        func offsets(_ prefix: String) -> [(partition: Int?, offset: UInt64)] {
            outcome.findings.filter { ($0["kind"] as? String)?.hasPrefix(prefix) == true }.compactMap { finding in
                (finding["offset"] as? UInt64).map { (finding["partition"] as? Int, $0) }
            }
        }
        #expect(offsets("fat-").contains { $0.partition == 1 && (fat..<root).contains($0.offset) }, "\(outcome.said)")
        #expect(offsets("ext4-").contains { $0.partition == 2 && $0.offset >= root }, "\(outcome.said)")
    }
}

/// `docs/verify.md` against the code.
@Suite struct VerifyDocumentationTests {
    /// The row of each kind in the code, as the tables must have it.
    private func rows() throws -> [String] {
        let sources = SmallClosure.checkout.appending("Sources/ImageKit").string
        let kind = #/(?:Self|Finding\.Kind)\(\s*"([a-z0-9-]+)",\s*\.(note|warning|damage),\s*"((?:[^"\\]|\\.)*)"/#
        var rows: [String] = []
        let files = try #require(FileManager.default.enumerator(atPath: sources))
        for case let file as String in files where file.hasSuffix(".swift") {
            let text = try String(contentsOfFile: sources + "/" + file, encoding: .utf8)
            for match in text.matches(of: kind) {
                let meaning = match.3.prefix(1).uppercased() + match.3.dropFirst() + (match.3.hasSuffix(".") ? "" : ".")
                rows.append("| `\(match.1)` | \(match.2) | \(meaning) |")
            }
        }
        return rows
    }

    @Test func namesAllKinds() throws {
        let page = try String(
            contentsOfFile: SmallClosure.checkout.appending("docs/verify.md").string, encoding: .utf8)
        let documented = page.split(separator: "\n").map(String.init).filter {
            $0.hasPrefix("| `") && $0.contains("` | ")
        }
        .filter { row in ["damage", "warning", "note"].contains { row.contains("` | \($0) |") } }
        let rows = try rows()
        #expect(rows.count > 100)
        #expect(Set(documented) == Set(rows) && documented.count == rows.count)
    }
}
