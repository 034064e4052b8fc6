import Foundation
import SystemPackage
import Testing

@testable import ImageKit

/// Parsers do not trap on texts that were changed at random. A value that was parsed can be written and parsed again.
@Suite struct TextFuzzTests {
    /// Calls `body` with valid texts, and with random changes of them.
    private func each(_ seed: UInt64, _ few: Int, _ good: [String], _ body: ([UInt8]) throws -> Void) throws {
        var mutation = TextMutation(Fuzz.random(seed))
        let good = good.map { Array($0.utf8) }
        for text in good { try body(text) }
        for _ in 0..<Fuzz.iterations(few) { try body(mutation.next(good)) }
    }

    @Test func menus() throws {
        let good = [
            """
            DEFAULT nixos-default
            MENU TITLE ---
            TIMEOUT 50
            LABEL nixos-default
              MENU LABEL NixOS - Default
              LINUX ../nixos/abc-Image
              INITRD ../nixos/abc-initrd
              FDTDIR ../nixos/abc-dtbs
              FDTOVERLAYS ../a.dtbo /b.dtbo
              APPEND init=/nix/store/abc/init console=ttyS0,115200n8 root=LABEL=x

            """, "label a\nkernel /k\nmenu default\nlabel b\nfdt x", "",
        ]
        try each(601, 400, good) { (text) throws in
            let menu = ExtlinuxConfig.parse(String(decoding: text, as: UTF8.self))
            #expect(menu.entries.count <= text.count / 5)
            if let entry = menu.defaultEntry {
                for file in [entry.kernel, entry.initrd, entry.fdt, entry.fdtDirectory] + entry.overlays {
                    let path = ExtlinuxConfig.path(of: file ?? "")
                    #expect(path.hasPrefix("/") && !path.split(separator: "/").contains(".."))
                }
                _ = entry.parameters("init") + entry.parameters("")
            }
        }
    }

    @Test func settings() throws {
        let good = [
            """
            # a comment
            kernel=u-boot.bin
            arm_64bit=1
            [pi4]
            armstub=armstub8-gic.bin
            dtoverlay=disable-bt,param=1
            [gpio4=1]
            [0x12345678]
            initramfs initrd,more followkernel
            [all]
            include more.txt
            os_prefix=a/
            overlay_prefix=o/

            """, "[pi3]\n[cm4]\ninclude config.txt\n", "kernel = x \n",
        ]
        try each(602, 300, good) { (text) throws in
            var tree = FileTree()
            let file = tree.addFile(text, .init(permissions: 0o644))
            tree.root = try tree.addDirectory(
                [(Array("config.txt".utf8), file), (Array("MORE.TXT".utf8), file)], .init(permissions: 0o755))
            let config = try ConfigTxt.load(text, in: tree) { tree.node(ignoringCaseAt: $0) }
            // Included at most 32 times.
            #expect(config.settings.count <= (text.count + 1) * 33)
            for board in Board.all.prefix(3) {
                let settings = config.settings(for: board)
                _ = ConfigTxt.missingFiles(of: settings) { $0.utf8.count % 2 == 0 }
            }
            _ = config.settings(filter: "pi4")
        }
    }

    @Test func filesystemTables() throws {
        let good = [
            "/dev/disk/by-label/NIXOS_SD / ext4 x-initrd.mount 0 1\nLABEL=FIRM\\040WARE /boot vfat nofail 0 2\n",
            "UUID=44444444-4444-4444-8888-888888888888 /\\134x ext4\n/dev/disk/by-label/a\\x20b\\x2f / auto d\n",
            "PARTUUID=2178694e-02\t/\text4\n#x y z\n",
        ]
        try each(603, 500, good) { (text) throws in
            let table = FilesystemTable(String(decoding: text, as: UTF8.self))
            for mount in table.mounts {
                _ = FilesystemTable.identity(of: mount.source)
                #expect(mount.source.utf8.count <= 3 * text.count)
            }
        }
        // A sign is no digit.
        #expect(FilesystemTable("a\\+77b / ext4").mounts.first?.source == "a\\+77b")
        #expect(FilesystemTable("a\\-00b / ext4").mounts.first?.source == "a\\-00b")
    }

