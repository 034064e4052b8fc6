import Foundation
import Glibc
import SystemPackage
import Testing

@testable import ImageKit

/// A whole image in memory.
struct HeldImage: ByteSource {
    var bytes: [UInt8]
    init(_ bytes: [UInt8]) { self.bytes = bytes }
    init(file: String) throws { bytes = Array(try Data(contentsOf: URL(fileURLWithPath: file))) }
    var size: UInt64 { UInt64(bytes.count) }
    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(ImageError) {
        guard offset <= size, UInt64(buffer.count) <= size - offset else {
            throw ImageError(.corrupt, "read past the end", offset: offset)
        }
        bytes.withUnsafeBytes {
            buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[Int(offset)..<Int(offset) + buffer.count]))
        }
    }
}

/// Reads filesystems with ``Ext4Volume``: those of this library as they were laid out, others as the kernel and debugfs
/// see them.
@Suite struct Ext4VolumeTests {
    /// Everything in a tree as text, without `lost+found`.
    static func listing(_ tree: FileTree, bytes: Bool = true) throws -> [String] {
        var lines: [String] = []
        var firstNames: [FileTree.NodeID: String] = [:]
        try tree.walk(from: tree.root) { path, node throws(ImageError) in
            let name = path.map { String($0, radix: 16) }.joined(separator: ".")
            if path.starts(with: Array("lost+found".utf8)) { return }
            let first = firstNames[node] ?? name
            firstNames[node] = first
            var attributes = tree.attributes(of: node)
            // The kernel's permissions of links, independent of the host's.
            if tree.kind(of: node) == .symlink { attributes.permissions = 0o777 }
            var line = "\(name) \(first) \(tree.kind(of: node)) \(attributes)"
            switch tree.kind(of: node) {
            case .directory: break
            case .symlink: line += " \(Array(tree.target(of: node)))"
            case .file:
                line += " \(tree.size(of: node))"
                if bytes { line += " \(try tree.read(node, atMost: 1 << 26).hashValue)" }
            }
            lines.append(line)
        }
        return lines
    }

    @Test func readsFilesystemsOfThisLibrary() throws {
        let scratch = try ScratchDirectory()
        for seed in [1, 2, 3] as [UInt64] {
            var generator = Ext4TreeTests.Generator(seed: seed, scratch: scratch.path)
            var tree = try generator.built()
            try tree.joinLinks(under: tree.root, .byContent(threads: 1))
            let layout = try Ext4Formatter.layOut(tree, Ext4Judge.options())
            let volume = try Ext4Volume(layout.map)
            let contents = try volume.tree()
            #expect(contents.specialFiles.isEmpty)
            let (expected, found) = (try Self.listing(tree), try Self.listing(contents.tree))
            #expect(expected.count > 20)
            for (left, right) in zip(expected, found) where left != right {
                Issue.record("\(left)\n\(right)")
                break
            }
            #expect(expected.count == found.count)
            #expect(volume.information.kind == "ext4" && volume.information.blocks == layout.summary.blocks)
            #expect(volume.information.freeBlocks == layout.summary.freeBlocks && volume.information.isClean)
            #expect(volume.information.uuid == Ext4Judge.uuid && volume.information.features.contains("metadata_csum"))
        }
    }

    @Test func readsTheSmallClosure() throws {
        let closure = try SmallClosure.shared.get()
        var links = FileTree.HostLinks()
        var tree = FileTree()
        tree.root = try tree.scan(closure.store, rules: .init(metadata: .store), links: &links)
        let volume = try Ext4Volume(try Ext4Formatter.layOut(tree, Ext4Judge.options()).map)
        #expect(try Self.listing(tree) == Self.listing(volume.tree().tree))
    }

