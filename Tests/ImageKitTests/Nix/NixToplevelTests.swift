import Glibc
import SystemPackage
import Testing

@testable import ImageKit

private let system = storePath(1, "nixos-system"), linux = storePath(2, "linux"), ramdisk = storePath(3, "initrd")
private let plain = storePath(4, "hello")

@Suite("Nix toplevel") struct NixToplevelTests {
    let store: TemporaryStore
    private var top: String { "nix/store/\(system.baseName)" }

    init() throws {
        store = try TemporaryStore()
        try store.file("\(top)/init", "#!/bin/sh", executable: true)
        try store.file("\(top)/nixos-version", "24.05.x")
        try store.file("\(top)/system", "aarch64-linux")
        try store.file("\(top)/kernel-params", "console=ttyS0,115200n8 loglevel=4\n")
        try store.file("\(top)/boot.json", "{}")
        try store.link("\(top)/kernel", to: "\(linux)/Image")
        try store.link("\(top)/initrd", to: "\(ramdisk)/initrd")
        try store.link("\(top)/dtbs", to: "\(linux)/dtbs")
        try store.file("nix/store/\(linux.baseName)/Image-6.6", "kernel")
        try store.link("nix/store/\(linux.baseName)/Image", to: "Image-6.6")
        try store.file("nix/store/\(linux.baseName)/dtbs/broadcom/x.dtb", "dtb")
        try store.file("nix/store/\(ramdisk.baseName)/initrd", "initrd")
        try store.file("nix/store/\(plain.baseName)/bin/hello", "hello")
    }

    func read(_ path: StorePath = system) throws(ImageError) -> Toplevel? { try Toplevel(path, in: store.location) }

    @Test func readsASystem() throws {
        let toplevel = try #require(try read())
        #expect(toplevel.path == system && toplevel.initPath == "\(system)/init")
        #expect(toplevel.kernel.logical.string == "\(linux)/Image-6.6")
        #expect(toplevel.kernel.physical == store.location.physical(linux).appending("Image-6.6"))
        #expect(toplevel.initrd?.logical.string == "\(ramdisk)/initrd")
        #expect(toplevel.deviceTrees?.logical.string == "\(linux)/dtbs")
        #expect(toplevel.kernelParameters == "console=ttyS0,115200n8 loglevel=4")
        #expect(toplevel.version == "24.05.x" && toplevel.system == "aarch64-linux")
        // A bootspec of an unknown version.
        #expect(!toplevel.hasBootspec && toplevel.specialisations.isEmpty)
    }

    @Test func someFilesAreOptional() throws {
        for name in ["initrd", "dtbs", "system", "kernel-params", "boot.json"] {
            _ = store.path("\(top)/\(name)").withPlatformString { unlink($0) }
        }
        let toplevel = try #require(try read())
        #expect(toplevel.initrd == nil && toplevel.deviceTrees == nil && toplevel.system == nil)
        #expect(toplevel.kernelParameters == "" && !toplevel.hasBootspec)
    }

    @Test(arguments: ["init", "nixos-version", "kernel"]) func isNoSystemWithout(name: String) throws {
        _ = store.path("\(top)/\(name)").withPlatformString { unlink($0) }
        #expect(try read() == nil)
    }

    @Test func findsTheFirst() throws {
        let link = storePath(5, "link")
        try store.link("nix/store/\(link.baseName)", to: system.path)
        #expect(try read(link)?.path == system)
        let file = storePath(6, "file")
        try store.file("nix/store/\(file.baseName)")
        #expect(try Toplevel.find(in: [plain, file, system], of: store.location)?.path == system)
        #expect(try Toplevel.find(in: [plain, file], of: store.location) == nil)
    }

    @Test func refusesMissingFiles() throws {
        _ = try Subprocess.run("rm", ["-r", store.location.physical(linux).string])
        let error = message(try read())
        #expect(error.contains("cannot find '\(store.path(top))/kernel'"), "\(error)")
        #expect(error.contains(linux.baseName), "\(error)")
    }

    @Test func refusesLinksOutOfTheStore() throws {
        _ = store.path("\(top)/initrd").withPlatformString { unlink($0) }
        try store.link("\(top)/initrd", to: "/etc/hostname")
        #expect(message(try read()).contains("leads out of the store"))
    }

    @Test(arguments: [
        ("a\nLINUX /evil\n", "several lines"), ("a\u{1B}b", "byte 1 is a control character"), ("a\u{0}", "byte 1"),
        ("a\tb", "byte 1"), (String(repeating: "x", count: 65_537), "more than 65536 bytes"),
        ("\n\nx", "several lines"),
    ])
    func refusesTextsThatAreNotOneLine(text: String, reason: String) throws {
        for name in ["kernel-params", "nixos-version", "system"] {
            let good = try Subprocess.run("cat", [store.path("\(top)/\(name)").string]).output
            let file = try store.file("\(top)/\(name)", text)
            let error = message(try read())
            #expect(error.contains(reason) && error.contains("'\(file)'"), "\(error)")
            try store.file("\(top)/\(name)", good)
        }
    }

    @Test func refusesTextsThatAreNotUTF8() throws {
        try store.file("\(top)/kernel-params", [0x61, 0xFF])
        #expect(message(try read()).contains("not UTF-8"))
        try store.file("\(top)/kernel-params", "naïve \n\n")
        #expect(try read()?.kernelParameters == "naïve")
    }
}
