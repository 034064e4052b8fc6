/// A Raspberry Pi, and the files that its firmware partition must have.
///
/// The names are those that the boot ROM and the firmware look for (Raspberry Pi documentation, "Boot directory
/// contents" and "config.txt", conditional filters). The choice of files follows NixOS' images.
public struct Board: Sendable, Hashable {
    /// The name that it is chosen by: `pi4`.
    public let name: String
    /// The names of its models: `Raspberry Pi 4 B, 400, CM4`.
    public let title: String
    /// Other names that it can be chosen by.
    public let aliases: [String]
    /// The architecture of its systems, as Nix names it: `aarch64`, `armv7l` or `armv6l`.
    public let architecture: String
    /// Files of Raspberry Pi's firmware without which it does not start.
    let firmware: [String]
    /// More files of the firmware, copied if a package has them. One `*` stands for any text.
    let optionalFirmware: [String]
    /// The device tree without which it does not start, and patterns for those that its variants look for.
    let deviceTree: String, deviceTrees: [String]
    /// The program that hands the processor over to U-Boot, if the firmware's built-in one is not suitable.
    let armstub: String?
    /// U-Boot's file on the card, if this board has one of its own.
    let uboot: String?
    /// The name of U-Boot's configuration for it.
    let ubootConfiguration: String
    /// The board's settings in `config.txt`, in order.
    let settings: [Setting]

    /// A line of `config.txt`.
    struct Setting: Sendable, Hashable {
        /// The filter of `config.txt` for the models that it is for.
        let filter: String
        let line: String
        /// Whether it is only needed if the firmware starts U-Boot.
        let isForUBoot: Bool

        init(_ filter: String, _ line: String, forUBoot: Bool = false) {
            self.filter = filter
            self.line = line
            isForUBoot = forUBoot
        }
    }

    /// Whether it runs in 64 bits.
    var is64Bit: Bool { architecture == "aarch64" }
    /// The filters of `config.txt` under which its own U-Boot is named.
    let ubootFilters: [String]
}

extension Board {
    private static let oldFirmware = ["bootcode.bin", "start.elf", "fixup.dat"]
    private static let oldOptional = ["start_*.elf", "fixup_*.dat"]

