import SystemPackage

@testable import ImageKit

/// A small system in a store of its own, and the packages that boards boot from: short files with the right names.
struct SampleSystem {
    let store: TemporaryStore
    static let system = storePath(1, "nixos-system-sample-25.11"), linux = storePath(2, "linux-6.6.30")
    static let initrd = storePath(3, "initrd-linux-6.6.30"), etc = storePath(4, "etc")
    static let child = storePath(5, "nixos-system-sample-debug-25.11")
    static let firmware = storePath(6, "raspberrypi-firmware-1.20240926")
    static let armstubs = storePath(7, "raspberrypi-armstubs-2023")
    static let parameters = "console=ttyS1,115200n8 console=tty0 loglevel=7"

    /// A system with one specialisation, `debug`, and no packages.
    init() throws {
        store = try TemporaryStore()
        for (path, extra) in [(Self.system, ""), (Self.child, " debug")] {
            let top = "nix/store/\(path.baseName)"
            try store.file("\(top)/init", "#!/bin/sh", executable: true)
            try store.file("\(top)/nixos-version", "25.11.x")
            try store.file("\(top)/system", "aarch64-linux")
            try store.file("\(top)/kernel-params", Self.parameters + extra)
            try store.link("\(top)/kernel", to: "\(Self.linux)/Image")
            try store.link("\(top)/initrd", to: "\(Self.initrd)/initrd")
            try store.link("\(top)/dtbs", to: "\(Self.linux)/dtbs")
            try store.link("\(top)/etc", to: "\(Self.etc)/etc")
        }
        try store.link("nix/store/\(Self.system.baseName)/specialisation/debug", to: Self.child.path)
        try setKernel(memory: 20 << 20)
        for board in ["bcm2711-rpi-4-b", "bcm2712-rpi-5-b", "bcm2837-rpi-3-b"] {
            try file(Self.linux, "dtbs/broadcom/\(board).dtb", "kernel's \(board)")
        }
        try file(Self.initrd, "initrd", "initrd")
        try setMounts("/dev/disk/by-label/NIXOS_SD", "/dev/disk/by-label/FIRMWARE")
    }

    @discardableResult
    func file(_ path: StorePath, _ name: String, _ content: String) throws -> FilePath {
        try store.file("nix/store/\(path.baseName)/\(name)", content)
    }

    /// Gives the system a kernel whose header says that it takes `memory` bytes.
    func setKernel(memory: UInt64, size: Int = 4096) throws {
        var kernel = [UInt8](repeating: 7, count: 4096)
        kernel.store(UInt64(0), at: KernelImage.Field.textOffset)
        kernel.store(memory, at: KernelImage.Field.imageSize)
        kernel.store(UInt64(0xA), at: KernelImage.Field.flags)
        kernel.store(bytes: KernelImage.magic, at: KernelImage.Field.magic.lowerBound)
        let file = try store.file("nix/store/\(Self.linux.baseName)/Image", kernel)
        if size > kernel.count { _ = try Judge.run("truncate", ["-s", "\(size)", file.string]) }
    }

    func setMounts(_ root: String, _ firmware: String, type: String = "ext4") throws {
        let text =
            "# a comment\n\(root) / \(type) x-initrd.mount 0 1\n\(firmware) /boot/firmware vfat nofail,noauto 0 2\n"
        try file(Self.etc, "etc/fstab", text)
    }

    /// Adds Raspberry Pi's own package, with more files than any board needs.
    func addFirmware() throws {
        var names = ["bootcode.bin", "kernel8.img", "LICENCE.dtbo"]
        for kind in ["", "_cd", "_db", "_x", "4", "4cd", "4db", "4x"] {
            names += ["start\(kind).elf", "fixup\(kind).dat"]
        }
        names += [
            "bcm2708-rpi-zero-w.dtb", "bcm2708-rpi-b-plus.dtb", "bcm2709-rpi-2-b.dtb", "bcm2710-rpi-2-b.dtb",
            "bcm2710-rpi-3-b.dtb", "bcm2710-rpi-3-b-plus.dtb", "bcm2710-rpi-zero-2-w.dtb", "bcm2711-rpi-4-b.dtb",
            "bcm2711-rpi-cm4.dtb", "bcm2712-rpi-5-b.dtb", "bcm2712d0-rpi-5-b.dtb",
        ]
        names += ["README", "dwc2.dtbo", "vc4-kms-v3d.dtbo", "vc4-kms-v3d-pi4.dtbo", "overlay_map.dtb", "other.dtbo"]
            .map { "overlays/" + $0 }
        for name in names { try file(Self.firmware, "share/raspberrypi/boot/\(name)", "firmware's \(name)") }
    }

