import Foundation
import SystemPackage
import Testing

@testable import ImageKit

/// Addresses, and walks through filesystems with circles. Tests/looking.sh compares a walk with the kernel's mount.
@Suite struct ImageVolumeTests {
    @Test(
        arguments: [
            ("/nix", .root, "/nix"), ("root:/a:b", .root, "/a:b"), ("firmware:", .firmware, "/"),
            ("firmware:/config.txt", .firmware, "/config.txt"), ("12:/x", .number(12), "/x"), ("/1:/x", .root, "/1:/x"),
        ] as [(String, ImageAddress.Selector, String)])
    func addressesAreParsed(text: String, partition: ImageAddress.Selector, path: String) throws {
        #expect(try ImageAddress(parsing: text) == ImageAddress(partition: partition, path: path))
    }

    @Test(arguments: ["", "nix", "boot:/x", "0:/x", "-1:/x", "+1:/x", "1:x", ":/x", "99999999999999999999:/"])
    func otherTextsAreRefused(text: String) {
        #expect(message(try ImageAddress(parsing: text)).contains("there is no place"))
    }

    /// The paths of the directories that a walk visits, and its errors.
    private func walked(_ volume: ImageVolume) throws -> (directories: [String], damages: [String]) {
        var directories: [String] = [], damages: [String] = []
        try volume.root().walk { (_, error) throws(ImageError) in
            damages.append(error.description)
        } _: { (path, _, _) throws(ImageError) in
            directories.append(String(decoding: path, as: UTF8.self))
        }
        return (directories, damages)
    }

    @Test(.enabled(if: Judge.hasFATTools, "\(Judge.fatReason)"))
    func aDirectoryInItselfEnds() throws {
        let fat = try ForeignFAT(["-F", "16", "-s", "1", "-S", "512"], size: 8 << 20)
        try fat.directory("/outer")
        try fat.directory("/outer/inner")
        let outer = try #require(try fat.volume.entry(at: "/outer"))
        #expect(try walked(.fat(try fat.volume)).directories == ["", "outer", "outer/inner"])
        // The entry of `inner`, which follows `.` and `..`, now leads to `outer`.
        let entry = try fat.volume.layout.offset(ofCluster: outer.firstCluster) + 2 * 32
        let file = try #require(FileHandle(forUpdatingAtPath: fat.image))
        try file.seek(toOffset: entry + 26)
        try file.write(contentsOf: Data([UInt8(outer.firstCluster & 0xFF), UInt8(outer.firstCluster >> 8)]))
        try file.close()
        let (directories, damages) = try walked(.fat(try fat.volume))
        #expect(directories == ["", "outer"])
        #expect(damages.count == 1 && damages.first?.contains("in two places: 'outer/inner'") == true, "\(damages)")
    }

    @Test(.enabled(if: Judge.hasExt4Tools && Judge.has("mke2fs"), "needs e2fsprogs"))
    func damagedInodesAreReportedAndSkipped() throws {
        let directory = try ScratchDirectory()
        let image = try directory.empty("ext4.img", size: 8 << 20)
        try #require(try Judge.run("mke2fs", ["-q", "-F", "-t", "ext4", image]).status == 0)
        for request in ["mkdir a", "mkdir b", "mkdir c", "ln a c/again", "set_inode_field b mode 0"] {
            try Judge.run("debugfs", ["-w", "-R", request, image])
        }
        let volume = ImageVolume.ext4(try Ext4Volume(try FileSource(FilePath(image))))
        let (directories, damages) = try walked(volume)
        #expect(directories == ["", "a", "c", "lost+found"])
        #expect(damages.count == 2 && damages.contains { $0.contains("in two places: 'c/again'") }, "\(damages)")
        #expect(throws: ImageError.self) { try volume.root().children() }
    }

    /// Reading directories that share their blocks costs no more blocks than the filesystem has.
    @Test(.enabled(if: Judge.hasExt4Tools && Judge.has("mke2fs"), "needs e2fsprogs"))
    func directoriesThatShareBlocksEnd() throws {
        let directory = try ScratchDirectory()
        let image = try directory.empty("ext2.img", size: 8 << 20)
        try #require(try Judge.run("mke2fs", ["-q", "-F", "-t", "ext2", "-b", "1024", image]).status == 0)
        let large = "mkdir a\n" + String(repeating: "expand_dir a\n", count: 60)
        let copies = (0..<200).map { "mkdir d\($0)\ncopy_inode a d\($0)\n" }.joined()
        try Judge.run("debugfs", ["-w", "-f", "-", image], input: large + copies)
        let (directories, damages) = try walked(.ext4(try Ext4Volume(try FileSource(FilePath(image)))))
        #expect((100...140).contains(directories.count), "\(directories.count)")
        #expect(directories.count + damages.count == 203, "\(damages.first ?? "")")
    }

    /// A damaged image leads to an error, and no file is left at the destination.
    @Test(.enabled(if: Judge.hasExt4Tools && Judge.has("mke2fs"), "needs e2fsprogs"))
    func aFailedExtractionLeavesNothing() throws {
        let directory = try ScratchDirectory()
        let image = try directory.empty("ext4.img", size: 8 << 20)
        try #require(try Judge.run("mke2fs", ["-q", "-F", "-t", "ext4", image]).status == 0)
        for request in ["mkdir a", "mkdir a/b", "mkdir a/c", "set_inode_field a/c mode 0"] {
            try Judge.run("debugfs", ["-w", "-R", request, image])
        }
        let volume = ImageVolume.ext4(try Ext4Volume(try FileSource(FilePath(image))))
        let target = directory.path + "/out"
        try FileManager.default.createDirectory(atPath: target, withIntermediateDirectories: true)
        #expect(throws: ImageError.self) { try ImageExtraction.run(volume, path: "/a", to: FilePath(target)) }
        #expect(try FileManager.default.contentsOfDirectory(atPath: target).isEmpty)
        #expect(try ImageExtraction.run(volume, path: "/a/b", to: FilePath(target)).directories == 1)
        #expect(try FileManager.default.contentsOfDirectory(atPath: target) == ["b"])
    }

    /// Symbolic links can have several names, as files can.
    @Test func namesOfOneLinkStayHardLinks() throws {
        let directory = try ScratchDirectory()
        var tree = FileTree()
        let link = tree.addSymlink(to: Array("nowhere".utf8), .init(permissions: 0o777))
        let file = tree.addFile([1, 2, 3], .init(permissions: 0o644))
        let inner = try tree.addDirectory(
            [(Array("l2".utf8), link), (Array("f2".utf8), file)], .init(permissions: 0o755))
        tree.root = try tree.addDirectory(
            [(Array("l1".utf8), link), (Array("f1".utf8), file), (Array("d".utf8), inner)], .init(permissions: 0o755))
        let map = try Ext4Formatter.layOut(tree, Ext4Options(uuid: GUID(high: 7, low: 7), slack: 0)).map
        let target = directory.path + "/out"
        let report = try ImageExtraction.run(.ext4(try Ext4Volume(map)), path: "/", to: FilePath(target))
        #expect((report.files, report.links) == (1, 1))
        for (firstName, secondName) in [("l1", "d/l2"), ("f1", "d/f2")] {
            var first = stat(), second = stat()
            #expect(lstat("\(target)/\(firstName)", &first) == 0 && lstat("\(target)/\(secondName)", &second) == 0)
            #expect(first.st_ino == second.st_ino && first.st_nlink == 2)
        }
    }
}