    /// Every known board.
    public static let all: [Board] = [
        Board(
            name: "pi0", title: "Raspberry Pi Zero, Zero W", aliases: ["pi0w", "zero", "zerow"],
            architecture: "armv6l", firmware: oldFirmware, optionalFirmware: oldOptional,
            deviceTree: "bcm2708-rpi-zero-w.dtb", deviceTrees: ["bcm2708-rpi-zero*.dtb"], armstub: nil,
            uboot: "u-boot-rpi0.bin", ubootConfiguration: "rpi_0_w", settings: [], ubootFilters: ["pi0"]),
        Board(
            name: "pi1", title: "Raspberry Pi 1 A, A+, B, B+, CM1", aliases: ["cm1"],
            architecture: "armv6l", firmware: oldFirmware, optionalFirmware: oldOptional,
            deviceTree: "bcm2708-rpi-b-plus.dtb", deviceTrees: ["bcm2708-rpi-b*.dtb", "bcm2708-rpi-cm.dtb"],
            armstub: nil, uboot: "u-boot-rpi1.bin", ubootConfiguration: "rpi", settings: [], ubootFilters: ["pi1"]),
        Board(
            name: "pi2", title: "Raspberry Pi 2 B", aliases: [],
            architecture: "armv7l", firmware: oldFirmware, optionalFirmware: oldOptional,
            deviceTree: "bcm2709-rpi-2-b.dtb", deviceTrees: ["bcm2709-rpi-*.dtb", "bcm2710-rpi-2-b.dtb"], armstub: nil,
            uboot: "u-boot-rpi2.bin", ubootConfiguration: "rpi_2", settings: [], ubootFilters: ["pi2"]),
        Board(
            name: "pi3-32", title: "Raspberry Pi 3 in 32 bits", aliases: [],
            architecture: "armv7l", firmware: oldFirmware, optionalFirmware: oldOptional,
            deviceTree: "bcm2710-rpi-3-b.dtb", deviceTrees: ["bcm2710-rpi-*.dtb"], armstub: nil,
            uboot: "u-boot-rpi3.bin", ubootConfiguration: "rpi_3_32b", settings: [], ubootFilters: ["pi3"]),
        Board(
            name: "pi3", title: "Raspberry Pi 3 A+, B, B+, CM3, and 2 B v1.2", aliases: ["cm3"],
            architecture: "aarch64", firmware: oldFirmware, optionalFirmware: oldOptional,
            deviceTree: "bcm2710-rpi-3-b.dtb",
            deviceTrees: ["bcm2710-rpi-2-b.dtb", "bcm2710-rpi-3-*.dtb", "bcm2710-rpi-cm3*.dtb"], armstub: nil,
            uboot: "u-boot-rpi3.bin", ubootConfiguration: "rpi_3",
            // The serial console's clock must not change under U-Boot.
            settings: [Setting("pi3", "core_freq=250", forUBoot: true)],
            // A Raspberry Pi 2 version 1.2 is the same computer with a filter of its own.
            ubootFilters: ["pi3", "pi2"]),
        Board(
            name: "zero2w", title: "Raspberry Pi Zero 2 W", aliases: ["pi02", "pi02w", "zero2"],
            architecture: "aarch64", firmware: oldFirmware, optionalFirmware: oldOptional,
            deviceTree: "bcm2710-rpi-zero-2-w.dtb", deviceTrees: ["bcm2710-rpi-zero-2*.dtb"], armstub: nil,
            uboot: "u-boot-rpi3.bin", ubootConfiguration: "rpi_3", settings: [], ubootFilters: ["pi02"]),
        Board(
            name: "pi4", title: "Raspberry Pi 4 B, 400, CM4", aliases: ["pi400", "cm4", "cm4s"],
            architecture: "aarch64", firmware: ["start4.elf", "fixup4.dat"],
            optionalFirmware: ["start4*.elf", "fixup4*.dat"],
            deviceTree: "bcm2711-rpi-4-b.dtb", deviceTrees: ["bcm2711-rpi-*.dtb"], armstub: "armstub8-gic.bin",
            uboot: "u-boot-rpi4.bin", ubootConfiguration: "rpi_4",
            settings: [
                Setting("pi4", "enable_gic=1", forUBoot: true),
                Setting("pi4", "armstub=armstub8-gic.bin", forUBoot: true),
                Setting("pi4", "disable_overscan=1"), Setting("pi4", "arm_boost=1"), Setting("cm4", "otg_mode=1"),
            ], ubootFilters: ["pi4"]),
        // Its firmware is in flash memory on the board.
        Board(
            name: "pi5", title: "Raspberry Pi 5, 500, CM5", aliases: ["pi500", "cm5"],
            architecture: "aarch64", firmware: [], optionalFirmware: [],
            deviceTree: "bcm2712-rpi-5-b.dtb", deviceTrees: ["bcm2712*.dtb"], armstub: nil, uboot: nil,
            ubootConfiguration: commonConfiguration,
            settings: [
                Setting("cm5", "dtoverlay=dwc2,dr_mode=host"),
                // On some revisions, U-Boot sees key presses that did not happen.
                Setting("pi5", "enable_uart=0", forUBoot: true),
            ], ubootFilters: ["pi5"]),
    ]

    /// The file name and the configuration of the U-Boot that starts every 64-bit board.
    static let commonUBoot = "u-boot.bin", commonConfiguration = "rpi_arm64"

    /// Names for all boards of an architecture.
    public static let combinations = ["armv6l", "armv7l", "aarch64"]

    /// The boards of a name, in any case: one board, or all of an architecture. `nil` for an unknown name.
    public static func named(_ name: String) -> [Board]? {
        let name = name.lowercased()
        if combinations.contains(name) { return all.filter { $0.architecture == name } }
        let boards = all.filter { $0.name == name || $0.aliases.contains(name) }
        return boards.isEmpty ? nil : boards
    }

    /// The boards that an image is for by default: every 64-bit board.
    public static let standard: [Board] = named("aarch64") ?? []
}
