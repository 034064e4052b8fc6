import Testing

@testable import ImageKit

/// Indexed directories: the kernel must find every name by its hash, and e2fsck no fault.
@Suite struct Ext4HashTreeTests {
    typealias Name = [UInt8]
    /// The entries with names of 255 bytes in a leaf: a sixteenth of this length does not fit.
    static let perLeaf = 15
    static let rootLimit = 507, nodeLimit = 510

    /// A tree whose directory `d` holds empty files of these names.
    static func tree(_ names: [Name]) throws -> FileTree {
        var tree = FileTree()
        let attributes = FileAttributes(permissions: 0o644)
        let file = tree.addFile([1], attributes)
        var links = 0
        var current = file
        let children = names.map { name in
            links += 1
            if links % 60_000 == 0 { current = tree.addFile([1], attributes) }
            return (name: name, node: current)
        }
        let directory = try tree.addDirectory(children, FileAttributes(permissions: 0o755))
        tree.root = try tree.addDirectory([([0x64], directory)], FileAttributes(permissions: 0o755))
        return tree
    }

    /// A name of `length` bytes that ends with a number.
    static func name(_ number: Int, length: Int) -> Name {
        let digits = Array(String(number).utf8)
        return Name(repeating: 0x78, count: length - digits.count) + digits
    }

    /// Names of one length whose hashes are in a range.
    static func names(_ count: Int, length: Int, hashes: ClosedRange<UInt32>, from start: Int = 0) throws -> [Name] {
        let hash = DirectoryHash(seed: Ext4Judge.uuid.bytes)
        var found: [Name] = []
        var number = 1_000_000 + start
        while found.count < count {
            let candidate = name(number, length: length)
            if try hashes.contains(hash(candidate[...])) { found.append(candidate) }
            number += 1
        }
        return found
    }

    /// Lays out, lets e2fsprogs and the kernel judge, and returns the output of debugfs about the index.
    @discardableResult
    static func judge(_ names: [Name], leaves: Int) throws -> (levels: Int, dump: String, layout: Ext4Formatter.Layout)
    {
        let scratch = try ScratchDirectory()
        let (image, layout) = try scratch.judgedByKernel(tree(names))
        // Root, nodes and leaves, beside the root directory's block and four of lost+found.
        let nodes = leaves <= rootLimit ? 0 : (leaves + nodeLimit - 1) / nodeLimit
        #expect(layout.summary.directoryBlocks == UInt64(5 + 1 + nodes + leaves))
        guard Judge.hasExt4Tools else { return (0, "", layout) }
        let dump = try Ext4Judge.debugfs("htree_dump /d", image)
        let levels = nodes > 0 ? 1 : 0
        #expect(dump.contains("Indirect levels: \(levels)\n"))
        #expect(dump.contains("Number of entries (count): \(nodes > 0 ? nodes : leaves)\n"))
        #expect(dump.contains("Number of entries (limit): \(rootLimit)\n") && dump.contains("Hash Version: 1\n"))
        #expect(dump.components(of: "Reading directory block") == leaves)
        #expect(try Ext4Judge.debugfs("stat /d", image).contains("Flags: 0x81000"))
        return (levels, dump, layout)
    }

    @Test func manyShortNames() throws {
        let scratch = try ScratchDirectory()
        let names = (0..<60_000).map { Name("file \($0)".utf8) }
        let (image, layout) = try scratch.judgedByKernel(Self.tree(names))
        #expect((200...Self.rootLimit).contains(Int(layout.summary.directoryBlocks)))
        if Judge.hasExt4Tools {
            let dump = try Ext4Judge.debugfs("htree_dump /d", image)
            #expect(dump.contains("Indirect levels: 0\n") && dump.components(of: "Reading directory block") > 200)
        }
    }

    @Test(arguments: [(507, 0), (507, 1), (510, 0), (1020, 0), (1020, 1)])
    func fullRootsAndNodes(leaves: Int, more: Int) throws {
        let names = (0..<leaves * Self.perLeaf + more).map { Self.name($0, length: 255) }
        let levels = try Self.judge(names, leaves: leaves + more).levels
        #expect(levels == (leaves + more > Self.rootLimit ? 1 : 0) || !Judge.hasExt4Tools)
    }

