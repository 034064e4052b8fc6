import Foundation
import SystemPackage
import Testing

@testable import ImageKit

/// The findings of ``Ext4Check``.
enum Ext4CheckJudge {
    static func findings(_ source: any ByteSource) throws -> (list: [Finding], contents: Ext4Volume.Contents?) {
        var list: [Finding] = []
        let contents = try Ext4Check.run(source) { list.append($0) }
        return (list, contents)
    }

    static func text(_ findings: [Finding]) -> String {
        findings.prefix(12).map {
            "\($0.kind.name) \($0.path ?? "") @\($0.offset.map(String.init) ?? "") \($0.what)"
        }.joined(separator: "\n")
    }

    /// Expects neither damage nor a warning.
    static func isSilent(_ source: any ByteSource, _ what: String) throws {
        let (list, contents) = try findings(source)
        let loud = list.filter { $0.kind.severity > .note }
        #expect(loud.isEmpty, "\(what)\n\(text(loud))")
        #expect(contents != nil)
    }

    /// Runs a script with these arguments.
    static func shell(_ script: String, _ arguments: String..., more: [String] = []) throws {
        let (status, said) = try Judge.run("bash", ["-ec", script, "shell"] + arguments + more)
        try #require(status == 0, "\(said)")
    }
}

/// Sound filesystems: neither `e2fsck -fn` nor the check finds anything.
@Suite struct Ext4CheckTests {
    static let reason = "needs e2fsprogs with mke2fs"
    static let canMake = Judge.hasExt4Tools && Judge.has("mke2fs")

    @Test func filesystemsOfThisLibrary() throws {
        let scratch = try ScratchDirectory()
        for seed in [1] as [UInt64] {
            var generator = Ext4TreeTests.Generator(seed: seed, scratch: scratch.path)
            var tree = try generator.built()
            try tree.joinLinks(under: tree.root, .byContent(threads: 1))
            let layout = try Ext4Formatter.layOut(tree, Ext4Judge.options())
            try Ext4CheckJudge.isSilent(layout.map, "\(seed)")
            let contents = try #require(try Ext4CheckJudge.findings(layout.map).contents)
            #expect(try Ext4VolumeTests.listing(contents.tree) == Ext4VolumeTests.listing(tree))
        }
    }

    /// A directory with an index, and a filesystem with several groups.
    @Test func largeDirectoriesOfThisLibrary() throws {
        let names = (0..<300).map { Ext4HashTreeTests.name($0, length: 255) }
        try Ext4CheckJudge.isSilent(
            Ext4Formatter.layOut(Ext4HashTreeTests.tree(names), Ext4Judge.options()).map, "index")
        var tree = FileTree()
        let attributes = FileAttributes(permissions: 0o755)
        let large = StampedSource(size: 3 << 30) { $0 % 300 == 0 }
        tree.root = try tree.addDirectory(
            [([0x66], tree.addFile(large, offset: 0, size: large.size, attributes))], attributes)
        try Ext4CheckJudge.isSilent(Ext4Formatter.layOut(tree, Ext4Judge.options()).map, "groups")
    }

    static let kinds: [[String]] = [
        ["-t", "ext2", "-b", "1024"], ["-t", "ext3", "-b", "2048"], ["-t", "ext2", "-b", "4096", "-r", "0"],
        ["-t", "ext4", "-b", "1024"], ["-t", "ext4", "-b", "4096"], ["-t", "ext4", "-b", "4096", "-O", "inline_data"],
        ["-t", "ext4", "-b", "1024", "-O", "inline_data,^64bit"], ["-t", "ext4", "-O", "bigalloc", "-C", "16384"],
        ["-t", "ext4", "-b", "1024", "-O", "meta_bg,^resize_inode"],
        ["-t", "ext4", "-I", "128", "-O", "metadata_csum_seed,^flex_bg"],
        ["-t", "ext4", "-b", "1024", "-O", "^metadata_csum,uninit_bg"],
        ["-t", "ext4", "-b", "1024", "-O", "^metadata_csum,uninit_bg,^64bit,^flex_bg"],
        ["-t", "ext4", "-O", "^64bit,^has_journal"],
        ["-t", "ext4", "-b", "1024", "-O", "sparse_super2,^resize_inode"],
        ["-t", "ext4", "-b", "1024", "-O", "^resize_inode,^sparse_super,mmp,large_dir"],
        ["-t", "ext4", "-O", "orphan_file"], ["-t", "ext4", "-O", "quota,project,ea_inode"],
    ]

    /// Files of all kinds, with 400 in one directory. Its index has two levels if blocks are small.
    static func sourceDirectory(_ scratch: borrowing ScratchDirectory) throws -> String {
        let directory = scratch.path + "/source"
        try Ext4CheckJudge.shell(
            """
            mkdir -p "$1/deep/er/est" "$1/many" "$1/empty"; cd "$1"
            for n in 0 1 59 60 61 100 150 160 5000 300000; do head -c $n /dev/zero | tr '\\0' x > f$n; done
            (cd many; seq -f "%.0f$(printf 'n%.0s' {1..240})" 400 | xargs touch)
            ln -s $(printf 'x%.0s' {1..59}) s59; ln -s $(printf 'x%.0s' {1..60}) s60
            ln -s $(printf 'y%.0s' {1..300}) s300; ln f100 deep/hard; ln f100 deep/er/hard
            for i in {0..60}; do printf "part $i" | dd of=sparse bs=1 seek=$((i * 90000)) conv=notrunc status=none; done
            [ $(id -u) != 0 ] || { mkfifo pipe; mknod null c 1 3; }
            """, directory)
        return directory
    }

    /// Changes a filesystem with e2fsprogs as use does: directories with an index, attributes, deleted and new files.
    static let use = """
        e2fsck -fyD "$1" > /dev/null || [ $? = 1 ]
        debugfs -w "$1" > "$1.said" 2>&1 <<END
        write $2/f300000 another
        mkdir made
        mkdir made/below
        write $2/f5000 made/file
        ln made/file deep/name
        sif deep/name links_count 2
        rm f5000
        ea_set another user.some value
        ea_set made user.long $(printf 'z%.0s' {1..200})
        symlink made/link /somewhere/else
        sif another mode 0100600
        END
        rm "$1.said"
        """

    @Test(.enabled(if: canMake, "\(reason)"), arguments: kinds)
    func filesystemsOfMke2fs(_ kind: [String]) throws {
        let scratch = try ScratchDirectory()
        let directory = try Self.sourceDirectory(scratch)
        let image = try scratch.empty("other", size: 24 << 20)
        let made = try Judge.run(
            "mke2fs", ["-q", "-F", "-L", "a label", "-N", "600", "-d", directory] + kind + [image])
        // An older mke2fs does not know all options.
        if made.status != 0, made.said.contains("Invalid filesystem option") { return }
        try #require(made.status == 0, "\(kind): \(made.said)")
        let isNew = try Judge.run("e2fsck", ["-fn", image]).status == 0
        if isNew { try Ext4CheckJudge.isSilent(try FileSource(FilePath(image)), "\(kind)") }
        // debugfs does not update quotas.
        if kind.contains(where: { $0.contains("quota") }) { return }
        try Ext4CheckJudge.shell(Self.use, image, directory)
        let judged = try Judge.run("e2fsck", ["-fn", image])
        try #require(judged.status == 0, "\(kind): \(judged.said)")
        try Ext4CheckJudge.isSilent(try FileSource(FilePath(image)), "used \(kind)")
    }
}
