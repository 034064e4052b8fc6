import Foundation
import ImageKit
import SystemPackage

/// `build-image FOLDER OUT.img.zst` makes a disk with a small FAT partition, and a directory of this machine on ext4.
@main
struct BuildImage {
    static func main() {
        guard CommandLine.arguments.count == 3 else {
            print("usage: build-image FOLDER OUT.img.zst")
            exit(64)
        }
        do throws(ImageError) {
            let disk = try layOut(firmware(), root(FilePath(CommandLine.arguments[1])))
            try write(disk, to: FilePath(CommandLine.arguments[2]))
        } catch {
            FileHandle.standardError.write(Data("build-image: \(error)\n".utf8))
            exit(1)
        }
    }

    static func firmware() throws(ImageError) -> SegmentMap {
        var tree = FileTree()
        let config = tree.addFile("arm_64bit=1\nkernel=u-boot.bin\n".utf8, FileAttributes(permissions: 0o644))
        var directories = TreeBuilder()
        try directories.put(config, at: "/config.txt")
        tree.root = try directories.build(into: &tree)
        return try FATFormatter.layOut(tree, FATOptions(label: "FIRMWARE", size: 32 << 20)).map
    }

    static func root(_ directory: FilePath) throws(ImageError) -> SegmentMap {
        var tree = FileTree()
        var links = FileTree.HostLinks()
        let files = try tree.scan(directory, rules: FileTree.ScanRules(metadata: .host), links: &links)
        let hostname = tree.addFile("pi\n".utf8, FileAttributes(permissions: 0o644))
        var directories = TreeBuilder()
        try directories.put(files, at: "/srv")
        try directories.put(hostname, at: "/etc/hostname")
        tree.root = try directories.build(into: &tree)
        // The same bytes every time. If the UUID must be unique, take GUID.random().
        let uuid = GUID(high: 0x0102_0304_0506_0708, low: 0x090A_0B0C_0D0E_0F10)
        let options = try Ext4Options(label: "ROOT", uuid: uuid, slack: 16 << 20)
        return try Ext4Formatter.layOut(tree, options).map
    }

    static func layOut(_ firmware: SegmentMap, _ root: SegmentMap) throws(ImageError) -> SegmentMap {
        let sector = MBRTable.sectorSize
        let first: UInt64 = 1 << 20
        let second = first + firmware.size
        let table = try MBRTable(
            diskID: 0x1234_5678,
            partitions: [
                MBREntry(number: 1, start: first / sector, count: firmware.size / sector, type: 0x0C),
                MBREntry(number: 2, start: second / sector, count: root.size / sector, type: 0x83),
            ])
        var disk = SegmentMap(size: second + root.size)
        disk.add(table.encoded(), at: 0)
        disk.add(firmware, at: first)
        disk.add(root, at: second)
        try disk.seal()
        return disk
    }

    static func write(_ disk: SegmentMap, to path: FilePath) throws(ImageError) {
        // The plan can be read before the image exists.
        let hostname = try DiskImage(disk, path: "the plan").volume(.root).node(at: "/etc/hostname")
        print("the name has \(hostname?.size ?? 0) bytes")
        let format = ImageWriter.Format.seekable(ZstdParameters(), frameSize: ImageWriter.defaultFrameSize)
        let report = try ImageWriter(disk, format: format, threads: ImageRecipe.usefulThreads).write(to: .file(path))
        print("\(ByteSize.format(report.imageSize)) in \(ByteSize.format(report.outputSize))")
    }
}
