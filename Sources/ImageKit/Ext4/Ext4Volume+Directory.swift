extension Ext4Volume {
    /// The names in a folder, in the order of their bytes, without `.` and `..`. No inode of them is read.
    public func entries(of node: Node) throws(ImageError) -> [Entry] {
        var budget = superblock.blocks
        return try entries(of: node, blockBudget: &budget)
    }

    /// - Parameter blockBudget: as many blocks as may be read: a block belongs to one folder, so all folders together have
    ///   no more than the filesystem.
    func entries(of node: Node, blockBudget: inout UInt64) throws(ImageError) -> [Entry] {
        guard node.kind == .directory else {
            throw ImageError(.invalidInput, "cannot list inode \(node.inode)", reason: "it is no folder")
        }
        var found: [Entry] = []
        try forEachEntry(of: node, blockBudget: &blockBudget) { entry in
            found.append(entry)
            return true
        }
        found.sort { $0.name.lexicographicallyPrecedes($1.name) }
        for (entry, next) in zip(found, found.dropFirst()) where entry.name == next.name {
            throw .damagedInode(node.inode, at: node.record.offset, "a folder with one name twice")
        }
        return found
    }

    /// The inode of a name in a folder; reading ends where it is found.
    func child(_ name: [UInt8], of node: Node) throws(ImageError) -> UInt32? {
        var budget = superblock.blocks
        var found: UInt32?
        try forEachEntry(of: node, blockBudget: &budget) { entry in
            if entry.name == name { found = entry.inode }
            return found == nil
        }
        return found
    }

    /// Visits every entry until `visit` says no. The index of a large folder looks like empty entries, so reading block
    /// after block finds everything.
    private func forEachEntry(
        of node: Node, blockBudget: inout UInt64, _ visit: (Entry) -> Bool
    ) throws(ImageError) {
        let record = node.record
        if record.flags & Ext4Inode.Flag.inline != 0 {
            let (first, rest) = try record.inlineParts()
            // The parent's inode stands before the entries, in place of `.` and `..`.
            let isGoingOn = try read(Array(first.dropFirst(4)), of: node, at: record.offset, visit)
            if isGoingOn, !rest.isEmpty { _ = try read(rest, of: node, at: record.offset, visit) }
            return
        }
        let blockSize = superblock.blockSize
        let blocks = record.size / blockSize
        guard record.size % blockSize == 0, blocks > 0, blocks <= blockBudget else {
            throw .damagedInode(node.inode, at: record.offset, "a folder of \(record.size) bytes")
        }
        blockBudget -= blocks
        var limit = blocks.multipliedClamping(by: 2).addingClamping(8)
        let runs = try Ext4BlockRuns.find(record, self, limit: &limit)
        guard runs.reduce(0, { $0 + $1.count }) == blocks else {
            throw .damagedInode(node.inode, at: record.offset, "a folder with a hole in it")
        }
        for run in runs {
            for block in run.disk..<run.disk + run.count {
                let offset = block * blockSize
                var bytes = try source.read(Int(blockSize), at: offset)
                guard handle.isSound(directoryBlock: &bytes, of: node.inode) else {
                    throw .damagedInode(node.inode, at: offset, "the checksum of a block of the folder is wrong")
                }
                guard try read(bytes, of: node, at: offset, visit) else { return }
            }
        }
    }

    /// - Returns: whether to go on.
    private func read(
        _ bytes: [UInt8], of node: Node, at offset: UInt64, _ visit: (Entry) -> Bool
    ) throws(ImageError) -> Bool {
        var place = 0
        while place < bytes.count {
            func damage(_ reason: String) -> ImageError {
                .damagedInode(node.inode, at: offset + UInt64(place), reason)
            }
            guard let inode: UInt32 = bytes.load(at: place), let stored: UInt16 = bytes.load(at: place + 4),
                let nameLength: UInt8 = bytes.load(at: place + 6)
            else { throw damage("an entry of the folder is cut off") }
            // Blocks of 64 KiB are too long for the field.
            let length = bytes.count == 65_536 && (stored == 65_535 || stored == 0) ? 65_536 : Int(stored)
            guard length >= 8, length % 4 == 0, length <= bytes.count - place, Int(nameLength) + 8 <= length else {
                throw damage("an entry of the folder has \(length) bytes and a name of \(nameLength)")
            }
            let name = Array(bytes[place + 8..<place + 8 + Int(nameLength)])
            if inode != 0, name != [0x2E], name != [0x2E, 0x2E] {
                guard !name.isEmpty, !name.contains(0), !name.contains(0x2F) else {
                    throw damage("a name in the folder is empty or has a slash or a zero byte in it")
                }
                guard visit(Entry(name: name, inode: inode)) else { return false }
            }
            place += length
        }
        return true
    }

    // MARK: Paths

    /// As many links as one path may lead over, as in the kernel.
    private static let linkLimit = 40

    /// What is at a path of names from the root. Links on the way are followed, and the last one if asked for; they cannot
    /// lead out of the filesystem.
    /// - Returns: `nil` where there is nothing of that name.
    public func node(at path: String, followingLinks: Bool = false) throws(ImageError) -> Node? {
        var pending = Array(path.utf8.split(separator: UInt8(ascii: "/")).map(Array.init).reversed())
        var way = [try root()]
        var links = 0
        while let name = pending.popLast() {
            guard let folder = way.last, folder.kind == .directory else { return nil }
            if name == [0x2E] { continue }
            if name == [0x2E, 0x2E] {
                if way.count > 1 { way.removeLast() }
                continue
            }
            guard let inode = try child(name, of: folder) else { return nil }
            let node = try node(inode)
            guard node.kind == .symlink, followingLinks || !pending.isEmpty else {
                way.append(node)
                continue
            }
            links += 1
            guard links <= Self.linkLimit else {
                throw ImageError(
                    .invalidInput, "cannot follow", path: path, reason: "more than \(Self.linkLimit) symbolic links")
            }
            let target = try target(of: node)
            if target.first == 0x2F { way.removeSubrange(1...) }
            pending += target.split(separator: 0x2F).map(Array.init).reversed()
        }
        return way.last
    }
}