    @Test func environments() throws {
        let good = [
            "\u{1}\0arch=arm\0bootcmd=run distro_bootcmd\0kernel_addr_r=0x00080000\0ramdisk_addr_r=0x02700000\0"
                + "fdt_addr_r=0x02600000\0scriptaddr=1\0\0\u{1}",
            "\0ramdisk_addr_r=ffffffffffffffff\0kernel_addr_r=fffffffffe\0bootcmd=x\0",
        ]
        var head = [UInt8](repeating: 0xFF, count: 64)
        head.store(bytes: KernelImage.magic, at: KernelImage.Field.magic.lowerBound)
        let kernel = try #require(KernelImage(head: head, fileSize: .max))
        try each(604, 300, good) { (text) throws in
            guard var environment = UBootEnvironment(builtInto: text) else { return }
            #expect(environment.room.map { $0.end > $0.kernel } != false)
            #expect(environment.room?.holds(kernel) != true)
            _ = environment.room?.capacity
            environment.makeRoom()
            guard let file = environment.encoded() else { return }
            #expect(file.count == UBootEnvironment.fileSize && UBootEnvironment.isSound(file))
            let again = UBootEnvironment(builtInto: [0] + file[UBootEnvironment.Field.variables...])
            #expect(again?.variables.map(\.name) == environment.variables.map(\.name))
            #expect(again?.variables.map(\.value) == environment.variables.map(\.value))
        }
        for length in 0..<8 { _ = UBootEnvironment.isSound([UInt8](repeating: 0, count: length)) }
    }

    @Test func bootspecs() throws {
        let directory = try ScratchDirectory()
        let file = FilePath(directory.path).appending("boot.json")
        let entry =
            #"{"system":"aarch64-linux","init":"/nix/store/x/init","kernel":"k","initrd":null,"kernelParams":["a"],"#
            + #""label":"NixOS","toplevel":"/nix/store/x"}"#
        let good = [
            #"{"org.nixos.bootspec.v1":\#(entry)}"#,
            #"{"org.nixos.bootspec.v1":\#(entry),"#
                + #""org.nixos.specialisation.v1":{"one":{"org.nixos.bootspec.v1":\#(entry)}}}"#,
            String(repeating: #"{"org.nixos.specialisation.v1":{"a":"#, count: 2000),
            String(repeating: #"{"org.nixos.specialisation.v1":{"a":"#, count: 200)
                + #"{"org.nixos.bootspec.v1":\#(entry)}"# + String(repeating: "}}", count: 200),
            String(repeating: "[", count: 100_000), "1", "",
        ]
        try each(605, 200, good) { (text) throws in
            try Data(text).write(to: URL(fileURLWithPath: file.string))
            do throws(ImageError) {
                if let spec = try Bootspec.read(file) { #expect(spec.entry != nil) }
            } catch {
                #expect(error.description.contains("boot.json"))
            }
        }
    }

    @Test func registrations() throws {
        let path = "/nix/store/5dxwz4wamc0djv3n3jkkv9r1k2rfa9vy-bash-5.2"
        let other = "/nix/store/00000000000000000000000000000000-a"
        let hash = "sha256:1b8m03r63zqhnjf7l5wnldhh7c134ap5vpj0850ymkq1iyzicy5s"
        let good = [
            "\(path)\n\(hash)\n112\n\n2\n\(other)\n\(path)\n\(other)\n\(hash)\n5\n/nix/store/\n0\n",
            "\(path)\n\(hash)\n0\n\n0\n",
        ]
        try each(606, 400, good) { (text) throws in
            guard let registration = try? Registration(parsing: text, file: "x") else { return }
            #expect(try Registration(parsing: registration.encoded(), file: "y") == registration)
            _ = try? Closure(roots: registration.entries.map(\.path), from: registration)
        }
    }

    /// Arguments of a command line: sizes, addresses, copies, store paths, hashes, identities.
    @Test func words() throws {
        let hash = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
        let good = [
            "30M", "4096", "1GiB", "8388608T", "firmware:/config.txt", "root:/nix/store", "2:/a:b", "/x",
            "a:/b/:0644:1:2",
            "a:b:/c:07777:4294967294:0", hash, "44444444-4444-4444-8888-888888888888",
            "/nix/store/5dxwz4wamc0djv3n3jkkv9r1k2rfa9vy-bash-5.2/bin/../x", "file@8K", "a@b@1M",
        ]
        try each(607, 1500, good) { (bytes) throws in
            // In debug builds, swift-system takes time in the square of a path's length for each component.
            let text = String(decoding: bytes.prefix(300), as: UTF8.self)
            if let size = ByteSize.parse(text) {
                #expect(size <= UInt64(Int64.max) && !ByteSize.format(size).isEmpty)
                // The size may be impossible.
                _ = try? Ext4Geometry.fixed(size: size, inodes: 5000)
            }
            if let address = try? ImageAddress(parsing: text) {
                #expect(try ImageAddress(parsing: address.description) == address, "\(text)")
            }
            if let copy = try? RootCopy(parsing: text) {
                #expect(copy.destination.allSatisfy { !$0.isEmpty && $0.count < 256 })
            }
            if let path = try? StorePath(text) { #expect(path.path == text) }
            if let (path, rest) = try? StorePath.parent(of: FilePath(text)) {
                #expect(text.hasPrefix(path.path) && !rest.isAbsolute)
            }
            if let hash = try? NARHash(text) { #expect(try NARHash(hash.description) == hash) }
            if let uuid = GUID(text) { #expect(uuid.description == text.lowercased()) }
            #expect(!ImageError.printable(text).unicodeScalars.contains { $0.value < 0x20 || $0.value == 0x7F })
        }
    }
}
