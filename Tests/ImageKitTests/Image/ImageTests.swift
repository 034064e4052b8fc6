import Crypto
import Foundation
import SystemPackage
import Testing

@testable import ImageKit

/// Whole images of the small closure.
@Suite struct ImageTests {
    /// The SHA-256 of the raw image of `fixtures/small`, on every machine. It may only change with a reason.
    static let golden = "3297d6a1ca4b9a6f76024c028b5a3c226d4da1c9334498d3d543ea682e90fde6"

    private func digest(_ map: SegmentMap) throws -> String {
        var hash = SHA256()
        var offset: UInt64 = 0
        while offset < map.size {
            let count = Int(min(1 << 20, map.size - offset))
            try hash.update(data: map.read(count, at: offset))
            offset += UInt64(count)
        }
        return hash.finalize().map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    @Test func hasTheBytesItAlwaysHad() throws {
        let small = try SmallClosure.shared.get()
        let plan = try ImagePlan(small.recipe)
        #expect(try digest(plan.map) == Self.golden)
    }

    @Test func isTheSameFromAnySourceAndWithAnyThreads() throws {
        let small = try SmallClosure.shared.get()
        let scanned = try ImagePlan(small.recipe)
        let directory = try ScratchDirectory()
        let file = directory.path + "/registration"
        // The registration as Nix prints it elsewhere: unsorted, hexadecimal hashes, derivers.
        var text = ""
        for info in scanned.closure.paths.reversed() {
            let hex = info.narHash.bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
            text += "\(info.path.path)\n\(hex)\n\(info.narSize)\n/nix/store/00000000000000000000000000000000-x.drv\n"
            text += "\(info.references.count)\n" + info.references.reversed().map { $0.path + "\n" }.joined()
        }
        try Data(text.utf8).write(to: URL(fileURLWithPath: file))
        var recipe = small.recipe
        recipe.source = .registration(FilePath(file))
        recipe.threads = 7
        #expect(try digest(ImagePlan(recipe).map) == Self.golden)
    }

    /// Paths are scanned in the order of their registered sizes, which must not change anything but the registration.
    @Test func registeredSizesShowInTheRegistrationAlone() throws {
        let small = try SmallClosure.shared.get()
        let known = try ImagePlan(small.recipe).closure.paths
        let directory = try ScratchDirectory()
        func map(of sizes: [UInt64]) throws -> SegmentMap {
            let entries = zip(known, sizes).map { info, size in
                PathInfo(path: info.path, narHash: info.narHash, narSize: size, references: info.references)
            }
            let file = directory.path + "/registration"
            try Data(Registration(entries).encoded()).write(to: URL(fileURLWithPath: file))
            var recipe = small.recipe
            recipe.source = .registration(FilePath(file))
            return try ImagePlan(recipe).map
        }
        // Numbers with equally many digits, so that the registration keeps its length.
        let sizes = known.indices.map { 100_000_000 + UInt64($0) * 10_000_000 }
        let first = try map(of: sizes), second = try map(of: sizes.reversed())
        try #require(first.size == second.size && known.count > 2)
        var different: [UInt64] = []
        for offset in stride(from: 0, to: first.size, by: 1 << 20) {
            let count = Int(min(1 << 20, first.size - offset))
            let left = try first.read(count, at: offset), right = try second.read(count, at: offset)
            guard left != right else { continue }
            for start in stride(from: 0, to: count, by: 4096) {
                let block = start..<start + 4096
                guard left[block] != right[block] else { continue }
                different.append(offset + UInt64(start))
                #expect(String(decoding: left[block], as: UTF8.self).contains("\n/nix/store/"), "at \(different)")
            }
        }
        // One file, in one extent.
        #expect(zip(different, different.dropFirst()).allSatisfy { $1 == $0 + 4096 } && !different.isEmpty)
    }

    @Test func doesNotDependOnHostLinksHolesModesOrTimes() throws {
        let directory = try ScratchDirectory()
        let other = try SmallClosure(at: FilePath(directory.path).appending("small"))
        // A copy without links and holes, and without the canonical metadata of a store.
        let copied = try Judge.run(
            "bash",
            [
                "-euc",
                """
                cd "$1"; chmod -R u+w root; mkdir copy
                cp -r --no-preserve=all --preserve=mode --sparse=never root/. copy/; rm -rf root; mv copy root
                find root -type f -perm 0555 -exec chmod 0755 {} +; find root -type f -perm 0444 -exec chmod 0640 {} +
                """, "-", other.directory.string,
            ])
        try #require(copied.status == 0, "\(copied.said)")
        #expect(try digest(ImagePlan(other.recipe).map) == Self.golden)
    }

    @Test(.enabled(if: Judge.hasExt4Tools && Judge.hasFATTools, "needs e2fsprogs, dosfstools and fdisk"))
    func allJudgesAreSilent() throws {
        let small = try SmallClosure.shared.get()
        let plan = try ImagePlan(small.recipe)
        let directory = try ScratchDirectory()
        let image = directory.path + "/pi.img"
        let report = try ImageWriter(plan, format: .raw, threads: 2).write(to: .file(FilePath(image)))
        #expect(report.imageSize == plan.map.size)
        let verified = try Judge.run("sfdisk", ["--verify", image])
        #expect(verified.status == 0 && verified.said.contains("No errors"), "\(verified.said)")
        for partition in plan.table.partitions {
            let part = directory.path + "/part\(partition.number)"
            try Judge.run(
                "dd",
                [
                    "if=\(image)", "of=\(part)", "bs=512", "skip=\(partition.start)", "count=\(partition.count)",
                    "conv=sparse", "status=none",
                ])
            let judged =
                try partition.number == 1 ? Judge.run("fsck.fat", ["-n", part]) : Judge.run("e2fsck", ["-fn", part])
            #expect(judged.status == 0, "\(judged.said)")
        }
        // The raw file has the bytes of the map, and holes.
        #expect(try directory.read(image, 1 << 20, at: 38 << 20) == plan.map.read(1 << 20, at: 38 << 20))
        var status = stat()
        stat(image, &status)
        #expect(UInt64(status.st_blocks) * 512 < plan.map.size / 2)
    }

    /// The kernel reads every byte, name, mode, owner, time and link of the root tree.
    @Test(.enabled(if: Ext4Judge.canMount, Comment(rawValue: Ext4Judge.mountReason)))
    func theKernelReadsTheClosureBack() throws {
        let small = try SmallClosure.shared.get()
        let recipe = small.recipe
        let plan = try ImagePlan(recipe)
        for deduplicates in [true, false] {
            let root = try RootTree(
                plan.closure, in: recipe.store, toplevel: plan.toplevel, boot: recipe.bootOptions,
                registrationPath: recipe.registrationPath, deduplicates: deduplicates, threads: 2,
                progress: nil)
            let directory = try ScratchDirectory()
            _ = try directory.judgedByKernel(root.tree)
        }
    }

    @Test func takesFirmwareFromTheClosure() throws {
        let directory = try ScratchDirectory()
        let closure = try SmallClosure(at: FilePath(directory.path).appending("small"))
        let boot = try closure.path("-linux-6.6.30").appending("share/raspberrypi/boot").string
        let added = try Judge.run(
            "bash",
            [
                "-euc",
                "chmod u+w \"${1%/share*}\"; mkdir -p \"$1/overlays\"; echo firmware >\"$1/start4.elf\"; "
                    + "ln -s /nix/store/\"$2\"/etc/os-release \"$1/bootcode.bin\"", "-", boot,
                try closure.path("-etc").lastComponent?.string ?? "",
            ])
        try #require(added.status == 0, "\(added.said)")
        // The firmware directory of the recipe has a config.txt, so no other file is required.
        let recipe = closure.recipe
        func firmware() throws -> FileTree {
            let plan = try ImagePlan(recipe)
            return try FirmwareTree(
                recipe.bootOptions, closure: plan.closure, in: recipe.store, toplevel: plan.toplevel, progress: nil
            ).tree
        }
        #expect(try firmware().node(at: "/start4.elf") != nil)
        // A link into the store is followed in the recipe's store, not in the host's.
        let tree = try firmware()
        #expect(try tree.size(of: #require(tree.node(at: "/bootcode.bin"))) == 28)
        // The same holds for a link in the middle of a path.
        let moved = try Judge.run(
            "bash",
            [
                "-euc", "cd \"$1\"; chmod -R u+w .; mv share real; ln -s \"/nix/store/${1##*/}/real\" share", "-",
                closure.path("-linux-6.6.30").string,
            ])
        try #require(moved.status == 0, "\(moved.said)")
        #expect(try firmware().node(at: "/start4.elf") != nil)
    }

    /// Of two directories, the later one wins, and links are followed.
    @Test func laterFirmwareDirectoriesWin() throws {
        let directory = try ScratchDirectory()
        let small = try SmallClosure.shared.get()
        let first = directory.path + "/one", second = directory.path + "/two"
        let made = try Judge.run(
            "bash",
            [
                "-euc",
                "mkdir -p $1/overlays $2/overlays; echo 1 >$1/config.txt; echo 22 >$2/config.txt; "
                    + "echo a >$1/overlays/a.dtbo; ln -s ../config.txt $2/overlays/b.dtbo", "-", first, second,
            ])
        try #require(made.status == 0, "\(made.said)")
        var recipe = small.recipe
        recipe.firmware = [FilePath(first), FilePath(second)]
        let plan = try ImagePlan(recipe)
        let tree = try FirmwareTree(
            recipe.bootOptions, closure: plan.closure, in: recipe.store, toplevel: plan.toplevel, progress: nil
        ).tree
        #expect(try tree.size(of: #require(tree.node(at: "/config.txt"))) == 3)
        #expect(tree.node(at: "/overlays/a.dtbo") != nil)
        #expect(tree.node(at: "/overlays/b.dtbo").map { tree.kind(of: $0) } == .file)
        #expect(tree.node(at: "/u-boot.bin") == nil)
    }

    @Test func theMenuIsTheOneOfNixOS() throws {
        let small = try SmallClosure.shared.get()
        let plan = try ImagePlan(small.recipe)
        let root = try RootTree(
            plan.closure, in: small.recipe.store, toplevel: plan.toplevel, boot: small.recipe.bootOptions,
            registrationPath: "/nix/var/registration", deduplicates: false, progress: nil)
        let tree = root.tree
        let node = try #require(tree.node(at: "/boot/extlinux/extlinux.conf"))
        guard case .bytes(let bytes) = tree.content(of: node) else { throw ImageError(.internal, "no menu") }
        let hashes = (linux: "2mnbvcxzlkjhgfdsapiqyrwq01234567", initrd: "3zyxwvsrqpnmlkjihgfdcba987654321")
        #expect(
            String(decoding: bytes, as: UTF8.self) == """
                # Generated file, all changes will be lost on nixos-rebuild!

                # Change this to e.g. nixos-42 to temporarily boot to an older configuration.
                DEFAULT nixos-default

                TIMEOUT 50
                MENU TITLE ------------------------------------------------------------

                LABEL nixos-default
                  MENU LABEL NixOS - Default
                  LINUX ../nixos/\(hashes.linux)-linux-6.6.30-Image
                  INITRD ../nixos/\(hashes.initrd)-initrd-linux-6.6.30-initrd
                  APPEND init=/nix/store/6aaabbbcccdddfffggghhhiiijjjkkkl-nixos-system-small-24.05/init \
                console=ttyS1,115200n8 loglevel=4
                  FDTDIR ../nixos/\(hashes.linux)-linux-6.6.30-dtbs

                """)
        for name in ["linux-6.6.30-Image", "linux-6.6.30-dtbs/broadcom/bcm2837-rpi-3-b.dtb"] {
            #expect(tree.node(at: "/boot/nixos/\(hashes.linux)-\(name)") != nil)
        }
        #expect(tree.node(at: "/nix/var/registration") != nil)
        #expect(tree.node(at: "/nix-path-registration") == nil)
    }

