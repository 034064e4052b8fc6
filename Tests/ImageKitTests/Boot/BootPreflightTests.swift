import SystemPackage
import Testing

@testable import ImageKit

/// Reasons why a system would not boot, or not show its messages, are found before the image is made.
@Suite("Boot: checks before a build") struct BootPreflightTests {
    let system: SampleSystem

    init() throws { system = try SampleSystem() }

    // MARK: Warnings

    private func warnings(_ recipe: ImageRecipe) throws -> [String] {
        let toplevel = try #require(try Toplevel(SampleSystem.system, in: recipe.store))
        return BootPreflight(toplevel, recipe.bootOptions, in: recipe.store).warnings().map(\.description)
    }

    @Test func warnsOfOtherArchitectures() throws {
        var recipe = system.recipe()
        try system.file(SampleSystem.system, "kernel-params", "console=ttyS0")
        try system.file(SampleSystem.child, "kernel-params", "")
        #expect(try warnings(recipe) == [])
        try system.file(SampleSystem.system, "system", "x86_64-linux")
        #expect(try warnings(recipe) == ["the system is for x86_64-linux: no Raspberry Pi can run it"])
        try system.file(SampleSystem.system, "system", "armv7l-linux")
        #expect(try warnings(recipe).first?.contains("such as board armv7l") == true)
        recipe.boards = Board.named("armv7l")
        #expect(try warnings(recipe) == [])
        recipe.boards = Board.named("pi1")
        #expect(try warnings(recipe).first?.contains("which pi1 does not run in 32 bits") == true)
        try system.file(SampleSystem.system, "system", "armv5tel-linux")
        #expect(try warnings(recipe) == [])
        recipe.boards = nil
        #expect(try warnings(recipe).first?.contains("such as board armv6l") == true)
    }

    @Test func warnsOfHiddenOutput() throws {
        var recipe = system.recipe()
        #expect(try warnings(recipe).count == 2, "the system and its specialisation")
        #expect(try warnings(recipe).first?.contains("console=tty0 comes last") == true)
        #expect(try warnings(recipe).last?.contains("in the specialisation 'debug', console=tty0") == true)
        recipe.kernelParameters = ["console=ttyS1,115200n8"]
        #expect(try warnings(recipe) == [])
        // U-Boot 2023.01 says "bootarg overflow" from 1,024 bytes on.
        let shorter = try warnings(recipe).count
        let length =
            try #require(try Toplevel(SampleSystem.child, in: recipe.store)).kernelParameters.utf8.count
            + " init=\(SampleSystem.child.path)/init console=ttyS1,115200n8 ".utf8.count
        for (style, limit) in [(BootStyle.extlinux, 1024), (.kernel, 2048)] {
            recipe.boot = style
            recipe.kernelParameters = ["console=ttyS1,115200n8", String(repeating: "y", count: limit - 1 - length)]
            #expect(try warnings(recipe).count == shorter)
            recipe.kernelParameters[1] += "y"
            #expect(try warnings(recipe).last?.contains("has \(limit) bytes") == true)
        }
    }

    // MARK: fstab

    private func check(_ recipe: ImageRecipe) throws(ImageError) {
        guard let toplevel = try Toplevel(SampleSystem.system, in: recipe.store) else { return }
        try BootPreflight(toplevel, recipe.bootOptions, in: recipe.store).checkMounts(
            BootPreflight.Identities(
                firmwareLabel: recipe.firmwareLabel, rootLabel: recipe.rootLabel,
                rootUUID: recipe.rootUUID.description, diskID: recipe.diskID))
    }

    @Test(arguments: [
        ("/dev/disk/by-label/NIXOS_SD", "/dev/disk/by-label/FIRMWARE", ""), ("/dev/mmcblk0p2", "/dev/mmcblk0p1", ""),
        ("LABEL=NIXOS_SD", "LABEL=firmware", ""), ("LABEL=NIXOS_SD", "/dev/disk/by-uuid/2178-694E", ""),
        ("/dev/disk/by-uuid/44444444-4444-4444-8888-888888888888", "UUID=2178-694e", ""),
        ("PARTUUID=2178694e-02", "/dev/disk/by-partuuid/2178694e-01", ""),
        ("/dev/disk/by-label/nixos", "LABEL=FIRMWARE", "use root label 'nixos'"),
        ("/dev/disk/by-label/my\\x20root", "LABEL=FIRMWARE", "use root label 'my root'"),
        ("LABEL=my\\040root", "LABEL=FIRMWARE", "use root label 'my root'"),
        ("LABEL=NIXOS_SD", "LABEL=BOOT", "use firmware label 'BOOT'"),
        ("UUID=11111111-4444-4444-8888-888888888888", "LABEL=FIRMWARE", "use root UUID 11111111-4444"),
        ("LABEL=NIXOS_SD", "UUID=1234-ABCD", "use disk identifier 0x1234ABCD"),
        ("PARTUUID=2178694e-01", "LABEL=FIRMWARE", "use disk identifier 0x2178694e"),
    ])
    func mountsMustMatchTheImage(root: String, firmware: String, remedy: String) throws {
        try system.setMounts(root, firmware)
        let error = message(try check(system.recipe()))
        #expect(remedy.isEmpty ? error == "" : error.contains(remedy), "\(error)")
    }

    /// The menu entry of a specialisation that mounts another root would never boot.
    @Test func specialisationsMountTheImageToo() throws {
        let etc = storePath(41, "etc-debug")
        try system.file(etc, "etc/fstab", "LABEL=OTHER / ext4 x 0 1\n")
        let link = "nix/store/\(SampleSystem.child.baseName)/etc"
        _ = try Judge.run("rm", [system.store.path(link).string])
        try system.store.link(link, to: "\(etc.path)/etc")
        #expect(message(try check(system.recipe())).contains("label OTHER"))
    }

    @Test func otherIdentitiesMustMatchToo() throws {
        var recipe = system.recipe()
        recipe.rootLabel = "OTHER"
        #expect(message(try check(recipe)).contains("label NIXOS_SD, and the image's has label OTHER"))
        recipe = system.recipe()
        recipe.diskID = 0x1234
        try system.setMounts("PARTUUID=00001234-02", "UUID=0000-1234")
        #expect(message(try check(recipe)) == "")
        try system.setMounts("/dev/mmcblk0p2", "LABEL=FIRMWARE", type: "btrfs")
        #expect(message(try check(recipe)).contains("it is btrfs, and the image's is ext4"))
        for text in ["", "\n#\n", "one\n", "a b\n", "\u{0}\\x4\\ / ext4\n", "\\777 / ext4\n"] {
            try system.file(SampleSystem.etc, "etc/fstab", text)
            #expect(message(try check(recipe)) == "", "\(text)")
        }
    }

    /// The error comes before minutes of hashing.
    @Test func fstabIsCheckedBeforeTheClosure() throws {
        var recipe = system.recipe()
        recipe.rootLabel = "OTHER"
        recipe.source = .registration("/nowhere")
        #expect(message(try ImagePlan(recipe)).contains("label NIXOS_SD, and the image's has label OTHER"))
        recipe.rootLabel = "NIXOS_SD"
        #expect(message(try ImagePlan(recipe)).contains("'/nowhere'"))
    }
}
