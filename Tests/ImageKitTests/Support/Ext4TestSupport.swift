import Foundation
import Glibc
import Testing

@testable import ImageKit

/// A source of any size that takes no memory: every stored MiB begins and ends with its stamp. The other bytes are
/// zero.
struct StampedSource: ByteSource {
    let size: UInt64
    /// Whether a MiB, by its number, is stored.
    let isStored: @Sendable (UInt64) -> Bool

    static let unit: UInt64 = 1 << 20

    init(size: UInt64, isStored: @escaping @Sendable (UInt64) -> Bool = { _ in true }) {
        self.size = size
        self.isStored = isStored
    }

    /// The stamps in a range.
    func stamps(in range: Range<UInt64>) -> [(offset: UInt64, bytes: [UInt8])] {
        guard !range.isEmpty else { return [] }
        var found: [(UInt64, [UInt8])] = []
        for unit in range.lowerBound / Self.unit...(range.upperBound - 1) / Self.unit where isStored(unit) {
            var stamp: [UInt8] = [0xA5]
            stamp.append(littleEndian: unit &+ 1)
            for start in [unit * Self.unit, (unit + 1) * Self.unit - 9] {
                let part = range.clamped(to: start..<start + 9)
                if part.isEmpty { continue }
                found.append(
                    (part.lowerBound, Array(stamp[Int(part.lowerBound - start)..<Int(part.upperBound - start)])))
            }
        }
        return found
    }

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(ImageError) {
        if let base = buffer.baseAddress { memset(base, 0, buffer.count) }
        for (start, bytes) in stamps(in: offset..<offset + UInt64(buffer.count)) {
            UnsafeMutableRawBufferPointer(rebasing: buffer[Int(start - offset)...]).copyBytes(from: bytes)
        }
    }
}

/// An open file or directory that closes itself.
struct OpenFile: ~Copyable {
    let descriptor: Int32

    init(_ name: some Collection<UInt8>, in directory: Int32 = AT_FDCWD, _ flags: Int32 = O_RDONLY) throws {
        descriptor = openat(directory, Ext4Judge.cString(name), flags | O_NOFOLLOW | O_CLOEXEC, 0o644)
        try #require(descriptor >= 0, "cannot open \(String(decoding: name, as: UTF8.self)): \(errno)")
    }

    deinit { close(descriptor) }

    func write(_ bytes: [UInt8], at offset: UInt64) throws {
        try #require(pwrite(descriptor, bytes, bytes.count, off_t(offset)) == bytes.count)
    }

    func read(_ count: Int, at offset: UInt64 = 0) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: max(1, count)) { buffer, filled in
            filled = max(0, pread(descriptor, buffer.baseAddress, count, off_t(offset)))
        }
    }
}

/// The tools that judge an ext4 filesystem, and the kernel.
enum Ext4Judge {
    static let mountReason = "needs root, e2fsprogs and a kernel that mounts ext4 from a loop device"

    /// Whether the kernel mounts a filesystem that mke2fs made.
    static let canMount: Bool = {
        guard geteuid() == 0, Judge.hasExt4Tools, Judge.has("mke2fs", "mount", "umount") else { return false }
        guard let scratch = try? ScratchDirectory(), let image = try? scratch.empty("probe", size: 16 << 20),
            let made = try? Judge.run("mke2fs", ["-q", "-F", "-t", "ext4", image]), made.status == 0
        else { return false }
        return (try? mounted(image, in: scratch.path) { _ in true }) ?? false
    }()

    static let uuid = GUID(high: 0x4444_4444_4444_4888, low: 0x8888_8888_8888_8888)

    static func options(
        slack: UInt64 = 1 << 20, reservedPercent: UInt32 = 0, size: UInt64? = nil
    ) throws -> Ext4Options {
        try Ext4Options(uuid: uuid, slack: slack, reservedPercent: reservedPercent, size: size)
    }

    static func cString(_ bytes: some Collection<UInt8>) -> [CChar] { bytes.map { CChar(bitPattern: $0) } + [0] }

    /// Expects that e2fsck finds nothing.
    static func check(_ image: String, label: String = "NIXOS_SD") throws {
        let (status, said) = try Judge.run("e2fsck", ["-fn", image])
        let complaints = said.split(separator: "\n").filter {
            !$0.hasPrefix("e2fsck 1.") && !$0.hasPrefix("Pass ") && !$0.hasPrefix("\(label): ")
        }
        #expect(status == 0 && complaints.isEmpty, "\(said.prefix(2000))")
    }