    @Test(.enabled(if: Judge.has("zstd"), "needs zstd")) func compressedAndRawAreTheSame() throws {
        let small = try SmallClosure.shared.get()
        let plan = try ImagePlan(small.recipe)
        let directory = try ScratchDirectory()
        for (name, format) in [
            ("many.img.zst", .seekable(ZstdParameters(), frameSize: 1 << 20)),
            ("level.img.zst", .seekable(ZstdParameters(level: 1), frameSize: 64 << 10)),
            ("one.img.zst", .singleFrame(ZstdParameters())),
        ] as [(String, ImageWriter.Format)] {
            let file = directory.path + "/" + name
            _ = try ImageWriter(plan, format: format, threads: 2).write(to: .file(FilePath(file)))
            #expect(try Judge.run("zstd", ["-tq", file]).status == 0)
            let sum = try Judge.run("bash", ["-c", "zstd -dcq \"$1\" | sha256sum", "-", file])
            #expect(sum.said.hasPrefix(Self.golden), "\(name): \(sum.said)")
        }
    }

    /// The next image of an updated system has most frames of the old one.
    @Test func mostFramesStayWhenOneStorePathChanges() throws {
        let directory = try ScratchDirectory()
        let other = try SmallClosure(at: FilePath(directory.path).appending("small"))
        let before = try frames(of: other)
        // A small path with another content and another hash, and all references to it.
        let changed = try Judge.run(
            "bash",
            [
                "-euc",
                """
                cd "$1/root/nix/store"; chmod -R u+w .; old=$(basename *-etc); new=9${old#?}
                printf 'another line\\n%s' "$(cat $old/etc/fstab)" >fstab; cat fstab >$old/etc/fstab; rm fstab
                mv $old $new; top=$(ls -d *-system-small-*); rm $top/etc; ln -s /nix/store/$new/etc $top/etc
                """, "-", other.directory.string,
            ])
        try #require(changed.status == 0, "\(changed.said)")
        let after = try frames(of: other)
        let same = after.filter(before.contains).count
        #expect(before != after)
        #expect(same * 10 >= after.count * 9, "\(same) of \(after.count) frames are the same")
    }

    /// The compressed frames of a closure's image. They are small, so that there are many.
    private func frames(of small: SmallClosure) throws -> [[UInt8]] {
        let sink = MemorySink()
        let result = try ZstdImageWriter(
            map: ImagePlan(small.recipe).map, parameters: ZstdParameters(), frameSize: 64 << 10, threads: 2,
            progress: nil
        ).write(to: sink)
        var offset = 0
        return result.table.entries.map { entry in
            defer { offset += Int(entry.compressedSize) }
            return Array(sink.bytes[offset..<offset + Int(entry.compressedSize)])
        }
    }
}