    /// Options of mke2fs.
    static let kinds: [[String]] = [
        ["-t", "ext2", "-b", "1024"], ["-t", "ext3", "-b", "1024"], ["-t", "ext3", "-b", "2048"],
        ["-t", "ext2", "-b", "4096", "-r", "0"], ["-t", "ext4", "-b", "1024"], ["-t", "ext4", "-b", "2048"],
        ["-t", "ext4", "-b", "4096"], ["-t", "ext4", "-b", "4096", "-O", "inline_data"],
        ["-t", "ext4", "-b", "1024", "-O", "inline_data,^64bit"], ["-t", "ext4", "-O", "bigalloc", "-C", "16384"],
        ["-t", "ext4", "-b", "1024", "-O", "meta_bg,^resize_inode"], ["-t", "ext4", "-I", "128"],
        ["-t", "ext4", "-b", "4096", "-O", "metadata_csum_seed,^flex_bg"],
    ]

    static func sourceDirectory(_ scratch: borrowing ScratchDirectory) throws -> String {
        let directory = scratch.path + "/source"
        let script = """
            set -e; mkdir -p "$1/deep/er/est" "$1/many"; cd "$1"
            for n in 0 1 59 60 61 100 150 160 200 4096 5000 300000; do head -c $n /dev/urandom > f$n; done
            for i in $(seq 900); do : > many/a-rather-long-name-for-a-file-$i; done
            ln -s short s1; ln -s $(printf 'x%.0s' $(seq 59)) s59; ln -s $(printf 'x%.0s' $(seq 60)) s60
            ln -s $(printf 'y%.0s' $(seq 300)) s300; ln -s ../deep/er deep/link; ln -s /f100 deep/er/absolute
            ln -s loop loop; ln f100 deep/hard; mkdir empty
            for i in $(seq 0 700); do printf "part $i" | dd of=sparse bs=1 seek=$((i * 16384)) conv=notrunc status=none; done
            truncate -s 20000000 sparse; truncate -s 5000000 hole
            chmod 4751 f59; chmod 1777 empty; chmod 2750 many
            [ $(id -u) != 0 ] || { mkfifo pipe; mknod null c 1 3; mknod disk b 259 70000; chown 70000:80000 f60; }
            find . -exec touch -h -d @1234567890 {} +
            """
        let made = try Judge.run("bash", ["-c", script, "make", directory])
        try #require(made.status == 0, "\(made.said)")
        return directory
    }

    @Test(.enabled(if: Judge.hasExt4Tools && Judge.has("mke2fs"), "\(Judge.ext4Reason)"))
    func readsFilesystemsOfMke2fs() throws {
        let scratch = try ScratchDirectory()
        let directory = try Self.sourceDirectory(scratch)
        var depths: [String] = []
        for (index, kind) in Self.kinds.enumerated() {
            let image = try scratch.empty("other\(index)", size: 64 << 20)
            let made = try Judge.run("mke2fs", ["-q", "-F", "-L", "a label", "-d", directory] + kind + [image])
            try #require(made.status == 0, "\(kind): \(made.said)")
            let source = try HeldImage(file: image)
            let volume = try Ext4Volume(source)
            let contents = try volume.tree()
            let fields = try Ext4Judge.superblock(image)
            let information = volume.information
            #expect(fields["Block count"] == String(information.blocks), "\(kind)")
            #expect(fields["Free blocks"] == String(information.freeBlocks), "\(kind)")
            #expect(fields["Free inodes"] == String(information.freeInodes), "\(kind)")
            #expect(fields["Filesystem volume name"] == information.label, "\(kind)")
            let features = (fields["Filesystem features"] ?? "").split(separator: " ").map(String.init)
                .filter { $0 != "(none)" }
            #expect(Set(features) == Set(information.features), "\(kind)")
            try Self.compare(contents, with: directory, "\(kind)")
            if Ext4Judge.canMount, !kind.contains("-r") {
                let type = kind[1]
                let directory = scratch.path + "/at\(index)"
                try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
                let options = type == "ext2" ? "ro,loop" : "ro,noload,loop"
                let mounted = try Judge.run("mount", ["-t", "ext4", "-o", options, image, directory])
                if mounted.status == 0 {
                    try Self.compare(contents, with: directory, "mounted \(kind)")
                    try Judge.run("umount", [directory])
                } else {
                    depths.append("\(kind): \(mounted.said)")
                }
            }
            #expect(try volume.node(at: "/deep/hard")?.inode == volume.node(at: "f100")?.inode)
            #expect(try volume.node(at: "deep/link")?.kind == .symlink)
            #expect(try volume.node(at: "deep/link/est")?.kind == .directory)
            #expect(try volume.node(at: "deep/link/est", followingLinks: true)?.kind == .directory)
            #expect(try volume.node(at: "deep/link/absolute", followingLinks: true)?.size == 100)
            #expect(try volume.node(at: "s1")?.kind == .symlink)
            #expect(try volume.node(at: "s1", followingLinks: true) == nil)
            #expect(throws: ImageError.self) { try volume.node(at: "loop", followingLinks: true) }
            let many = try #require(try volume.node(at: "many"))
            #expect(try volume.entries(of: many).count == 900)
        }
        #expect(depths.isEmpty, "not mounted: \(depths)")
    }

