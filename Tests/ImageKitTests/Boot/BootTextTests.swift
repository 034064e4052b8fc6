import Testing

@testable import ImageKit

/// The parsers of texts that firmware and U-Boot read.
@Suite struct BootTextTests {
    @Test func readsAGeneratedMenu() throws {
        let system = try SampleSystem()
        let text = try system.menu(system.recipe())
        let menu = ExtlinuxConfig.parse(text)
        #expect(menu.timeout == 50 && menu.defaultLabel == "nixos-default" && menu.entries.count == 2)
        #expect(menu.title?.hasPrefix("----") == true)
        let entry = try #require(menu.defaultEntry)
        #expect(entry.menuLabel == "NixOS - Default")
        #expect(entry.parameters("init") == ["\(SampleSystem.system)/init"])
        #expect(entry.parameters("console") == ["ttyS1,115200n8", "tty0"])
        #expect(entry.fdt == nil && entry.initrd?.hasSuffix("-initrd") == true)
        #expect(
            ExtlinuxConfig.path(of: entry.fdtDirectory ?? "") == "/boot/nixos/\(SampleSystem.linux.baseName)-dtbs")
        #expect(
            menu.entries[1]
                == ExtlinuxConfig.Entry(
                    label: "nixos-default-debug", menuLabel: "NixOS - Default (debug)", kernel: entry.kernel,
                    initrd: entry.initrd, fdtDirectory: entry.fdtDirectory, append: menu.entries[1].append))
    }

    @Test func readsOtherMenus() {
        let menu = ExtlinuxConfig.parse(
            """
            # LABEL commented
            menu title  Choose:\t
            kernel before-any-label
            label a\r
            \tmenu label The first
                kernel /a b
                KERNEL /Image
                devicetree x.dtb
                fdtoverlays a.dtbo  b.dtbo
                localboot 1
            label b
                menu default
                linux ./vmlinuz
                DeviceTreeDir ..
                append root=LABEL=a quiet root=UUID=1
            timeout 5x
            """)
        #expect(menu.title == "Choose:" && menu.timeout == 5 && menu.defaultLabel == "b")
        #expect(menu.entries.map(\.label) == ["a", "b"] && menu.defaultEntry?.label == "b")
        #expect(menu.entries[0].kernel == "/Image" && menu.entries[0].overlays == ["a.dtbo", "b.dtbo"])
        #expect(menu.entries[0].fdt == "x.dtb" && menu.entries[0].append == nil)
        #expect(menu.entries[1].parameters("root") == ["LABEL=a", "UUID=1"])
        #expect(ExtlinuxConfig.path(of: "./vmlinuz", inMenuAt: "/extlinux") == "/extlinux/vmlinuz")
        #expect(ExtlinuxConfig.path(of: "../../../../x//y/.") == "/x/y" && ExtlinuxConfig.path(of: "/") == "/")
        #expect(ExtlinuxConfig.parse("DEFAULT gone\nLABEL a\n").defaultEntry == nil)
        #expect(ExtlinuxConfig.parse("").defaultEntry == nil && ExtlinuxConfig.parse("LABEL").entries.count == 1)
    }

    @Test func filtersSettings() throws {
        let config = ConfigTxt.parse(
            """
            kernel=all.img
              # a comment
            [PI4]
            kernel=four.img
            [gpio4=1]
            dtoverlay=button
            [pi0w]
            kernel=button.img
            [all]
            initramfs a,b followkernel
            dtoverlay=x,y=1
            nothing here
            [pi3+]
            arm_freq=1
            [none]
            kernel=never.img
            [HDMI:1]
            [all]\r
            dtparam=audio=on \r
            """)
        #expect(
            config.sections.map(\.filter) == [
                [], ["pi4"], ["pi4", "gpio4=1"], ["gpio4=1", "pi0w"], [], ["pi3+"], ["none"], [],
            ])
        func kernel(_ name: String) throws -> String? {
            try config.settings(for: #require(Board.named(name)?.first)).last { $0.key == "kernel" }?.value
        }
        #expect(try kernel("pi4") == "four.img" && kernel("pi3") == "all.img" && kernel("zero2w") == "all.img")
        #expect(config.settings(filter: "pi4").map(\.value) == ["four.img", "button"])
        #expect(config.settings(filter: "all").last == ConfigTxt.Setting(key: "dtparam", value: "audio=on"))
        #expect(ConfigTxt.overlays(in: config.settings) == ["button", "x"])
        #expect(ConfigTxt.initramfsFiles(of: "a,b followkernel") == ["a", "b"])
        #expect(ConfigTxt.parse("[\n]\n=\n[]x\n [pi4] \nkernel=\n").settings.map(\.value) == ["", ""])
    }

    /// Each filter tests another property, so all would have to be met.
    @Test func filtersAreLimited() {
        let letters = Array("abcdefghijklmnopqrstuvwxyz")
        let text = (0..<3000).map { "[x\(letters[$0 % 26])\(letters[$0 / 26 % 26])\(letters[$0 / 676])]\na=1\n" }
        let config = ConfigTxt.parse(text.joined())
        #expect(config.sections.count == 3000 && config.sections.allSatisfy { $0.filter.count <= 16 })
        // No board meets so many filters.
        #expect(config.settings(for: Board.standard[0]).isEmpty)
    }

    @Test func everyBoardSeesItsOwnSettings() throws {
        let system = try SampleSystem()
        let recipe = try system.recipe(system.addPackages())
        let config = ConfigTxt.parse(try system.firmware(recipe).tree.text("/config.txt"))
        for board in Board.standard {
            let settings = config.settings(for: board)
            #expect(settings.contains { $0.key == "kernel" && $0.value == "u-boot.bin" }, "\(board.name)")
            #expect(settings.contains { $0.key == "armstub" } == (board.name == "pi4"), "\(board.name)")
        }
    }
}
