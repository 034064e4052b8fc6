import Foundation
import Glibc
import SystemPackage
import Testing

@testable import ImageKit

/// The report of `inspect`, compared with what sfdisk, dumpe2fs and mtools say about the same image.
@Suite struct ImageReportTests {
    /// A compressed image of the small closure, with a profile and reserved blocks.
    private func image(in directory: borrowing ScratchDirectory) throws -> (path: String, plan: ImagePlan) {
        var recipe = try SmallClosure.shared.get().registeredRecipe()
        recipe.hasProfile = true
        recipe.reservedPercent = 1
        let plan = try ImagePlan(recipe)
        let path = directory.path + "/pi.img.zst"
        try plan.write(to: path, frameSize: 1 << 18)
        return (path, plan)
    }

    @Test(
        .enabled(
            if: Judge.hasExt4Tools && Judge.hasFATTools && Judge.has("zstd"), "needs e2fsprogs, mtools, fdisk and zstd")
    )
    func agreesWithOtherTools() throws {
        let directory = try ScratchDirectory()
        let (path, plan) = try image(in: directory)
        let report = try ImageReport(try DiskImage.open(FilePath(path)))
        let raw = directory.path + "/pi.img"
        try #require(try Judge.run("zstd", ["-dq", path, "-o", raw]).status == 0)

        #expect(report.file.form == "seekable" && report.file.imageSize == plan.map.size)
        let size = try FileManager.default.attributesOfItem(atPath: path)[.size] as? UInt64
        #expect(report.file.size == size)
        let said = try Judge.run("sfdisk", ["--json", raw]).said
        let listing = try JSONDecoder().decode(PartitionTableTests.Listing.self, from: Data(said.utf8)).partitiontable
        #expect(report.diskID == listing.id && report.table == "mbr" && report.partitions.count == 2)
        for (found, entry) in zip(report.partitions, listing.partitions ?? []) {
            #expect(found.start == entry.start * 512 && found.size == entry.size * 512 && found.damage == nil)
        }
        #expect(report.partitions.map(\.role) == ["firmware", "root"])

        // The root, compared with dumpe2fs.
        let start = report.partitions[1].start
        let root = directory.path + "/root.img"
        try Judge.run(
            "dd", ["if=\(raw)", "of=\(root)", "bs=1M", "skip=\(start >> 20)", "conv=sparse", "status=none"])
        let fields = try Ext4Judge.superblock(root)
        let found = try #require(report.partitions[1].filesystem)
        func number(_ field: String) -> UInt64 { fields[field].flatMap { UInt64($0) } ?? 0 }
        #expect(found.kind == "ext4" && found.label == "NIXOS_SD" && found.uuid == fields["Filesystem UUID"])
        #expect(found.size == number("Block count") * 4096 && found.reserved == number("Reserved block count") * 4096)
        #expect(found.free == (number("Free blocks") - number("Reserved block count")) * 4096)
        #expect(found.inodes == number("Inode count") && found.freeInodes == number("Free inodes"))
        #expect(
            found.features?.sorted() == fields["Filesystem features"]?.split(separator: " ").map(String.init).sorted())
        #expect(found.isClean == true && found.needsRecovery == false && found.mounted == nil)