    /// Compares with a directory of the host.
    static func compare(_ contents: Ext4Volume.Contents, with directory: String, _ what: String) throws {
        let tree = contents.tree
        var seen = 0
        var inodes: [FileTree.NodeID: ino_t] = [:]
        try tree.walk(from: tree.root) { bytes, node throws(ImageError) in
            let path = String(decoding: bytes, as: UTF8.self)
            if path.isEmpty || path == "lost+found" { return }
            seen += 1
            var status = stat()
            guard lstat(directory + "/" + path, &status) == 0 else {
                Issue.record("\(what): \(path) is too much")
                return
            }
            let attributes = tree.attributes(of: node)
            var isSame =
                attributes.owner == status.st_uid && attributes.group == status.st_gid
                && attributes.modified == Int64(status.st_mtim.tv_sec)
                && attributes.permissions == UInt16(status.st_mode & 0o7777)
            if let inode = inodes[node] { isSame = isSame && inode == status.st_ino }
            inodes[node] = status.st_ino
            switch tree.kind(of: node) {
            case .directory: isSame = isSame && status.st_mode & S_IFMT == S_IFDIR
            case .symlink:
                let target = try? FileManager.default.destinationOfSymbolicLink(atPath: directory + "/" + path)
                isSame = isSame && target.map { Array($0.utf8)[...] } == tree.target(of: node)
            case .file:
                let data = FileManager.default.contents(atPath: directory + "/" + path).map { Array($0) }
                let found = try tree.read(node, atMost: 1 << 30)
                isSame = isSame && status.st_mode & S_IFMT == S_IFREG && data == found
            }
            // With inline data, mke2fs 1.47.0 cuts off a file's last hole. Its file is compared with the kernel's
            // mount.
            if path == "sparse", what.contains("inline_data"), !what.hasPrefix("mounted") { return }
            if !isSame { Issue.record("\(what): \(path) differs") }
        }
        for (bytes, node) in contents.specialFiles {
            seen += 1
            var status = stat()
            lstat(directory + "/" + String(decoding: bytes, as: UTF8.self), &status)
            let number = UInt64(status.st_rdev)
            let (high, low) = (UInt32(number >> 8 & 0xFFF), UInt32(number & 0xFF | number >> 12 & 0xFFF00))
            switch node.kind {
            case .fifo: #expect(status.st_mode & S_IFMT == S_IFIFO)
            case .characterDevice(let major, let minor): #expect(major == high && minor == low)
            case .blockDevice(let major, let minor): #expect(major == high && minor == low)
            default: Issue.record("\(what): \(node.kind)")
            }
        }
        let all = try Judge.run(
            "bash", ["-c", "find \"$1\" -mindepth 1 ! -name lost+found -printf x", "find", directory]
        )
        .said
        #expect(all.utf8.count == seen, "\(what)")
    }
}
