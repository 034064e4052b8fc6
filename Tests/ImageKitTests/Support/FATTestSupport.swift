import Foundation
import SystemPackage
import Testing

@testable import ImageKit

/// A directory that exists for one test.
struct ScratchDirectory: ~Copyable {
    let path = NSTemporaryDirectory() + "mkpiimg-test-\(UUID().uuidString)"

    init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// Writes a map into a sparse file and returns its path.
    func write(_ map: SegmentMap, as name: String = "fat.img") throws -> String {
        let file = try empty(name, size: map.size)
        let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: file))
        for segment in map.segments {
            try handle.seek(toOffset: segment.offset)
            try handle.write(contentsOf: Data(map.read(Int(segment.length), at: segment.offset)))
        }
        try handle.close()
        return file
    }

    /// A disk with a partition table that sfdisk makes from a script.
    func disk(_ script: String, as name: String = "disk.img", size: UInt64) throws -> String {
        let file = try empty(name, size: size)
        let run = try Judge.run("sfdisk", ["--quiet", file], input: script)
        try #require(run.status == 0, "\(run.said)")
        return file
    }

    /// A file of `size` zeros.
    func empty(_ name: String, size: UInt64) throws -> String {
        let file = path + "/" + name
        try Data().write(to: URL(fileURLWithPath: file))
        let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: file))
        try handle.truncate(atOffset: size)
        try handle.close()
        return file
    }

    func read(_ file: String, _ count: Int, at offset: UInt64 = 0) throws -> [UInt8] {
        let handle = try FileHandle(forReadingFrom: URL(fileURLWithPath: file))
        try handle.seek(toOffset: offset)
        return try Array(handle.read(upToCount: count) ?? Data())
    }
}

/// A tree for tests: paths and contents; a path that ends with a slash is an empty directory.
struct SampleTree {
    var files: [String: [UInt8]] = [:]

    static let attributes = FileAttributes(permissions: 0o644)

    func built() throws -> FileTree {
        var tree = FileTree()
        let paths = files.map { (path: $0.key.utf8.split(separator: 0x2F).map(Array.init), content: $0) }
        func directory(_ paths: [(path: [[UInt8]], content: (key: String, value: [UInt8]))], _ depth: Int) throws
            -> FileTree.NodeID
        {
            var children: [(name: [UInt8], node: FileTree.NodeID)] = []
            for (name, below) in Dictionary(grouping: paths.filter { $0.path.count > depth }, by: { $0.path[depth] }) {
                if below.count == 1, below[0].path.count == depth + 1, !below[0].content.key.hasSuffix("/") {
                    children.append((name, tree.addFile(below[0].content.value, Self.attributes)))
                } else {
                    children.append((name, try directory(below, depth + 1)))
                }
            }
            return try tree.addDirectory(children, Self.attributes)
        }
        tree.root = try directory(paths, 0)
        return tree
    }

    /// Every directory and file; the content of a directory is `nil`.
    var everything: [String: [UInt8]?] {
        var all: [String: [UInt8]?] = [:]
        for (path, content) in files {
            let parts = path.split(separator: "/")
            for count in parts.indices.dropFirst() { all[parts[..<count].joined(separator: "/")] = .some(nil) }
            all[parts.joined(separator: "/")] = .some(path.hasSuffix("/") ? nil : content)
        }
        return all
    }
}

/// Numbers that look random and are the same every time.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

/// A reader of FAT for tests alone: written from the specification, without any code of the library.
struct PlainFATReader {
    struct Entry {
        var name: String
        var slot: [UInt8]
        /// `nil` for a directory.
        var content: [UInt8]?
    }

    struct Damage: Error { let what: String }

    let bytes: SegmentMap
    private(set) var entries: [String: Entry] = [:]
    private(set) var label: [UInt8]?
    private let cluster: UInt64, data: UInt64, fat: UInt64, is32: Bool
    /// The clusters of all chains, to detect a cluster in two chains.
    private(set) var seen: Set<UInt64> = []

