/// What is checked of one inode.
extension Ext4Census {
    private var superblock: Ext4Superblock { volume.superblock }

    /// An inode's fields and attributes, and its map where it has none.
    func check(_ node: Ext4Volume.Node) throws(ImageError) {
        let record = node.record
        if record.deleted != 0 {
            report(
                .ext4DeletionTime, "inode \(node.inode) is in use, and says that it was deleted at \(record.deleted)",
                inode: node.inode, offset: record.offset)
        }
        for (flag, feature, name) in [
            (Ext4Inode.Flag.extents, Ext4Feature.extents, "extents"),
            (Ext4Inode.Flag.inline, .inlineData, "content of its own"),
            (Ext4Inode.Flag.indexed, .directoryIndex, "an index"),
        ] where record.flags & flag != 0 && !superblock.has(feature) {
            report(
                .ext4InodeFlags, "inode \(node.inode) has \(name), which the filesystem's features do not allow",
                inode: node.inode, offset: record.offset)
        }
        if record.flags & Ext4Inode.Flag.indexed != 0, node.kind != .directory {
            report(
                .ext4InodeFlags, "inode \(node.inode) has an index, and is no folder", inode: node.inode,
                offset: record.offset)
        }
        try checkAttributes(of: node)
        let isMapped =
            record.flags & Ext4Inode.Flag.inline == 0
            && (node.kind == .file || node.kind == .directory
                || node.kind == .symlink && !volume.hasTargetInside(record))
        if !isMapped {
            checkSectors(of: node, blocks: 0)
            if node.kind == .symlink, record.flags & Ext4Inode.Flag.inline == 0 {
                checkEnd(of: node, record.area.dropFirst(Int(clamping: record.size)).first)
            }
        }
    }

    /// A map, against the inode's size and count of blocks.
    func check(_ map: Ext4BlockMap, of node: Ext4Volume.Node) {
        guard map.failure == nil else { return }
        let record = node.record
        checkSectors(of: node, blocks: map.claims.reduce(0) { $0.addingClamping($1.count) })
        switch node.kind {
        case .file:
            if let last = map.lastWritten, record.flags & Ext4Inode.Flag.verity == 0,
                last.multipliedClamping(by: superblock.blockSize) > record.size
            {
                report(
                    .ext4InodeSize,
                    "inode \(node.inode) has the size \(record.size), and bytes in its block \(last)",
                    inode: node.inode, offset: record.offset)
            }
        case .directory:
            let blocks = record.size / superblock.blockSize
            if let last = map.last, last >= blocks {
                report(
                    .ext4DirectorySize,
                    "inode \(node.inode), a folder, has \(blocks) blocks by its size, and its last one is block \(last)",
                    inode: node.inode, offset: record.offset)
            }
        case .symlink:
            if let run = map.runs.first, record.size < superblock.blockSize {
                let end = run.disk * superblock.blockSize + record.size
                checkEnd(of: node, (try? volume.source.read(1, at: end))?.first)
            }
        default: break
        }
    }

    /// A link's target ends with a zero byte, unless it fills its place.
    private func checkEnd(of node: Ext4Volume.Node, _ byte: UInt8?) {
        guard let byte, byte != 0 else { return }
        report(
            .ext4LinkTarget, "inode \(node.inode), a link of \(node.size) bytes, has a target that goes on after them",
            inode: node.inode, offset: node.record.offset)
    }

    private func checkSectors(of node: Ext4Volume.Node, blocks: UInt64) {
        // Clusters, and values of attributes in inodes of their own, are counted in other ways.
        guard superblock.clusterBlocks == 1, !superblock.has(.attributeInodes) else { return }
        let all = blocks.addingClamping(node.record.attributeBlock != 0 ? 1 : 0)
        let expected = all.multipliedClamping(by: superblock.blockSize / 512)
        guard node.record.sectors != expected else { return }
        report(
            .ext4InodeBlocks,
            "inode \(node.inode) says that it takes \(node.record.sectors) sectors, and takes \(expected)",
            inode: node.inode, offset: node.record.offset)
    }

    // MARK: Extended attributes

