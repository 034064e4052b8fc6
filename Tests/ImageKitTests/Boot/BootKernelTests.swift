import SystemPackage
import Testing

@testable import ImageKit

/// How firmware or U-Boot starts the kernel: menus, the firmware's direct start, large kernels.
@Suite("Boot: kernels") struct BootKernelTests {
    let system: SampleSystem

    init() throws { system = try SampleSystem() }

    private func name(_ path: StorePath, _ file: String) -> String { "../nixos/\(path.baseName)-\(file)" }

    // MARK: extlinux

    @Test func specialisationsAreEntries() throws {
        let entry = { (label: String, title: String, top: StorePath, extra: String) in
            """

            LABEL \(label)
              MENU LABEL \(title)
              LINUX \(name(SampleSystem.linux, "Image"))
              INITRD \(name(SampleSystem.initrd, "initrd"))
              APPEND init=\(top.path)/init \(SampleSystem.parameters)\(extra)
              FDTDIR \(name(SampleSystem.linux, "dtbs"))

            """
        }
        let menu = try system.menu(system.recipe())
        #expect(
            menu.hasSuffix(
                "\nTIMEOUT 50\nMENU TITLE \(String(repeating: "-", count: 60))\n"
                    + entry("nixos-default", "NixOS - Default", SampleSystem.system, "")
                    + entry("nixos-default-debug", "NixOS - Default (debug)", SampleSystem.child, " debug")),
            "\(menu)")
    }

    /// The meanings are NixOS' own: `null` waits for ever, 0 does not wait and shows no menu.
    @Test(arguments: [
        (MenuTimeout.forever, "TIMEOUT 0\nMENU TITLE ---"), (.seconds(0), "TIMEOUT 1\n\nLABEL"),
        (.seconds(7), "TIMEOUT 70\nMENU TITLE ---"), (.seconds(.max), "TIMEOUT 42949672950\nMENU TITLE ---"),
    ])
    func theMenuWaits(timeout: MenuTimeout, expected: String) throws {
        var recipe = system.recipe()
        recipe.menuTimeout = timeout
        let menu = try system.menu(recipe)
        #expect(menu.contains("DEFAULT nixos-default\n\n\(expected)"), "\(menu)")
    }

    @Test func parametersAndDeviceTreeCanBeGiven() throws {
        var recipe = system.recipe()
        recipe.kernelParameters = ["console=ttyAMA0,115200n8", "quiet"]
        recipe.deviceTree = .file("broadcom/bcm2711-rpi-4-b.dtb")
        let menu = try system.menu(recipe)
        #expect(menu.contains("\(SampleSystem.parameters) console=ttyAMA0,115200n8 quiet\n"))
        #expect(menu.contains("\(SampleSystem.parameters) debug console=ttyAMA0,115200n8 quiet\n"))
        #expect(menu.contains("  FDT \(name(SampleSystem.linux, "dtbs"))/broadcom/bcm2711-rpi-4-b.dtb\n"))
        #expect(!menu.contains("FDTDIR"))
        recipe.deviceTree = .file("broadcom/none.dtb")
        #expect(message(try recipe.bootOptions.check()) == "")
        #expect(throws: ImageError.self) { try system.menu(recipe) }
        for bad in ["../x.dtb", "/x.dtb", "a//b", "", "a b", "x\nLABEL y"] {
            recipe.deviceTree = .file(bad)
            #expect(message(try recipe.bootOptions.check()).contains("no device tree's name"), "\(bad)")
        }
        for bad in ["", "a\nLINUX /evil", "\u{0}"] {
            recipe.kernelParameters = [bad]
            #expect(message(try recipe.bootOptions.check()).contains("kernel parameter"))
        }
    }

    /// NixOS' `useGenerationDeviceTree = false`: the kernel gets the device tree that the firmware gave to U-Boot.
    @Test func theFirmwaresDeviceTreeCanBeKept() throws {
        var recipe = system.recipe(try system.addPackages())
        recipe.deviceTree = .firmware
        let menu = try system.menu(recipe)
        #expect(!menu.contains("FDT") && menu.contains("INITRD"))
        recipe.boot = .kernel
        let tree = try system.firmware(recipe).tree
        #expect(try tree.text("/nixos/default/bcm2711-rpi-4-b.dtb") == "firmware's bcm2711-rpi-4-b.dtb")
        #expect(!tree.files.contains("/nixos/default/bcm2837-rpi-3-b.dtb"))
    }

    // MARK: bootspec

    private func writeBootspec(_ text: String) throws { try system.file(SampleSystem.system, "boot.json", text) }

    private func document(_ top: StorePath, _ extra: String = "") -> String {
        """
        {"org.nixos.bootspec.v1": {"system": "aarch64-linux", "init": "\(top.path)/init", "label": "NixOS",
        "kernel": "\(SampleSystem.linux.path)/Image", "kernelParams": ["a=b", "root=fstab"], "toplevel": "\(top.path)"
        \(extra)}, "com.example.extension": {"x": [1, 2]}
        """
    }

    @Test func readsABootspec() throws {
        try writeBootspec(
            document(SampleSystem.system, ", \"initrd\": \"\(SampleSystem.initrd.path)/initrd\"")
                + ", \"org.nixos.specialisation.v1\": {\"b\": \(document(SampleSystem.child))}, "
                + "\"a c\": \(document(SampleSystem.child))}}}")
        let toplevel = try #require(try Toplevel(SampleSystem.system, in: system.store.location))
        #expect(toplevel.hasBootspec && toplevel.kernelParameters == "a=b root=fstab")
        #expect(toplevel.initrd != nil && toplevel.deviceTrees != nil)
        #expect(toplevel.specialisations.map(\.name) == ["a c", "b"])
        #expect(toplevel.specialisations[0].toplevel.initrd == nil, "its bootspec names none")
        #expect(toplevel.specialisations[0].toplevel.initPath == "\(SampleSystem.child.path)/init")
    }

    @Test func readsASystemWithoutABootspec() throws {
        let toplevel = try #require(try Toplevel(SampleSystem.system, in: system.store.location))
        #expect(!toplevel.hasBootspec)
        #expect(toplevel.specialisations.map(\.name) == ["debug"])
        #expect(toplevel.specialisations[0].toplevel.kernelParameters == SampleSystem.parameters + " debug")
    }

    @Test(arguments: [
        ("", "not JSON"), ("{", "not JSON"), ("[]", "wrong type"), ("{\"org.nixos.bootspec.v1\": 1}", "wrong type"),
        ("{\"org.nixos.bootspec.v1\": {\"kernelParams\": \"x\"}}", "wrong type"),
        ("{\"org.nixos.bootspec.v1\": {}}", ""),
        ("{\"org.nixos.bootspec.v1\": {\"kernel\": \"/etc/passwd\"}}", "not in a Nix store"),
        ("{\"org.nixos.bootspec.v1\": {\"kernel\": \"/nix/store/../../etc/passwd\"}}", "cannot find"),
        ("{\"org.nixos.bootspec.v1\": {\"kernelParams\": [\"a\\nLINUX x\"]}}", "control character"),
        ("{\"org.nixos.bootspec.v1\": {\"init\": \"/x\\u0000y\"}}", "control character"),
        (String(repeating: "[", count: 5000), "not JSON"),
        ("{\"org.nixos.bootspec.v1\": {}, \"org.nixos.specialisation.v1\": {\"x\": {}}}", "where its toplevel is"),
    ])
    func refusesBrokenBootspecs(text: String, reason: String) throws {
        try writeBootspec(text)
        let error = message(try Toplevel(SampleSystem.system, in: system.store.location))
        #expect(reason.isEmpty ? error == "" : error.contains(reason), "\(error)")
    }

    @Test(arguments: ["a\nb", ".hidden", String(repeating: "x", count: 65)])
    func refusesNamesThatNoMenuCanHave(name: String) throws {
        try system.store.link(
            "nix/store/\(SampleSystem.system.baseName)/specialisation/\(name)", to: SampleSystem.child.path)
        #expect(
            message(try Toplevel(SampleSystem.system, in: system.store.location)).contains("boot menu cannot offer"))
    }

    // MARK: The firmware starts the kernel

    @Test func theFirmwareCanStartTheKernel() throws {
        var recipe = system.recipe(try system.addPackages())
        recipe.boot = .kernel
        recipe.kernelParameters = ["extra"]
        let tree = try system.firmware(recipe).tree
        let config = try tree.text("/config.txt")
        #expect(
            config.contains(
                "os_prefix=nixos/default/\nkernel=kernel.img\ninitramfs initrd followkernel\narm_64bit=1\n"),
            "\(config)")
        for line in ["armstub", "enable_gic", "u-boot", "core_freq", "[pi5]"] { #expect(!config.contains(line)) }
        for line in ["[pi4]\ndisable_overscan=1\narm_boost=1\n", "[cm5]\ndtoverlay=dwc2,dr_mode=host\n"] {
            #expect(config.contains(line))
        }
        for (directory, top, extra) in [
            ("default", SampleSystem.system, ""), ("default-debug", SampleSystem.child, " debug"),
        ] {
            let path = "/nixos/\(directory)/"
            #expect(
                tree.files.filter { $0.hasPrefix(path) }.map { String($0.dropFirst(path.count)) } == [
                    "bcm2710-rpi-2-b.dtb", "bcm2710-rpi-3-b-plus.dtb", "bcm2710-rpi-3-b.dtb",
                    "bcm2710-rpi-zero-2-w.dtb", "bcm2711-rpi-4-b.dtb", "bcm2711-rpi-cm4.dtb", "bcm2712-rpi-5-b.dtb",
                    "bcm2712d0-rpi-5-b.dtb", "bcm2837-rpi-3-b.dtb",
                    "cmdline.txt", "initrd", "kernel.img", "overlays/README", "overlays/dwc2.dtbo",
                    "overlays/overlay_map.dtb",
                ])
            #expect(
                try tree.text(path + "cmdline.txt")
                    == "\(SampleSystem.parameters)\(extra) extra init=\(top.path)/init\n")
            // The kernel's own device trees win over the firmware's.
            #expect(try tree.text(path + "bcm2711-rpi-4-b.dtb") == "kernel's bcm2711-rpi-4-b")
        }
        #expect(!tree.files.contains("/u-boot.bin") && !tree.files.contains("/armstub8-gic.bin"))
        #expect(!tree.files.contains { $0.hasPrefix("/bcm") })
    }

    /// Links in a kernel's directories lead to the given store.
    @Test func linkedDeviceTreesAreFound() throws {
        let other = storePath(42, "device-trees")
        try system.file(other, "broadcom/bcm2711-rpi-4-b.dtb", "linked")
        let directory = "nix/store/\(SampleSystem.linux.baseName)/dtbs/broadcom"
        _ = try Judge.run("rm", ["-r", system.store.path(directory).string])
        try system.store.link(directory, to: "\(other.path)/broadcom")
        var recipe = system.recipe(try system.addPackages())
        recipe.boot = .kernel
        #expect(try system.firmware(recipe).tree.text("/nixos/default/bcm2711-rpi-4-b.dtb") == "linked")
    }

    @Test func aKernelsOwnOverlaysAreAdded() throws {
        for name in ["a.dtbo", "hat_map.dtb", "README"] {
            try system.file(SampleSystem.linux, "dtbs/overlays/\(name)", "kernel's")
        }
        var recipe = system.recipe(try system.addPackages())
        recipe.boot = .kernel
        let tree = try system.firmware(recipe).tree
        #expect(
            tree.files.filter { $0.contains("default/overlays") } == [
                "/nixos/default/overlays/README", "/nixos/default/overlays/a.dtbo",
                "/nixos/default/overlays/hat_map.dtb",
            ])
    }

    @Test func theFirmwareNeedsDeviceTrees() throws {
        var recipe = system.recipe([SampleSystem.armstubs])
        try system.addArmstubs()
        recipe.boot = .kernel
        let error = message(try system.firmware(recipe))
        #expect(
            error.contains("zero2w needs bootcode.bin, start.elf, fixup.dat, bcm2710-rpi-zero-2-w.dtb;"), "\(error)")
        #expect(!error.contains("u-boot") && !error.contains("bcm2711-rpi-4-b.dtb"))
        recipe.boards = Board.named("pi5")
        recipe.deviceTree = .file("broadcom/bcm2712-rpi-5-b.dtb")
        let config = try system.firmware(recipe).tree.text("/config.txt")
        #expect(config.contains("\ndevice_tree=bcm2712-rpi-5-b.dtb\n"))
        recipe.deviceTree = .file("broadcom/none.dtb")
        #expect(message(try system.firmware(recipe)).contains("cannot start with the device tree"))
        recipe.deviceTree = .file("broadcom")
        #expect(message(try system.firmware(recipe)).contains("it is no regular file"))
    }

    // MARK: Large kernels

    @Test func largeKernelsMoveUBootsAddresses() throws {
        let recipe = system.recipe(try system.addPackages())
        try system.setKernel(memory: 36 << 20)
        #expect(try system.firmware(recipe).warningTexts.isEmpty, "just fits")
        try system.setKernel(memory: 36 << 20 + 1)
        let firmware = try system.firmware(recipe)
        #expect(firmware.warningTexts.count == 1)
        #expect(firmware.warningTexts.first?.contains("leaves 36 MiB before") == true, "\(firmware.warningTexts)")
        #expect(firmware.warningTexts.first?.contains("uboot.env") == true)
        let node = try #require(firmware.tree.node(at: "/uboot.env"))
        let file = try firmware.tree.read(node, atMost: .max)
        #expect(file.count == UBootEnvironment.fileSize)
        let variables = file[UBootEnvironment.Field.variables...].split(separator: 0).map {
            String(decoding: $0, as: UTF8.self)
        }
        #expect(
            variables == [
                "bootcmd=run distro_bootcmd", "bootdelay=2", "kernel_addr_r=0x00080000", "boot_targets=mmc0 mmc1",
                "scriptaddr=0x0e000000", "pxefile_addr_r=0x0e100000", "fdt_addr_r=0x0f000000",
                "ramdisk_addr_r=0x10000000",
            ])
        let judge = try Judge.run(
            "python3",
            [
                "-c",
                "import sys,zlib; d=bytes.fromhex(sys.argv[1]); "
                    + "print(zlib.crc32(d[4:])==int.from_bytes(d[:4],'little'))",
                file.map { $0.digits(width: 2) }.joined(),
            ])
        #expect(judge.said == "True\n")
    }

    @Test func theSizeOfTheFileCountsToo() throws {
        let recipe = system.recipe(try system.addPackages())
        try system.setKernel(memory: 1 << 20, size: 37 << 20 + 512 << 10)
        #expect(try system.firmware(recipe).warningTexts.isEmpty)
        try system.setKernel(memory: 1 << 20, size: 37 << 20 + 512 << 10 + 1)
        #expect(try system.firmware(recipe).warningTexts.count == 1)
    }

    @Test func movesAddressesOnlyIfNeededAndPossible() throws {
        try system.addFirmware()
        try system.addArmstubs()
        let roomy = SampleSystem.ubootVariables.map {
            $0.replacing("0x02600000", with: "0x05600000").replacing("0x02700000", with: "0x05700000")
        }
        let packages = [SampleSystem.firmware, SampleSystem.armstubs]
        try system.setKernel(memory: 60 << 20)
        let newer = try system.firmware(system.recipe(packages + [system.addUBoot("rpi_arm64", 30, variables: roomy)]))
        #expect(newer.warningTexts.isEmpty && newer.tree.node(at: "/uboot.env") == nil)
        let strange = try system.firmware(system.recipe(packages + [system.addUBoot("rpi_arm64", 31, variables: [])]))
        #expect(strange.tree.node(at: "/uboot.env") == nil)
        #expect(strange.warningTexts.first?.contains("it will not boot") == true, "\(strange.warningTexts)")
        // The user's own variables.
        var recipe = system.recipe(packages + [try system.addUBoot("rpi_arm64", 8)])
        recipe.firmware = [try system.store.directory("mine")]
        try system.store.file("mine/uboot.env", "own")
        #expect(try system.firmware(recipe).tree.text("/uboot.env") == "own")
        // Other kernels than those for arm64, and an image without U-Boot.
        try system.file(SampleSystem.linux, "Image", "zImage")
        recipe.firmware = []
        #expect(try system.firmware(recipe).tree.node(at: "/uboot.env") == nil)
        try system.setKernel(memory: 300 << 20)
        #expect(try system.firmware(recipe).warningTexts.first?.contains("it will not boot") == true)
        recipe.boot = .kernel
        #expect(try system.firmware(recipe).warningTexts.isEmpty)
    }

    @Test func oddEnvironmentsAreNotChanged() {
        func read(_ text: String) -> UBootEnvironment? { UBootEnvironment(builtInto: Array(text.utf8)) }
        #expect(read("") == nil && read("ramdisk_addr_r=1") == nil)
        #expect(read("\0ramdisk_addr_r=12")?.variables.isEmpty == true, "it does not end")
        #expect(read("a=b\0ramdisk_addr_r=12\0")?.variables.map(\.name) == ["a", "ramdisk_addr_r"])
        #expect(read("x\0ramdisk_addr_r=12\0kernel_addr_r=zz\0")?.room == nil)
        let huge = read("x\0ramdisk_addr_r=ffffffffffffffff\0kernel_addr_r=fffffffffffffff0\0")
        #expect(huge != nil && huge?.room == nil)
        let long = "ramdisk_addr_r=1\0a=\(String(repeating: "x", count: 0x4000))\0"
        #expect(read("\0bootcmd=x\0kernel_addr_r=1\0" + long)?.encoded() == nil)
        // Without the command that boots, U-Boot would stop at its prompt.
        let rest = "kernel_addr_r=1\0ramdisk_addr_r=2\0"
        #expect(read("\0" + rest)?.encoded() == nil && read("\0bootcmd=x\0" + rest)?.encoded() != nil)
    }
}
