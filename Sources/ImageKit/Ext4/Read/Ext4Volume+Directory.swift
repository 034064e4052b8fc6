/// An entry of a directory as it is on the disk: also those that are not in use, `.` and `..`.
struct Ext4DirectoryEntry {
    var inode: UInt32
    var name: [UInt8]
    /// What kind of file it leads to, as the directory says it.
    var kind: UInt8
    /// Where it is on the disk, and which block of the directory that is in.
    var offset: UInt64, block: UInt64

    static let dot: [UInt8] = [0x2E], dots: [UInt8] = [0x2E, 0x2E]
}

extension Ext4Volume {
    /// The names in a directory, in the order of their bytes, without `.` and `..`. No inode of them is read.
    public func entries(of node: Node) throws(ImageError) -> [Entry] {
        var budget = superblock.blocks
        return try entries(of: node, blockBudget: &budget).map { Entry(name: $0.name, inode: $0.inode) }
    }

    /// - Parameters:
    ///   - blockBudget: as many blocks as may be read: a block belongs to one directory, so all directories together have no more
    ///     than the filesystem.
    ///   - census: what looks at all that is met.
    ///   - onDamage: hears of damage; unless it throws, the directory is read as far as it can be.
    func entries(
        of node: Node, blockBudget: inout UInt64, census: Ext4Census? = nil,
        onDamage: (ImageError) throws(ImageError) -> Void = { (error) throws(ImageError) in throw error }
    ) throws(ImageError) -> [Ext4DirectoryEntry] {
        guard node.kind == .directory else {
            throw ImageError(.invalidInput, "cannot list inode \(node.inode)", reason: "it is no folder")
        }
        var found: [Ext4DirectoryEntry] = []
        try forEachEntry(of: node, blockBudget: &blockBudget, census: census, onDamage: onDamage) { entry in
            if entry.inode != 0, entry.name != Ext4DirectoryEntry.dot, entry.name != Ext4DirectoryEntry.dots {
                found.append(entry)
            }
            return true
        }
        found.sort { $0.name.lexicographicallyPrecedes($1.name) }
        var unique: [Ext4DirectoryEntry] = []
        unique.reserveCapacity(found.count)
        for entry in found {
            if entry.name == unique.last?.name {
                let name = ImageError.printable(String(decoding: entry.name, as: UTF8.self))
                try onDamage(
                    .damagedInode(
                        node.inode, at: entry.offset, "a folder with one name twice: '\(name)'", .ext4EntryTwice))
            } else {
                unique.append(entry)
            }
        }
        return unique
    }

    /// The inode of a name in a directory; reading ends where it is found.
    func child(_ name: [UInt8], of node: Node) throws(ImageError) -> UInt32? {
        var budget = superblock.blocks
        var found: UInt32?
        try forEachEntry(of: node, blockBudget: &budget, onDamage: { (error) throws(ImageError) in throw error }) {
            if $0.name == name, $0.inode != 0 { found = $0.inode }
            return found == nil
        }
        return found
    }