    /// 15 entries of 264 bytes and one of 124 fill the 4,084 bytes of a leaf.
    @Test(arguments: 0...1)
    func fullLeaves(more: Int) throws {
        var names: [Name] = []
        for hashes in [0...0x7FFF_FFFE, 0x8000_0000...0xFFFF_FFFC] as [ClosedRange<UInt32>] {
            names += try Self.names(15, length: 255, hashes: hashes) + Self.names(1, length: 116, hashes: hashes)
        }
        if more == 1 { names += try Self.names(1, length: 1 + 7, hashes: 0x8000_0000...0xFFFF_FFFC) }
        try Self.judge(names, leaves: 2 + more)
    }

    /// The largest directory without an index, and the smallest one with an index: 24 bytes of dots, 15 entries of 264
    /// and one more.
    @Test(arguments: 88...96)
    func aFullBlock(length: Int) throws {
        let names = (0..<15).map { Self.name($0, length: 255) } + [Self.name(0, length: length)]
        let scratch = try ScratchDirectory()
        let (_, layout) = try scratch.judgedByKernel(Self.tree(names))
        #expect(layout.summary.directoryBlocks == 5 + (length <= 92 ? 1 : 2))
    }

    @Test func namesOfAnyBytes() throws {
        var random = SplitMix(state: 5)
        var names: Set<Name> = []
        while names.count < 4000 {
            let count = Int.random(in: 1...255, using: &random)
            let low: UInt8 = names.count % 2 == 0 ? 0x80 : 1
            let name = (0..<count).map { _ in UInt8.random(in: low...0xFF, using: &random) }
            if !name.contains(0x2F), name != [0x2E], name != [0x2E, 0x2E] { names.insert(name) }
        }
        let scratch = try ScratchDirectory()
        _ = try scratch.judgedByKernel(Self.tree(Array(names)))
    }

    /// Two names of 255 bytes with the same hash, found by a search.
    static let collision: (hash: UInt32, first: Name, second: Name)? = {
        let hash = DirectoryHash(seed: Ext4Judge.uuid.bytes)
        var seen: [UInt32: Int] = [:]
        for number in 0..<1_000_000 {
            guard let found = try? hash(name(number, length: 255)[...]) else { return nil }
            if let earlier = seen[found], (0x4000_0000...0xC000_0000).contains(found) {
                return (found, name(earlier, length: 255), name(number, length: 255))
            }
            seen[found] = number
        }
        return nil
    }()

    /// The first of two names with the same hash ends a leaf (the first leaf, or the last one of the first node), and
    /// the second begins the next leaf. The index must state that the hash continues.
    @Test(arguments: [1, 3, 510, 511])
    func collisionsAcrossLeaves(leaf: Int) throws {
        let (hash, first, second) = try #require(Self.collision)
        let below = try Self.names(leaf * Self.perLeaf - 1, length: 255, hashes: 0...hash - 2)
        let above = try Self.names(Self.perLeaf * 2 - 1, length: 255, hashes: hash + 2...0xFFFF_FFFC)
        let (_, dump, _) = try Self.judge(below + [first, second] + above, leaves: leaf + 2)
        guard Judge.hasExt4Tools else { return }
        // debugfs writes the hash in the index with its lowest bit. No other index entry has that bit.
        #expect(dump.contains("Hash 0x\(String(hash | 1, radix: 16))"), "\(dump.prefix(3000))")
        let continued = dump.split(separator: "\n").filter {
            $0.hasPrefix("Entry #") && ($0.split(separator: ",").first?.last.flatMap { $0.hexDigitValue } ?? 0) % 2 == 1
        }
        #expect(continued.count == 1, "\(continued)")
    }
}

extension String {
    /// The number of times that a text occurs in this one.
    func components(of text: String) -> Int { ranges(of: text).count }
}