    /// The superblock's fields as dumpe2fs prints them.
    static func superblock(_ image: String) throws -> [String: String] {
        var fields: [String: String] = [:]
        for line in try Judge.run("dumpe2fs", ["-h", image]).said.split(separator: "\n") {
            let parts = line.split(separator: ":", maxSplits: 1)
            if parts.count == 2 { fields[String(parts[0])] = parts[1].trimmingCharacters(in: .whitespaces) }
        }
        return fields
    }

    /// Compares a summary with the output of dumpe2fs.
    static func compare(_ summary: Ext4Formatter.Summary, _ image: String) throws {
        let fields = try superblock(image)
        for (field, value) in [
            "Block count": summary.blocks, "Free blocks": summary.freeBlocks, "Inode count": summary.inodes,
            "Free inodes": summary.freeInodes, "Reserved block count": summary.reservedBlocks,
            "Blocks per group": 32_768, "Block size": 4096, "Inode size": 256,
            "Total journal blocks": summary.journalBlocks,
        ] { #expect(fields[field] == String(value), "\(field)") }
        #expect(fields["Filesystem state"] == "clean" && fields["Filesystem created"] == "Thu Jan  1 00:00:01 1970")
        #expect(summary.groups == Int(summary.blocks.dividedRoundingUp(by: 32_768)))
    }

    /// The answer of debugfs to a request.
    static func debugfs(_ request: String, _ image: String) throws -> String {
        try Judge.run("debugfs", ["-R", request, image]).said
    }

    /// Runs `body` while the kernel has the filesystem mounted, without recovery.
    static func mounted<Result>(_ image: String, in scratch: String, _ body: (String) throws -> Result) throws -> Result
    {
        let directory = scratch + "/mounted-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        let (status, said) = try Judge.run("mount", ["-t", "ext4", "-o", "ro,noload,loop", image, directory])
        try #require(status == 0, "\(said)")
        defer {
            // A child process of another test may hold a descriptor for a moment.
            if (try? Judge.run("umount", [directory]))?.status != 0 { _ = try? Judge.run("umount", ["-l", directory]) }
        }
        return try body(directory)
    }

    /// The names in a directory, without `.` and `..`.
    static func names(in directory: Int32) throws -> Set<[UInt8]> {
        let stream = try #require(fdopendir(fcntl(directory, F_DUPFD_CLOEXEC, 0)))
        defer { closedir(stream) }
        rewinddir(stream)
        var names: Set<[UInt8]> = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
            #expect(names.insert(name).inserted, "a name twice")
        }
        return names.subtracting([[0x2E], [0x2E, 0x2E]])
    }
}

extension ScratchDirectory {
    /// Writes a layout into a sparse file, without zeros.
    func write(_ layout: Ext4Formatter.Layout, as name: String = "ext4.img") throws -> String {
        let map = layout.map
        let image = try empty(name, size: map.size)
        let file = try OpenFile(image.utf8, O_WRONLY)
        for segment in map.segments {
            if case .source(let index, let start) = segment.content,
                let source = map.sources[Int(index)] as? StampedSource
            {
                for (offset, bytes) in source.stamps(in: start..<start + segment.length) {
                    try file.write(bytes, at: segment.offset + offset - start)
                }
            } else {
                try file.write(map.read(Int(segment.length), at: segment.offset), at: segment.offset)
            }
        }
        return image
    }

    /// Lays a tree out, writes it, and lets e2fsck and dumpe2fs judge.
    func judged(
        _ tree: FileTree, _ options: Ext4Options? = nil, hints: LayoutHints = LayoutHints()
    ) throws -> (image: String, Ext4Formatter.Layout) {
        let layout = try Ext4Formatter.layOut(tree, options ?? Ext4Judge.options(), hints: hints)
        let image = try write(layout)
        if Judge.hasExt4Tools {
            try Ext4Judge.check(image)
            try Ext4Judge.compare(layout.summary, image)
        }
        return (image, layout)
    }

    /// The same, and the kernel must find exactly the tree in it.
    func judgedByKernel(
        _ tree: FileTree, _ options: Ext4Options? = nil, hints: LayoutHints = LayoutHints()
    ) throws -> (image: String, Ext4Formatter.Layout) {
        let (image, layout) = try judged(tree, options, hints: hints)
        if Ext4Judge.canMount {
            try Ext4Judge.mounted(image, in: path) { try MountedTree(tree).compare(with: $0) }
        }
        return (image, layout)
    }
}