    /// Visits every entry until `visit` says no. The index of a large directory looks like empty entries, so reading block
    /// after block finds everything.
    private func forEachEntry(
        of node: Node, blockBudget: inout UInt64, census: Ext4Census? = nil,
        onDamage: (ImageError) throws(ImageError) -> Void, _ visit: (Ext4DirectoryEntry) -> Bool
    ) throws(ImageError) {
        let record = node.record
        if record.flags & Ext4Inode.Flag.inline != 0 {
            let (first, rest) = try record.inlineParts()
            census?.directory?.isInline(parent: first.load(at: 0) ?? 0)
            // The parent's inode stands before the entries, in place of `.` and `..`.
            for part in [Array(first.dropFirst(4)), rest] where !part.isEmpty {
                guard try read(part, of: node, block: 0, at: record.offset, census, onDamage, visit) else { return }
            }
            return
        }
        let blockSize = superblock.blockSize
        let blocks = record.size.dividedRoundingUp(by: blockSize)
        func damage(_ reason: String, _ kind: Finding.Kind, at offset: UInt64? = nil) -> ImageError {
            .damagedInode(node.inode, at: offset ?? record.offset, reason, kind)
        }
        guard blocks > 0, blocks <= blockBudget else {
            throw damage("a folder of \(record.size) bytes", .ext4DirectorySize)
        }
        if record.size % blockSize != 0 { try onDamage(damage("a folder of \(record.size) bytes", .ext4DirectorySize)) }
        blockBudget -= blocks
        var limit = blocks.multipliedClamping(by: 4).addingClamping(8)
        let map = try Ext4BlockRuns.survey(record, self, limit: &limit, isComplete: census != nil)
        census?.claim(map, of: node)
        for fault in map.faults { try onDamage(fault) }
        if let failure = map.failure { try onDamage(failure) }
        let found = map.runs.reduce(0) { $0 + $1.count }
        if found != blocks, map.failure == nil {
            try onDamage(damage("a folder with a hole in it: \(found) of \(blocks) blocks", .ext4DirectorySize))
        }
        let seed = checksums.seed(inode: node.inode, generation: record.generation)
        for run in map.runs {
            for index in 0..<run.count {
                let offset = (run.disk + index) * blockSize
                let bytes = try source.read(Int(blockSize), at: offset)
                if let wrong = checksums.directoryBlock(bytes, seed: seed) {
                    let isIndex = record.flags & Ext4Inode.Flag.indexed != 0 && Ext4Checksums.indexStart(bytes) != nil
                    try onDamage(
                        damage(
                            "block \(run.first + index) of the folder \(wrong.words)",
                            isIndex ? .ext4IndexChecksum : .ext4DirectoryChecksum, at: offset))
                }
                census?.directory?.block(bytes, run.first + index, at: offset)
                let block = run.first + index
                guard try read(bytes, of: node, block: block, at: offset, census, onDamage, visit) else { return }
            }
        }
    }

    /// - Returns: whether to go on.
    private func read(
        _ bytes: [UInt8], of node: Node, block: UInt64, at offset: UInt64, _ census: Ext4Census?,
        _ onDamage: (ImageError) throws(ImageError) -> Void, _ visit: (Ext4DirectoryEntry) -> Bool
    ) throws(ImageError) -> Bool {
        var place = 0
        while place < bytes.count {
            func damage(_ reason: String, _ kind: Finding.Kind = .ext4DirectoryBlock) -> ImageError {
                .damagedInode(node.inode, at: offset + UInt64(place), reason, kind)
            }
            guard let inode: UInt32 = bytes.load(at: place), let stored: UInt16 = bytes.load(at: place + 4),
                let nameLength: UInt8 = bytes.load(at: place + 6), let kind: UInt8 = bytes.load(at: place + 7)
            else {
                try onDamage(damage("an entry of the folder is cut off"))
                return true
            }
            // Blocks of 64 KiB are too long for the field.
            let length = bytes.count == 65_536 && (stored == 65_535 || stored == 0) ? 65_536 : Int(stored)
            guard length >= 12, length % 4 == 0, length <= bytes.count - place, Int(nameLength) + 8 <= length else {
                try onDamage(damage("an entry of the folder has \(length) bytes and a name of \(nameLength)"))
                return true
            }
            let name = Array(bytes[place + 8..<place + 8 + Int(nameLength)])
            let entry = Ext4DirectoryEntry(
                inode: inode, name: name, kind: kind, offset: offset + UInt64(place), block: block)
            if inode != 0, name.isEmpty || name.contains(0) || name.contains(0x2F) {
                try onDamage(
                    damage("a name in the folder is empty or has a slash or a zero byte in it", .ext4EntryName))
            } else {
                census?.directory?.entry(entry, place: place)
                guard visit(entry) else { return false }
            }
            place += length
        }
        return true
    }
}
