extension Ext4Volume {
    typealias OnDamage = (ImageError) throws(ImageError) -> Void

    /// The names in a directory, in the order of their bytes, without `.` and `..`. Their inodes are not read.
    public func entries(of node: Node) throws(ImageError) -> [Entry] {
        var budget = superblock.blocks
        return try entries(of: node, blockBudget: &budget).map { Entry(name: $0.name, inode: $0.inode) }
    }

    /// The same, as they are on the disk; the first damage is thrown.
    func entries(of node: Node, blockBudget: inout UInt64) throws(ImageError) -> [Ext4DirectoryEntry] {
        try entries(of: node, blockBudget: &blockBudget, observer: Ext4NoObserver()) { (error) throws(ImageError) in
            throw error
        }
    }

    /// The same.
    /// - Parameters:
    ///   - blockBudget: the blocks that may be read; those that are read are subtracted. A block belongs to one
    ///     directory, so all directories together have no more blocks than the filesystem.
    ///   - observer: sees the map, the blocks and all entries.
    ///   - onDamage: receives each error. If it returns, reading continues with the readable entries.
    func entries(
        of node: Node, blockBudget: inout UInt64, observer: some Ext4TreeObserver, onDamage: OnDamage
    ) throws(ImageError) -> [Ext4DirectoryEntry] {
        guard node.kind == .directory else {
            throw ImageError(.invalidInput, "cannot list inode \(node.inode)", reason: "it is no folder")
        }
        var found: [Ext4DirectoryEntry] = []
        try forEachEntry(of: node, blockBudget: &blockBudget, observer: observer, onDamage: onDamage) { entry in
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

    /// The inode of a name in a directory. Reading stops at the name.
    func child(_ name: [UInt8], of node: Node) throws(ImageError) -> UInt32? {
        var budget = superblock.blocks
        var found: UInt32?
        try forEachEntry(
            of: node, blockBudget: &budget, observer: Ext4NoObserver(),
            onDamage: { (error) throws(ImageError) in throw error }
        ) {
            if $0.name == name, $0.inode != 0 { found = $0.inode }
            return found == nil
        }
        return found
    }

    /// Visits every entry until `visit` returns `false`. The blocks of an index look like unused entries, so the blocks
    /// in their order hold every name.
    private func forEachEntry(
        of node: Node, blockBudget: inout UInt64, observer: some Ext4TreeObserver, onDamage: OnDamage,
        _ visit: (Ext4DirectoryEntry) -> Bool
    ) throws(ImageError) {
        let record = node.record
        if record.isInline {
            let (first, rest) = try record.inlineParts()
            observer.didReadInlineParent(first.load(at: 0) ?? 0)
            // The parent's inode is before the entries, instead of `.` and `..`.
            for part in [Array(first.dropFirst(4)), rest] where !part.isEmpty {
                guard try read(part, of: node, block: 0, at: record.offset, observer, onDamage, visit) else { return }
            }
            return
        }
        let blockSize = superblock.blockSize
        let extents = try extents(of: node, blockBudget: &blockBudget, observer: observer, onDamage: onDamage)
        let seed = checksums.seed(inode: node.inode, generation: record.generation)
        for extent in extents {
            for index in 0..<extent.count {
                let offset = (extent.disk + index) * blockSize, block = extent.first + index
                let bytes = try source.read(Int(blockSize), at: offset)
                if let wrong = checksums.directoryBlock(bytes, seed: seed) {
                    let isIndex =
                        record.flags & Ext4Inode.Flag.indexed != 0 && Ext4IndexBlock.entriesOffset(in: bytes) != nil
                    try onDamage(
                        .damagedInode(
                            node.inode, at: offset, "block \(block) of the folder \(wrong.words)",
                            isIndex ? .ext4IndexChecksum : .ext4DirectoryChecksum))
                }
                observer.didReadBlock(bytes, number: block, at: offset)
                guard try read(bytes, of: node, block: block, at: offset, observer, onDamage, visit) else { return }
            }
        }
    }

    /// The extents of a directory, which must have no holes.
    private func extents(
        of node: Node, blockBudget: inout UInt64, observer: some Ext4TreeObserver, onDamage: OnDamage
    ) throws(ImageError) -> [Ext4Extent] {
        let size = node.record.size
        let blocks = size.dividedRoundingUp(by: superblock.blockSize)
        func damage(_ reason: String) -> ImageError {
            .damagedInode(node.inode, at: node.record.offset, reason, .ext4DirectorySize)
        }
        guard blocks > 0, blocks <= blockBudget else { throw damage("a folder of \(size) bytes") }
        if size % superblock.blockSize != 0 { try onDamage(damage("a folder of \(size) bytes")) }
        blockBudget -= blocks
        var budget = blocks.multipliedClamping(by: 4).addingClamping(8)
        let map = try read(mapOf: node, budget: &budget, observer: observer)
        for fault in map.faults { try onDamage(fault) }
        if let failure = map.failure { try onDamage(failure) }
        let found = map.extents.reduce(0) { $0 + $1.count }
        if found != blocks, map.failure == nil {
            try onDamage(damage("a folder with a hole in it: \(found) of \(blocks) blocks"))
        }
        return map.extents
    }

    /// The map of an inode, as far as the observer asks for it.
    func read<Observer: Ext4TreeObserver>(
        mapOf node: Node, budget: inout UInt64, observer: Observer
    ) throws(ImageError) -> Ext4BlockMap {
        let map = try Ext4BlockMapReader.read(
            node.record, in: self, budget: &budget, isComplete: Observer.readsWholeMaps)
        observer.didRead(map, of: node)
        return map
    }

    /// Reads the entries of a block.
    /// - Returns: `false` if `visit` did.
    private func read(
        _ bytes: [UInt8], of node: Node, block: UInt64, at offset: UInt64, _ observer: some Ext4TreeObserver,
        _ onDamage: OnDamage, _ visit: (Ext4DirectoryEntry) -> Bool
    ) throws(ImageError) -> Bool {
        typealias Field = Ext4DirectoryEntry.Field
        var position = 0
        while position < bytes.count {
            func damage(_ reason: String, _ kind: Finding.Kind = .ext4DirectoryBlock) -> ImageError {
                .damagedInode(node.inode, at: offset + UInt64(position), reason, kind)
            }
            guard let inode: UInt32 = bytes.load(at: position + Field.inode),
                let stored: UInt16 = bytes.load(at: position + Field.entryLength),
                let nameLength: UInt8 = bytes.load(at: position + Field.nameLength),
                let kind: UInt8 = bytes.load(at: position + Field.kind)
            else {
                try onDamage(damage("an entry of the folder is cut off"))
                return true
            }
            // The length of a block of 64 KiB does not fit its field.
            let length = bytes.count == 65_536 && (stored == 65_535 || stored == 0) ? 65_536 : Int(stored)
            guard length >= Ext4DirectoryEntry.minimumLength, length % 4 == 0, length <= bytes.count - position,
                Field.name + Int(nameLength) <= length
            else {
                try onDamage(damage("an entry of the folder has \(length) bytes and a name of \(nameLength)"))
                return true
            }
            let start = position + Field.name
            let name = Array(bytes[start..<start + Int(nameLength)])
            let entry = Ext4DirectoryEntry(
                inode: inode, name: name, kind: kind, offset: offset + UInt64(position), block: block)
            if inode != 0, name.isEmpty || name.contains(0) || name.contains(UInt8(ascii: "/")) {
                try onDamage(
                    damage("a name in the folder is empty or has a slash or a zero byte in it", .ext4EntryName))
            } else {
                observer.didReadEntry(entry, at: position)
                guard visit(entry) else { return false }
            }
            position += length
        }
        return true
    }
}