    private func checkAttributes(of node: Ext4Volume.Node) throws(ImageError) {
        let record = node.record
        if record.attributes.load(UInt32.self, at: 0) == 0xEA02_0000,
            let fault = Self.attributeFault(Array(record.attributes.dropFirst(4)), from: 0)
        {
            report(
                .ext4Attributes, "inode \(node.inode) has an attribute in it that \(fault)", inode: node.inode,
                offset: record.offset)
        }
        let block = record.attributeBlock
        guard block != 0 else { return }
        guard block >= superblock.firstBlock, block < superblock.blocks else {
            report(
                .ext4BlockOutside,
                "inode \(node.inode) has attributes at block \(block), outside of the filesystem", inode: node.inode,
                offset: record.offset)
            return
        }
        guard claimAttributes(block, of: node.inode) else { return }
        let offset = block * superblock.blockSize
        let bytes = try volume.source.read(Int(superblock.blockSize), at: offset)
        let magic: UInt32 = bytes.load(at: 0) ?? 0, blocks: UInt32 = bytes.load(at: 8) ?? 0
        says(block, bytes.load(at: 4) ?? 0)
        guard magic == 0xEA02_0000, blocks == 1 else {
            report(
                .ext4Attributes,
                "inode \(node.inode) has attributes whose block begins with \(Ext4Checksums.Mismatch.hex(magic)) "
                    + "and says that it is \(blocks) blocks, which should be ea020000 and 1",
                inode: node.inode, offset: offset)
            return
        }
        if let wrong = volume.checksums.attributeBlock(bytes, at: block) {
            report(
                .ext4AttributesChecksum, "the attributes of inode \(node.inode): their block \(wrong.words)",
                inode: node.inode, offset: offset)
        }
        if let fault = Self.attributeFault(bytes, from: 32) {
            report(
                .ext4Attributes, "inode \(node.inode) has an attribute in a block that \(fault)", inode: node.inode,
                offset: offset)
        }
    }

    /// What is wrong with attributes, as the end of a sentence. Values are counted from the bytes' beginning.
    ///
    /// ```
    ///   name length u8 | index u8 | value at u16 | value's inode u32 | value's size u32 | hash u32 | name, padded to 4
    /// ```
    private static func attributeFault(_ bytes: [UInt8], from start: Int) -> String? {
        var place = start
        var values = bytes.count
        // Each step goes forward.
        while let first: UInt32 = bytes.load(at: place), first != 0 {
            guard let length: UInt8 = bytes.load(at: place), let value: UInt16 = bytes.load(at: place + 2),
                let inode: UInt32 = bytes.load(at: place + 4), let size: UInt32 = bytes.load(at: place + 8)
            else { return "is cut off" }
            let next = place + 16 + Int(length).roundedUp(to: 4)
            guard next + 4 <= bytes.count else { return "ends outside of it" }
            if inode == 0, size > 0 {
                guard Int(value) + Int(size) <= bytes.count else { return "has a value outside of it" }
                values = min(values, Int(value))
            }
            let hash: UInt32 = bytes.load(at: place + 12) ?? 0
            if inode == 0, start > 0 || hash != 0 {
                let name = bytes[place + 16..<place + 16 + Int(length)]
                let end = min(bytes.count, Int(value) + Int(size).roundedUp(to: 4))
                let text = size > 0 ? bytes[min(Int(value), end)..<end] : []
                guard [true, false].contains(where: { attributeHash(name, text, isSigned: $0) == hash }) else {
                    return "has the hash \(Ext4Checksums.Mismatch.hex(hash)), which is not that of its name and value"
                }
            }
            place = next
        }
        return place <= values ? nil : "lies over another one's value"
    }

    /// - Parameter isSigned: whether the name's bytes were taken for signed ones, as on some machines they are.
    private static func attributeHash(
        _ name: ArraySlice<UInt8>, _ value: ArraySlice<UInt8>, isSigned: Bool
    ) -> UInt32 {
        var hash: UInt32 = 0
        for byte in name {
            let letter = isSigned ? UInt32(bitPattern: Int32(Int8(bitPattern: byte))) : UInt32(byte)
            hash = hash << 5 ^ hash >> 27 ^ letter
        }
        for place in stride(from: 0, to: value.count, by: 4) {
            hash = hash << 16 ^ hash >> 16 ^ (value.load(UInt32.self, at: place) ?? 0)
        }
        return hash
    }

    /// The number of inodes that share a block of attributes, once all have been met.
    func checkAttributeCounts() {
        guard !isPartial else { return }
        for (block, found) in attributeBlocks.sorted(by: { $0.key < $1.key }) where found.seen != found.count {
            report(
                .ext4AttributesCount,
                "the block of attributes \(block) says that \(found.seen) inodes have it, and \(found.count) have",
                inode: found.inode, offset: block * superblock.blockSize)
        }
    }

    // MARK: Links

    /// Names that were found against those that inodes say they have.
    func checkLinks() {
        for (inode, seen) in reached.sorted(by: { $0.key < $1.key })
        where seen.links > 0 && !seen.isOwn && seen.links != seen.names {
            // A directory with too many directories in it to count has 1.
            if seen.kind == 2, seen.links == 1, seen.names >= 65_000 { continue }
            // Directories that were lost would have led back to it.
            if seen.kind == 2, isPartial { continue }
            if isPartial, seen.names < seen.links { continue }
            report(
                .ext4LinkCount, "inode \(inode) says that it has \(seen.links) links, and has \(seen.names)",
                inode: inode, offset: try? volume.offset(of: inode))
        }
    }
}