        // The firmware partition, compared with mtools.
        let fat = try #require(report.partitions[0].filesystem)
        let drive = "\(raw)@@\(report.partitions[0].start)"
        let free = try Judge.run("mdir", ["-i", drive, "::"]).said.split(separator: "\n").last ?? ""
        let digits = free.filter(\.isNumber)
        #expect(UInt64(digits) == fat.free, "\(free)")
        #expect(fat.label == "FIRMWARE" && fat.uuid == "2178-694E")
    }

    @Test func readsBootFilesAndTheStore() throws {
        let directory = try ScratchDirectory()
        let (path, plan) = try image(in: directory)
        let report = try ImageReport(try DiskImage.open(FilePath(path)))
        let toplevel = try #require(plan.toplevel)

        let boot = try #require(report.boot), entry = try #require(boot.defaultEntry)
        #expect(boot.starter == "U-Boot" && boot.menu == "/boot/extlinux/extlinux.conf" && boot.timeout == 5)
        #expect(entry.label == "nixos-default" && entry.initPath == toplevel.initPath && entry.initExists == true)
        #expect(entry.parameters.joined(separator: " ").contains(toplevel.kernelParameters))
        #expect(entry.kernelVersion == "6.6.30" && entry.kernelSize == 2_500_000 && entry.initrdSize ?? 0 > 0)

        let system = try #require(report.system)
        #expect(system.toplevel == toplevel.path.path && system.label == toplevel.version)
        #expect(system.generations.map(\.number) == [1] && system.generations[0].isCurrent)
        #expect(system.generations[0].toplevel == toplevel.path.path)

        let store = try #require(report.store)
        #expect(store.count == plan.closure.paths.count && store.size == plan.closure.narSize)
        // The closure of the system is everything; of each path, what Closure finds.
        for path in store.paths {
            let name = try StorePath(path.path)
            let closure = try Closure(roots: [name], from: plan.closure.registration)
            #expect(path.closureSize == closure.narSize && path.size == closure[name]?.narSize)
        }
        #expect(store.paths.map { $0.size ?? 0 } == store.paths.map { $0.size ?? 0 }.sorted(by: >))

        let compression = try #require(report.compression)
        #expect(compression.regions.map(\.name) == ["before partition 1", "firmware", "root"])
        #expect(compression.regions.reduce(0) { $0 + $1.size } == report.file.imageSize)
        let sum = compression.regions.reduce(0) { $0 + $1.compressedSize }
        #expect(sum <= report.file.size && sum > report.file.size * 9 / 10)
    }

    /// A plan can be read before it is written.
    @Test func readsAPlan() throws {
        let plan = try ImagePlan(try SmallClosure.shared.get().recipe)
        let report = try ImageReport(try DiskImage(plan.map, path: "plan"))
        #expect(report.file.form == "plan" && report.compression == nil && report.system != nil)
        #expect(report.partitions.compactMap(\.filesystem?.kind) == ["FAT16", "ext4"])
    }

    /// Where a menu's entry names both a device tree and a directory of them, U-Boot takes the file.
    @Test func aNamedDeviceTreeCountsBeforeADirectory() throws {
        let menu = "LABEL a\nLINUX /Image\nFDTDIR /dtbs\nFDT /a.dtb\n"
        let tree = SampleTree(files: ["extlinux/extlinux.conf": Array(menu.utf8)])
        let disk = try DiskImage(FATFormatter.layOut(tree.built()).map, path: "firmware")
        #expect(try ImageReport(disk).boot?.entries.map(\.deviceTrees) == ["/a.dtb"])
    }

    /// Damage is reported, and the rest of the report is complete.
    @Test func damageHidesNothingElse() throws {
        let directory = try ScratchDirectory()
        let plan = try ImagePlan(try SmallClosure.shared.get().recipe)
        let path = try directory.write(plan.map, as: "pi.img")
        let file = try OpenFile(path.utf8, O_RDWR)
        // The number of blocks in the root's superblock.
        try file.write([0xFF, 0xFF, 0xFF, 0xFF], at: plan.table.partitions[1].bytes.lowerBound + 1024 + 4)
        let report = try ImageReport(try DiskImage.open(FilePath(path)))
        #expect(report.partitions[1].damage?.contains("4294967295 blocks") == true, "\(report.partitions[1])")
        #expect(report.partitions[0].filesystem?.kind == "FAT16" && report.store == nil)
        #expect(report.boot?.boards.isEmpty == false)
    }

    /// A frame that cannot be read is reported, and not mistaken for a file that does not exist.
    @Test func aDamagedFrameIsReported() throws {
        let directory = try ScratchDirectory()
        let (path, plan) = try image(in: directory)
        let file = try FileSource(FilePath(path))
        let disk = try DiskImage.open(FilePath(path))
        let node = try #require(try disk.volume(.root).node(at: "/nix-path-registration"))
        guard case .ext4(let inode, let ext4) = node.storage else { return }
        var budget: UInt64 = 100
        let offset = try ext4.location(of: inode, budget: &budget).offset + plan.table.partitions[1].bytes.lowerBound
        let list = try #require(disk.container?.form.frames?.list)
        let frame = list.frame(holding: offset)
        let middle = (list.fileOffsets[frame] + list.fileOffsets[frame + 1]) / 2
        let byte = try file.read(1, at: middle)
        try OpenFile(path.utf8, O_RDWR).write([byte[0] ^ 0x55], at: middle)
        let report = try ImageReport(try DiskImage.open(FilePath(path)))
        #expect(
            report.problems.count == 1 && report.problems[0].contains("at byte \(list.fileOffsets[frame]):"),
            "\(report.problems)")
        #expect(report.store == nil && report.partitions[1].filesystem?.kind == "ext4")
    }
}