    func addArmstubs() throws { try file(Self.armstubs, "armstub8-gic.bin", "stub") }

    /// Adds a U-Boot package for a configuration, with built-in variables.
    func addUBoot(_ configuration: String, _ number: UInt64, variables: [String] = Self.ubootVariables) throws
        -> StorePath
    {
        let path = storePath(number, "uboot-\(configuration)_defconfig-2025.01")
        try file(path, "u-boot.bin", Self.uboot(variables))
        return path
    }

    static let ubootVariables = [
        "bootcmd=run distro_bootcmd", "bootdelay=2", "kernel_addr_r=0x00080000", "scriptaddr=0x02400000",
        "pxefile_addr_r=0x02500000", "fdt_addr_r=0x02600000", "ramdisk_addr_r=0x02700000", "boot_targets=mmc0 mmc1",
    ]

    static func uboot(_ variables: [String]) -> String {
        "code\0a=b: not one\n\u{1}\0%s=%d\0" + variables.map { $0 + "\0" }.joined() + "\0more text\0x=1\0"
    }

    /// Adds all three packages, as is usual.
    func addPackages() throws -> [StorePath] {
        try addFirmware()
        try addArmstubs()
        return [Self.firmware, Self.armstubs, try addUBoot("rpi_arm64", 8)]
    }

    /// An image of the system and these packages.
    func recipe(_ packages: [StorePath] = []) -> ImageRecipe {
        var recipe = ImageRecipe(closures: ([Self.system] + packages).map { FilePath($0.path) })
        recipe.store = store.location
        recipe.source = .scan
        recipe.threads = 2
        return recipe
    }

    /// The firmware partition of an image.
    func firmware(_ recipe: ImageRecipe) throws(ImageError) -> FirmwareTree {
        try recipe.bootOptions.check()
        var roots: [StorePath] = []
        for closure in recipe.closures { roots.append(try recipe.store.resolve(closure)) }
        // Hashes and references do not matter here, so the paths are not scanned.
        let registration = try Registration(roots.map { info($0) })
        let closure = try Closure(roots: roots, from: registration)
        let toplevel = recipe.boot == .none ? nil : try Toplevel.find(in: roots, of: recipe.store)
        return try FirmwareTree(
            recipe.bootOptions, closure: closure, in: recipe.store, toplevel: toplevel, progress: nil)
    }

    /// The menu on the root partition.
    func menu(_ recipe: ImageRecipe) throws -> String {
        let toplevel = try Toplevel(Self.system, in: recipe.store)
        guard let toplevel else { throw ImageError(.internal, "no system") }
        var tree = FileTree(), builder = TreeBuilder()
        try ExtlinuxFiles.add(toplevel, recipe.bootOptions, in: recipe.store, to: &tree, &builder)
        tree.root = try builder.build(into: &tree)
        return try tree.text("/boot/extlinux/extlinux.conf")
    }
}

extension FirmwareTree {
    /// The warnings, with the library's own words for settings.
    var warningTexts: [String] { warnings.map(\.description) }
}

extension FileTree {
    /// A file's content as text.
    func text(_ path: String) throws -> String {
        guard let node = node(at: path) else { throw ImageError(.notFound, "no file", path: path) }
        return String(decoding: try read(node, atMost: 1 << 24), as: UTF8.self)
    }

    /// The paths of all files, sorted.
    var files: [String] {
        var found: [String] = []
        func walk(_ node: NodeID, _ path: String) {
            for (name, child) in children(of: node) {
                let inner = path + "/" + String(decoding: name, as: UTF8.self)
                if kind(of: child) == .directory { walk(child, inner) } else { found.append(inner) }
            }
        }
        walk(root, "")
        return found
    }
}
