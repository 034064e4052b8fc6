import Foundation
import SystemPackage
import Testing

@testable import ImageKit

/// The files that each board finds on the firmware partition, and their origin.
@Suite("Boot: firmware partition") struct BootFirmwareTests {
    let system: SampleSystem

    init() throws { system = try SampleSystem() }

    @Test func theCombinedImageHasTheFilesOfUpstream() throws {
        let firmware = try system.firmware(system.recipe(try system.addPackages()))
        #expect(
            firmware.tree.files == [
                "/armstub8-gic.bin", "/bcm2710-rpi-2-b.dtb", "/bcm2710-rpi-3-b-plus.dtb", "/bcm2710-rpi-3-b.dtb",
                "/bcm2710-rpi-zero-2-w.dtb", "/bcm2711-rpi-4-b.dtb", "/bcm2711-rpi-cm4.dtb", "/bcm2712-rpi-5-b.dtb",
                "/bcm2712d0-rpi-5-b.dtb", "/bootcode.bin", "/config.txt", "/fixup.dat", "/fixup4.dat", "/fixup4cd.dat",
                "/fixup4db.dat", "/fixup4x.dat", "/fixup_cd.dat", "/fixup_db.dat", "/fixup_x.dat",
                "/overlays/dwc2.dtbo", "/overlays/overlay_map.dtb", "/start.elf", "/start4.elf", "/start4cd.elf",
                "/start4db.elf", "/start4x.elf", "/start_cd.elf", "/start_db.elf", "/start_x.elf", "/u-boot.bin",
            ])
        #expect(firmware.warningTexts.isEmpty)
        #expect(
            try firmware.tree.text("/config.txt") == """
                # Made by mkpiimg. Changes are kept: NixOS never writes this file.
                kernel=u-boot.bin
                arm_64bit=1
                enable_uart=1
                avoid_warnings=1

                [pi3]
                core_freq=250

                [pi4]
                enable_gic=1
                armstub=armstub8-gic.bin
                disable_overscan=1
                arm_boost=1

                [cm4]
                otg_mode=1

                [cm5]
                dtoverlay=dwc2,dr_mode=host

                [pi5]
                enable_uart=0

                """)
    }

    /// An image for one board has its files and its U-Boot, and no other board's.
    @Test(arguments: [
        ("pi0", "rpi_0_w", "u-boot-rpi0.bin", "[pi0]\nkernel=u-boot-rpi0.bin", ["/bcm2708-rpi-zero-w.dtb"]),
        ("pi1", "rpi", "u-boot-rpi1.bin", "[pi1]\nkernel=u-boot-rpi1.bin", ["/bcm2708-rpi-b-plus.dtb"]),
        (
            "pi2", "rpi_2", "u-boot-rpi2.bin", "[pi2]\nkernel=u-boot-rpi2.bin",
            ["/bcm2709-rpi-2-b.dtb", "/bcm2710-rpi-2-b.dtb"]
        ),
        (
            "pi3", "rpi_3", "u-boot-rpi3.bin",
            "[pi3]\nkernel=u-boot-rpi3.bin\ncore_freq=250\n\n[pi2]\nkernel=u-boot-rpi3.bin",
            ["/bcm2710-rpi-2-b.dtb", "/bcm2710-rpi-3-b-plus.dtb", "/bcm2710-rpi-3-b.dtb"]
        ),
        ("zero2w", "rpi_3", "u-boot-rpi3.bin", "[pi02]\nkernel=u-boot-rpi3.bin", ["/bcm2710-rpi-zero-2-w.dtb"]),
        (
            "cm4", "rpi_4", "u-boot-rpi4.bin", "[pi4]\nkernel=u-boot-rpi4.bin\nenable_gic=1",
            ["/bcm2711-rpi-4-b.dtb", "/bcm2711-rpi-cm4.dtb"]
        ),
        (
            "pi5", "rpi_arm64", "u-boot.bin", "[pi5]\nenable_uart=0",
            ["/bcm2712-rpi-5-b.dtb", "/bcm2712d0-rpi-5-b.dtb"]
        ),
    ])
    func eachBoardHasItsOwnFiles(
        name: String, configuration: String, uboot: String, config: String, trees: [String]
    ) throws {
        var packages = Array(try system.addPackages().dropLast())
        packages.append(try system.addUBoot(configuration, 20))
        var recipe = system.recipe(packages)
        recipe.boards = Board.named(name)
        let firmware = try system.firmware(recipe)
        let files = firmware.tree.files
        #expect(files.filter { $0.hasSuffix(".dtb") && !$0.contains("overlay") } == trees)
        #expect(files.contains("/" + uboot))
        let text = try firmware.tree.text("/config.txt")
        #expect(text.contains(config), "\(text)")
        #expect(text.contains("arm_64bit=\(recipe.boards?.first?.architecture == "aarch64" ? 1 : 0)\n"))
        #expect(files.contains("/armstub8-gic.bin") == (name == "cm4"))
        #expect(files.contains("/start4.elf") == (name == "cm4"))
        #expect(files.contains("/bootcode.bin") == !["cm4", "pi5"].contains(name))
        #expect(files.contains { $0.contains("kernel8") || $0.contains("LICENCE") } == false)
    }

    /// NixOS 24.05 to 26.05: one U-Boot for the Pi 3, one for the Pi 4.
    @Test func olderImagesHaveTwoUBoots() throws {
        try system.addFirmware()
        try system.addArmstubs()
        let packages = [
            SampleSystem.firmware, SampleSystem.armstubs, try system.addUBoot("rpi_3", 21),
            try system.addUBoot("rpi_4", 22),
        ]
        var recipe = system.recipe(packages)
        #expect(message(try system.firmware(recipe)).contains("pi5 needs u-boot.bin;"))
        recipe.boards = Board.standard.filter { $0.name != "pi5" }
        let text = try system.firmware(recipe).tree.text("/config.txt")
        #expect(!text.contains("kernel=u-boot.bin"))
        for lines in [
            "[pi3]\nkernel=u-boot-rpi3.bin\ncore_freq=250\n", "[pi02]\nkernel=u-boot-rpi3.bin\n",
            "[pi4]\nkernel=u-boot-rpi4.bin\n",
        ] {
            #expect(text.contains(lines), "\(text)")
        }
    }

    @Test func namesMissingFilesByBoard() throws {
        let error = message(try system.firmware(system.recipe()))
        for words in [
            "pi3 needs bootcode.bin, start.elf, fixup.dat, bcm2710-rpi-3-b.dtb, u-boot.bin",
            "pi4 needs start4.elf, fixup4.dat, bcm2711-rpi-4-b.dtb, u-boot.bin, armstub8-gic.bin",
            "pi5 needs bcm2712-rpi-5-b.dtb, u-boot.bin", "into the closure", "store paths with firmware directory",
            "a folder with these files", "'boot style none'",
        ] {
            #expect(error.contains(words), "\(words) in: \(error)")
        }
        // Boards with all their files are suggested.
        let packages = try system.addPackages()
        let partial = message(try system.firmware(system.recipe([packages[0], packages[2]])))
        #expect(partial.contains("pi4 needs armstub8-gic.bin;"), "\(partial)")
        #expect(partial.contains("board pi3 board zero2w board pi5"), "\(partial)")
        #expect(!partial.contains("pi3 needs"))
    }

    /// Packages can be given by their paths, and directories replace everything.
    @Test func packagesCanBeGiven() throws {
        let packages = try system.addPackages()
        var recipe = system.recipe()
        recipe.firmware = packages.map { system.store.location.physical($0) }
        let named = try system.firmware(recipe)
        #expect(named.tree.files == (try system.firmware(system.recipe(packages)).tree.files))
        // Logical paths are paths of the given store.
        recipe.firmware = packages.map { FilePath($0.path) }
        #expect(try system.firmware(recipe).tree.files == named.tree.files)
        let directory = try system.store.directory("mine")
        try system.store.file("mine/start4.elf", "newer")
        try system.store.file("mine/extra/note.txt", "hello")
        recipe.firmware.append(directory)
        let tree = try system.firmware(recipe).tree
        #expect(try tree.text("/start4.elf") == "newer" && tree.text("/extra/note.txt") == "hello")
        #expect(tree.files.count == named.tree.files.count + 1)
    }

    /// NixOS/nixos-hardware#1505: a config.txt of the user's own.
    @Test func aUsersConfigReplacesTheGeneratedOne() throws {
        let packages = try system.addPackages()
        var recipe = system.recipe(packages)
        recipe.firmware = [try system.store.directory("mine")]
        try system.store.file("mine/Config.TXT", "kernel=u-boot.bin\ndtoverlay=vc4-kms-v3d,cma-512\nkernel=gone.img")
        let firmware = try system.firmware(recipe)
        #expect(firmware.tree.files.contains("/Config.TXT") && !firmware.tree.files.contains("/config.txt"))
        #expect(try firmware.tree.text("/Config.TXT").hasPrefix("kernel=u-boot.bin\n"))
        // The overlay that it names is added, with its variants. A missing file is reported.
        #expect(
            firmware.tree.files.filter { $0.hasPrefix("/overlays") } == [
                "/overlays/overlay_map.dtb", "/overlays/vc4-kms-v3d-pi4.dtbo", "/overlays/vc4-kms-v3d.dtbo",
            ])
        #expect(firmware.warningTexts == ["config.txt names 'gone.img', which is not on the firmware partition"])
        // It is not changed except for added lines.
        recipe.configLines = ["dtparam=audio=on"]
        #expect(try system.firmware(recipe).tree.text("/Config.TXT").hasSuffix("gone.img\n\n[all]\ndtparam=audio=on\n"))
        // With it, no file is required.
        recipe.closures = [FilePath(SampleSystem.system.path)]
        #expect(try system.firmware(recipe).tree.files == ["/Config.TXT"])
    }

    @Test func addedLinesAreForAllBoards() throws {
        var recipe = system.recipe(try system.addPackages())
        recipe.configLines = ["dtparam=audio=on", "dtoverlay=vc4-kms-v3d", "dtoverlay=../LICENCE"]
        let firmware = try system.firmware(recipe)
        #expect(
            try firmware.tree.text("/config.txt").hasSuffix(
                "enable_uart=0\n\n[all]\ndtparam=audio=on\ndtoverlay=vc4-kms-v3d\ndtoverlay=../LICENCE\n"))
        #expect(firmware.tree.files.contains("/overlays/vc4-kms-v3d-pi4.dtbo"))
        #expect(
            firmware.warningTexts == [
                "config.txt names the overlay '../LICENCE', which is not on the firmware partition"
            ])
        let long = String(repeating: "x", count: 99)
        for (line, reason) in [
            (long, "has 99 characters"), ("a=1\n[pi4]", "a line end"), ("a=\u{e9}", "not ASCII"),
            ("a=\u{7f}", "control"),
        ] {
            recipe.configLines = [line]
            #expect(message(try system.firmware(recipe)).contains(reason), "\(line)")
        }
        recipe.configLines = [String(long.dropFirst())]
        #expect(message(try system.firmware(recipe)) == "")
    }

    @Test func generatedLinesAreShortEnough() throws {
        let packages = try system.addPackages()
        for style in [BootStyle.extlinux, .kernel] {
            var recipe = system.recipe(packages)
            recipe.boot = style
            for line in try system.firmware(recipe).tree.text("/config.txt").split(separator: "\n") {
                #expect(line.utf8.count < ConfigTxtWriter.maximumLineLength)
            }
        }
    }

    @Test func boardsHaveNames() {
        #expect(Board.named("CM5")?.map(\.name) == ["pi5"])
        #expect(Board.named("aarch64")?.map(\.name) == ["pi3", "zero2w", "pi4", "pi5"])
        #expect(Board.named("armv6l")?.map(\.name) == ["pi0", "pi1"])
        #expect(Board.named("armv7l")?.map(\.name) == ["pi2", "pi3-32"])
        #expect(Board.named("pi6") == nil && Board.named("") == nil)
        let names = Board.all.map(\.name) + Board.all.flatMap(\.aliases) + Board.combinations
        #expect(Set(names).count == names.count)
    }

    @Test func boardsOfOneWidthOnly() throws {
        var recipe = system.recipe(try system.addPackages())
        recipe.boards = Board.all
        #expect(message(try system.firmware(recipe)).contains("pi0, pi1, pi2, pi3-32 run other systems than pi3"))
    }

    /// A store path can be a directory for the partition instead of a package. Then it is copied whole.
    @Test func aWholePartitionInTheStoreIsNoPackage() throws {
        let filled = storePath(40, "pi-firmware")
        for (name, content) in [
            ("config.txt", "kernel=u-boot.bin\n"), ("u-boot.bin", "x"), ("start4.elf", "y"), ("n/o", "z"),
        ] {
            try system.file(filled, name, content)
        }
        var recipe = system.recipe(try system.addPackages())
        recipe.firmware = [FilePath(filled.path)]
        let tree = try system.firmware(recipe).tree
        #expect(try tree.text("/config.txt") == "kernel=u-boot.bin\n" && tree.text("/start4.elf") == "y")
        #expect(try tree.text("/n/o") == "z" && tree.text("/u-boot.bin") == "x")
    }

    /// However the store's root is written, a package's link does not lead out of it.
    @Test func linksOfThePackagesStayInTheStore() throws {
        let packages = try system.addPackages()
        let secret = try system.store.file("secret", "secret")
        let file = "nix/store/\(SampleSystem.firmware.baseName)/share/raspberrypi/boot/start4.elf"
        _ = try Judge.run("rm", [system.store.path(file).string])
        try system.store.link(file, to: secret.string)
        let alias = FilePath(system.store.root.string + "-alias")
        _ = try Judge.run("ln", ["-sfn", system.store.root.string, alias.string])
        defer { _ = try? Judge.run("rm", [alias.string]) }
        for root in [system.store.root, alias, FilePath("/proc/self/root").pushing(system.store.root)] {
            var recipe = system.recipe(packages)
            recipe.store = StoreLocation(root: root)
            let error = message(try system.firmware(recipe))
            #expect(error.contains("leads out of the store"), "\(root): \(error)")
        }
    }

    @Test func aMazeOfLinksEnds() throws {
        for level in 0..<40 {
            for name in ["a", "b"] { try system.store.link("mine/\(level)/\(name)", to: "../\(level + 1)") }
        }
        try system.store.file("mine/40/end", "")
        var rules = FirmwareTree.rules(system.store.location)
        #expect(rules.maximumNames == 65_536)
        rules.maximumNames = 200
        var tree = FileTree(), links = FileTree.HostLinks()
        let error = message(try tree.scan(system.store.path("mine"), rules: rules, links: &links))
        #expect(error.contains("more than 200 names") && error.contains("/mine'"), "\(error)")
    }

    /// The error names the link that leads back, not its target.
    @Test func linksThatLeadBackAreNamed() throws {
        try system.store.link("mine/sub/back", to: "..")
        var tree = FileTree(), links = FileTree.HostLinks()
        let rules = FirmwareTree.rules(system.store.location)
        let error = #expect(throws: ImageError.self) {
            try tree.scan(system.store.path("mine"), rules: rules, links: &links)
        }
        #expect(error?.path?.hasSuffix("/mine/sub/back") == true, "\(String(describing: error))")
    }

    /// FAT does not distinguish case, and the firmware follows includes.
    @Test func aUsersConfigIsReadAsTheFirmwareDoes() throws {
        var recipe = system.recipe(try system.addPackages())
        recipe.firmware = [try system.store.directory("mine")]
        try system.store.file(
            "mine/config.txt", "kernel=U-BOOT.bin\r\n  include More.txt\noverlay_prefix=own/\ninclude gone.txt\n")
        try system.store.file("mine/more.TXT", "dtoverlay=vc4-kms-v3d\n#dtoverlay=no\ninclude config.txt\n")
        let firmware = try system.firmware(recipe)
        #expect(firmware.tree.files.contains("/own/vc4-kms-v3d.dtbo"))
        #expect(Set(firmware.warningTexts) == ["config.txt names 'gone.txt', which is not on the firmware partition"])
        try system.store.file("mine/UBOOT.ENV", "own")
        try system.setKernel(memory: 90 << 20)
        #expect(try system.firmware(recipe).tree.node(at: "/uboot.env") == nil)
    }

    @Test func warnsOfAUsersConfigThatStartsNothing() throws {
        var recipe = system.recipe(try system.addPackages())
        recipe.firmware = [try system.store.directory("mine")]
        try system.store.file("mine/config.txt", "enable_uart=1\n")
        #expect(try system.firmware(recipe).warningTexts == ["config.txt starts nothing: no 'kernel=' names U-Boot"])
        recipe.boot = .kernel
        #expect(
            try system.firmware(recipe).warningTexts == [
                "config.txt does not start this system: it has no 'os_prefix=nixos/default/'"
            ])
        // U-Boot with a name that the firmware starts by default.
        recipe.boot = .extlinux
        try system.store.file("mine/kernel8.img", "U-Boot")
        #expect(try system.firmware(recipe).warningTexts == [])
    }

    /// The boot style `none`: the user's files only, none is generated.
    @Test func otherBoardsGetTheUsersFiles() throws {
        var recipe = system.recipe()
        recipe.boot = .none
        #expect(try system.firmware(recipe).tree.files == [])
        recipe.firmware = [try system.store.directory("mine")]
        try system.store.file("mine/boot.scr", "script")
        #expect(try system.firmware(recipe).tree.files == ["/boot.scr"])
        // Packages of the closure are used only if boards are chosen.
        recipe.closures += try system.addPackages().map { FilePath($0.path) }
        #expect(try system.firmware(recipe).tree.files == ["/boot.scr"])
        recipe.boards = Board.named("pi5")
        #expect(
            try system.firmware(recipe).tree.files == [
                "/bcm2712-rpi-5-b.dtb", "/bcm2712d0-rpi-5-b.dtb", "/boot.scr",
            ])
    }

    /// FAT has no modes, so everybody can read each file in the image.
    @Test func privateFilesMakeAPrivateImage() throws {
        var recipe = system.recipe()
        recipe.boot = .none
        let directory = try system.store.directory("mine"), other = try system.store.directory("other")
        recipe.firmware = [directory]
        try system.store.file("mine/wifi/wpa.conf", "psk=secret")
        let file = directory.appending("wifi/wpa.conf").string, inner = directory.appending("wifi").string
        for (path, mode, isPrivate) in [
            (file, 0o644, false), (file, 0o640, true), (file, 0o604, false), (inner, 0o750, true),
            (inner, 0o755, false),
            (directory.string, 0o700, true), (directory.string, 0o755, false),
        ] as [(String, mode_t, Bool)] {
            chmod(path, mode)
            #expect(try system.firmware(recipe).isPrivate == isPrivate, "\(path) \(mode)")
        }
        // A file that another directory replaces is not in the image.
        chmod(file, 0o600)
        chmod(directory.string, 0o700)
        recipe.firmware = [directory, other]
        #expect(try system.firmware(recipe).isPrivate)
        try system.store.file("other/wifi/wpa.conf", "psk=public")
        #expect(try !system.firmware(recipe).isPrivate)
        recipe.firmware.reverse()
        #expect(try system.firmware(recipe).isPrivate)
    }

    /// Everybody can read a store.
    @Test func packagesAreNotPrivate() throws {
        let packages = try system.addPackages()
        var recipe = system.recipe(packages)
        let package = system.store.location.physical(packages[0])
        chmod(package.appending("share/raspberrypi/boot/start4.elf").string, 0o400)
        recipe.firmware = [package]
        #expect(try !system.firmware(recipe).isPrivate)
        // The same for a directory of a package that is copied whole,
        recipe.firmware = [package.appending("share/raspberrypi/boot")]
        let firmware = try system.firmware(recipe)
        #expect(!firmware.isPrivate && firmware.tree.files.contains("/LICENCE.dtbo"), "\(firmware.tree.files)")
        // also together with a directory outside the store.
        recipe.firmware.append(try system.store.directory("mine"))
        try system.store.file("mine/note.txt", "hello")
        #expect(try !system.firmware(recipe).isPrivate)
        chmod(system.store.location.root.appending("mine/note.txt").string, 0o600)
        #expect(try system.firmware(recipe).isPrivate)
    }

    @Test func warnsOfAPrivateKeyOnFAT() throws {
        var recipe = system.recipe()
        recipe.boot = .none
        recipe.firmware = [try system.store.directory("mine"), try system.store.directory("other")]
        try system.store.file("mine/keys/host", "-----BEGIN OPENSSH PRIVATE KEY-----\n")
        try system.store.file("mine/key.txt", "AGE-SECRET-KEY-1QQQ")
        try system.store.file("other/key.txt", "nothing")
        let warnings = try system.firmware(recipe).warningTexts
        #expect(warnings.count == 1 && warnings[0].hasPrefix("'/keys/host' on the firmware partition"), "\(warnings)")
        #expect(warnings.first?.contains("anybody on the running system") == true)
        recipe.firmware.removeLast()
        #expect(try system.firmware(recipe).warningTexts.count == 2)
    }
}