    init(_ map: SegmentMap) throws {
        bytes = map
        let boot = try map.read(512, at: 0)
        func field(_ offset: Int, _ size: Int) -> UInt64 {
            (0..<size).reduce(0) { $0 | UInt64(boot[offset + $1]) << (8 * $1) }
        }
        let reserved = field(14, 2), short = field(22, 2), rootSlots = field(17, 2)
        is32 = short == 0
        cluster = 512 * field(13, 1)
        fat = 512 * reserved
        let root = fat + 1024 * (is32 ? field(36, 4) : short)
        data = root + rootSlots * 32
        try walk(is32 ? try chain(field(44, 4)) : try map.read(Int(rootSlots) * 32, at: root), "", 0, 0)
    }

    private mutating func chain(_ first: UInt64) throws -> [UInt8] {
        var next = first
        var found: [UInt8] = []
        let width: UInt64 = is32 ? 4 : 2
        while next < (is32 ? 0x0FFF_FFF8 : 0xFFF8) {
            guard next >= 2, seen.insert(next).inserted else { throw Damage(what: "cluster \(next) twice") }
            found += try bytes.read(Int(cluster), at: data + (next - 2) * cluster)
            let entry = try bytes.read(Int(width), at: fat + next * width)
            next = entry.reversed().reduce(0) { $0 << 8 | UInt64($1) }
        }
        return found
    }

    private mutating func walk(_ content: [UInt8], _ path: String, _ own: UInt64, _ parent: UInt64) throws {
        var long: [UInt16] = []
        var sum: UInt8?
        for start in stride(from: 0, to: content.count, by: 32) {
            let slot = Array(content[start..<start + 32])
            if slot[0] == 0 {
                guard content[start...].allSatisfy({ $0 == 0 }) else { throw Damage(what: "slots after the end") }
                return
            }
            if slot[11] == 0x0F {
                let offsets = Array(1..<11) + Array(14..<26) + Array(28..<32)
                let units = stride(from: 0, to: 26, by: 2).map {
                    UInt16(slot[offsets[$0]]) | UInt16(slot[offsets[$0 + 1]]) << 8
                }
                long = units + (slot[0] & 0x40 != 0 ? [] : long)
                sum = slot[13]
                continue
            }
            if slot[11] == 0x08 {
                label = Array(slot[..<11])
                continue
            }
            let first = UInt64(slot[26]) | UInt64(slot[27]) << 8 | UInt64(slot[20]) << 16 | UInt64(slot[21]) << 24
            let short = (String(decoding: slot[..<8], as: UTF8.self), String(decoding: slot[8..<11], as: UTF8.self))
            if short.0.hasPrefix(".") {
                guard first == (short.0.hasPrefix("..") ? parent : own) else {
                    throw Damage(what: "\(path)/\(short.0)")
                }
                continue
            }
            let base = slot[12] & 0x08 != 0 ? short.0.lowercased() : short.0
            let rest = (slot[12] & 0x10 != 0 ? short.1.lowercased() : short.1).replacing(" ", with: "")
            var name = base.replacing(" ", with: "") + (rest.isEmpty ? "" : "." + rest)
            if let sum {
                guard sum == slot[..<11].reduce(0, { ($0 & 1) << 7 &+ $0 >> 1 &+ $1 }) else {
                    throw Damage(what: "the sum of \(name)")
                }
                name = String(decoding: long.prefix { $0 != 0 }, as: UTF16.self)
            }
            (long, sum) = ([], nil)
            let whole = path.isEmpty ? name : path + "/" + name
            let size = slot[28...].reversed().reduce(0) { $0 << 8 | Int($1) }
            guard entries[whole] == nil else { throw Damage(what: "\(whole) twice") }
            let content = first == 0 ? [] : try chain(first)
            if slot[11] == 0x10 {
                entries[whole] = Entry(name: name, slot: slot, content: nil)
                try walk(content, whole, first, own)
            } else {
                guard content.count >= size, content.count - size < cluster else { throw Damage(what: whole) }
                entries[whole] = Entry(name: name, slot: slot, content: Array(content.prefix(size)))
            }
        }
    }
}