/// Compares a mounted filesystem with the tree that it was made from.
final class MountedTree {
    private let tree: FileTree
    private var names: [FileTree.NodeID: Int] = [:]
    private var inodes: [FileTree.NodeID: ino_t] = [:]
    private static let lost = Array("lost+found".utf8)
    private var hasOwnLost: Bool { tree.child(Self.lost, of: tree.root) != nil }

    init(_ tree: FileTree) throws {
        self.tree = tree
        try tree.walk(from: tree.root) { [self] _, node throws(ImageError) in names[node, default: 0] += 1 }
    }

    func compare(with path: String) throws {
        let directory = try OpenFile(path.utf8, O_RDONLY | O_DIRECTORY)
        var found = stat()
        fstat(directory.descriptor, &found)
        compare(tree.root, found, "/")
        try compareEntries(of: tree.root, directory.descriptor, "")
        #expect(Set(inodes.values).count == inodes.count, "two nodes are one inode")
    }

    private func compareEntries(of node: FileTree.NodeID, _ directory: Int32, _ path: String) throws {
        let children = tree.children(of: node)
        let own: Set<[UInt8]> = node == tree.root ? [Self.lost] : []
        #expect(try Ext4Judge.names(in: directory) == Set(children.map { Array($0.name) }).union(own), "\(path)")
        for (name, child) in children {
            let path = path + "/" + String(decoding: name, as: UTF8.self)
            var found = stat()
            guard fstatat(directory, Ext4Judge.cString(name), &found, AT_SYMLINK_NOFOLLOW) == 0 else {
                Issue.record("\(path) is not found by its name: \(errno)")
                continue
            }
            if let known = inodes[child] { #expect(known == found.st_ino, "\(path)") }
            inodes[child] = found.st_ino
            compare(child, found, path)
            switch tree.kind(of: child) {
            case .directory:
                let below = try OpenFile(name, in: directory, O_RDONLY | O_DIRECTORY)
                try compareEntries(of: child, below.descriptor, path)
            case .symlink:
                var buffer = [CChar](repeating: 0, count: 5000)
                let count = max(0, readlinkat(directory, Ext4Judge.cString(name), &buffer, buffer.count))
                let target = buffer[..<count].map { UInt8(bitPattern: $0) }
                if target[...] != tree.target(of: child) { Issue.record("the target of \(path)") }
            case .file where found.st_size > 0:
                let count = Int(tree.size(of: child))
                var expected = [UInt8](repeating: 0, count: count)
                try tree.read(child, count: count, at: 0, into: &expected)
                let bytes = try OpenFile(name, in: directory).read(count + 1)
                if bytes.count != count || memcmp(bytes, expected, count) != 0 { Issue.record("the bytes of \(path)") }
            case .file: break
            }
        }
    }

    private func compare(_ node: FileTree.NodeID, _ found: stat, _ path: String) {
        let attributes = tree.attributes(of: node)
        let subdirectories = tree.children(of: node).count { tree.kind(of: $0.node) == .directory }
        let (mode, links, size): (mode_t, Int, UInt64?) =
            switch tree.kind(of: node) {
            case .directory:
                (
                    S_IFDIR | mode_t(attributes.permissions),
                    subdirectories + 2 + (node == tree.root && !hasOwnLost ? 1 : 0), nil
                )
            case .file: (S_IFREG | mode_t(attributes.permissions), names[node] ?? 0, tree.size(of: node))
            case .symlink: (S_IFLNK | 0o777, names[node] ?? 0, tree.size(of: node))
            }
        let asExpected =
            found.st_mode == mode && Int(found.st_nlink) == (links > 65_000 ? 1 : links)
            && found.st_uid == attributes.owner && found.st_gid == attributes.group
            && found.st_mtim.tv_sec == Int(attributes.modified) && found.st_mtim.tv_nsec == 0
            && found.st_atim.tv_sec == found.st_mtim.tv_sec && found.st_ctim.tv_sec == found.st_mtim.tv_sec
            && (size == nil || UInt64(found.st_size) == size)
        if !asExpected {
            Issue.record("\(path) is \(found), and should be \(attributes), \(links) links, \(size ?? 0)")
        }
    }
}
