import Foundation
import SystemPackage
import Testing

@testable import ImageKit

/// Complaints about the sdImage module of NixOS that no other suite covers. The whole list is in docs/sdimage.md.
@Suite("Complaints") struct ComplaintTests {
    /// NixOS/nixpkgs#337884, #435489: a closure with more small files than the card had inodes.
    @Test(.enabled(if: Judge.hasExt4Tools, Comment(rawValue: Judge.ext4Reason)))
    func manySmallFilesLeaveInodesAndSpace() throws {
        var tree = FileTree()
        let attributes = FileAttributes(permissions: 0o444)
        var directories: [(name: [UInt8], node: FileTree.NodeID)] = []
        for directory in 0..<60 {
            var files: [(name: [UInt8], node: FileTree.NodeID)] = []
            for file in 0..<500 { files.append((Array("\(file)".utf8), tree.addFile([7], attributes))) }
            directories.append((Array("\(directory)".utf8), try tree.addDirectory(files, attributes)))
        }
        tree.root = try tree.addDirectory(directories, FileAttributes(permissions: 0o755))
        let scratch = try ScratchDirectory()
        let (image, layout) = try scratch.judged(tree, Ext4Options(uuid: GUID(high: 4, low: 4)))
        #expect(layout.summary.freeInodes >= 4096)
        let said = try Judge.run("dumpe2fs", ["-h", image]).said
        func number(_ name: String) -> Int? {
            said.split(separator: "\n").first { $0.hasPrefix(name + ":") }
                .flatMap { Int($0.dropFirst(name.count + 1).trimmingCharacters(in: .whitespaces)) }
        }
        #expect(number("Free inodes").map { $0 >= 4096 } == true, "\(said)")
        // Users cannot write to the kernel's reserve.
        let free = try #require(number("Free blocks")), all = try #require(number("Block count"))
        #expect((free - min(all / 50, 4096)) * 4096 >= 64 << 20)
        #expect(number("Reserved block count") == 0)
    }

    /// tytso/e2fsprogs#280: attributes that a host's security module sets and that a sandbox cannot read.
    @Test(.enabled(if: Judge.has("setfattr", "getfattr"), "needs attr"))
    func extendedAttributesStayOnTheHost() throws {
        let scratch = try ScratchDirectory()
        let closure = try SmallClosure(at: FilePath(scratch.path).appending("small"))
        let marked = try Judge.run(
            "bash",
            [
                "-euc",
                """
                cd "$1"
                chmod u+w "$2/etc/fstab"
                setfattr -n user.mark -v x "$2/etc/fstab"
                getfattr "$2/etc/fstab"
                """,
                "-", closure.store.string, try closure.path("-etc").lastComponent?.string ?? "",
            ])
        try #require(marked.status == 0 && marked.said.contains("user.mark"), "\(marked.said)")
        let image = scratch.path + "/pi.img"
        try ImagePlan(closure.recipe).write(to: image)
        #expect(try Judge.run("sha256sum", [image]).said.hasPrefix(ImageTests.golden))
    }

    /// nix-community/raspberry-pi-nix#15: a temporary directory that was too small. mkpiimg uses none.
    @Test func worksWithoutScratchSpace() throws {
        let small = try SmallClosure.shared.get()
        let scratch = try ScratchDirectory()
        let image = scratch.path + "/pi.img.zst"
        let run = try Judge.run(
            CommandLineTests.program,
            [
                "--closure", small.directory.appending("result").string, "--store-root", small.root.string,
                "--scan-references", "--firmware", small.directory.appending("firmware").string, "--out", image,
            ], environment: ["TMPDIR": "/nonexistent", "HOME": "/nonexistent"])
        #expect(run.status == 0, "\(run.said)")
        #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.path) == ["pi.img.zst"])
    }
}
