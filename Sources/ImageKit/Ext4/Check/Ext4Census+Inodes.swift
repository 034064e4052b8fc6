/// The checks of one inode.
extension Ext4Census {
    private var superblock: Ext4Superblock { volume.superblock }

    /// Checks an inode's fields and attributes, and its sectors if it has no map.
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
        if !volume.hasMap(node) {
            checkSectors(of: node, blocks: 0)
            if node.kind == .symlink, !record.isInline {
                checkEnd(of: node, record.area.dropFirst(Int(clamping: record.size)).first)
            }
        }
    }

    /// Compares a map with the inode's size and number of sectors.
    func check(_ map: Ext4BlockMap, of node: Ext4Volume.Node) {
        guard map.failure == nil else { return }
        let record = node.record
        checkSectors(of: node, blocks: map.claims.reduce(0) { $0.addingClamping($1.count) })
        switch node.kind {
        case .file:
            // The kernel stores hashes (feature `verity`) after the end of a file.
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
                    "inode \(node.inode), a folder, has \(blocks) blocks by its size, "
                        + "and its last one is block \(last)",
                    inode: node.inode, offset: record.offset)
            }
        case .symlink:
            if let extent = map.extents.first, record.size < superblock.blockSize {
                let end = extent.disk * superblock.blockSize + record.size
                checkEnd(of: node, (try? volume.source.read(1, at: end))?.first)
            }
        case .characterDevice, .blockDevice, .fifo, .socket: break
        }
    }

    /// A link's target ends with a zero byte, unless it fills the block area or its block.
    private func checkEnd(of node: Ext4Volume.Node, _ byte: UInt8?) {
        guard let byte, byte != 0 else { return }
        report(
            .ext4LinkTarget, "inode \(node.inode), a link of \(node.size) bytes, has a target that goes on after them",
            inode: node.inode, offset: node.record.offset)
    }

    private func checkSectors(of node: Ext4Volume.Node, blocks: UInt64) {
        // Clusters, and attribute values in inodes of their own, are counted differently.
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
        typealias Header = Ext4Attributes.Header
        let record = node.record
        if record.attributes.load(UInt32.self, at: Header.magic) == Ext4Attributes.magic,
            let fault = Self.attributeFault(Array(record.attributes.dropFirst(Header.lengthInInode)), from: 0)
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
        try checkAttributeBlock(block, of: node.inode)
    }

    private func checkAttributeBlock(_ block: UInt64, of inode: UInt32) throws(ImageError) {
        typealias Header = Ext4Attributes.Header
        let offset = block * superblock.blockSize
        let bytes = try volume.source.read(Int(superblock.blockSize), at: offset)
        let magic: UInt32 = bytes.load(at: Header.magic) ?? 0, blocks: UInt32 = bytes.load(at: Header.blocks) ?? 0
        setStated(bytes.load(at: Header.inodes) ?? 0, ofAttributeBlock: block)
        guard magic == Ext4Attributes.magic, blocks == 1 else {
            report(
                .ext4Attributes,
                "inode \(inode) has attributes whose block begins with \(Ext4Checksums.Mismatch.hex(magic)) "
                    + "and says that it is \(blocks) blocks, which should be ea020000 and 1",
                inode: inode, offset: offset)
            return
        }
        if let wrong = volume.checksums.attributeBlock(bytes, at: block) {
            report(
                .ext4AttributesChecksum, "the attributes of inode \(inode): their block \(wrong.words)",
                inode: inode, offset: offset)
        }
        if let fault = Self.attributeFault(bytes, from: Header.length) {
            report(
                .ext4Attributes, "inode \(inode) has an attribute in a block that \(fault)", inode: inode,
                offset: offset)
        }
    }

    /// The fault of attributes, as the end of a sentence. Values are counted from the first byte of `bytes`.
    private static func attributeFault(_ bytes: [UInt8], from start: Int) -> String? {
        typealias Entry = Ext4Attributes.Entry
        var position = start
        var values = bytes.count
        // Each step goes forward.
        while let first: UInt32 = bytes.load(at: position), first != 0 {
            guard let length: UInt8 = bytes.load(at: position + Entry.nameLength),
                let value: UInt16 = bytes.load(at: position + Entry.valueOffset),
                let inode: UInt32 = bytes.load(at: position + Entry.valueInode),
                let size: UInt32 = bytes.load(at: position + Entry.valueSize)
            else { return "is cut off" }
            let name = position + Entry.name
            let next = name + Int(length).roundedUp(to: 4)
            guard next + 4 <= bytes.count else { return "ends outside of it" }
            if inode == 0, size > 0 {
                guard Int(value) + Int(size) <= bytes.count else { return "has a value outside of it" }
                values = min(values, Int(value))
            }
            let hash: UInt32 = bytes.load(at: position + Entry.hash) ?? 0
            if inode == 0, start > 0 || hash != 0 {
                let end = min(bytes.count, Int(value) + Int(size).roundedUp(to: 4))
                let text = size > 0 ? bytes[min(Int(value), end)..<end] : []
                let letters = bytes[name..<name + Int(length)]
                guard [true, false].contains(where: { attributeHash(letters, text, isSigned: $0) == hash }) else {
                    return "has the hash \(Ext4Checksums.Mismatch.hex(hash)), which is not that of its name and value"
                }
            }
            position = next
        }
        return position <= values ? nil : "lies over another one's value"
    }

    /// - Parameter isSigned: whether the name's bytes were taken as signed ones, as some machines do.
    private static func attributeHash(
        _ name: ArraySlice<UInt8>, _ value: ArraySlice<UInt8>, isSigned: Bool
    ) -> UInt32 {
        var hash: UInt32 = 0
        for byte in name {
            let letter = isSigned ? UInt32(bitPattern: Int32(Int8(bitPattern: byte))) : UInt32(byte)
            hash = hash << 5 ^ hash >> 27 ^ letter
        }
        for position in stride(from: 0, to: value.count, by: 4) {
            hash = hash << 16 ^ hash >> 16 ^ (value.load(UInt32.self, at: position) ?? 0)
        }
        return hash
    }

    /// Compares how many inodes share each block of attributes with the number in it, once all have been read.
    func checkAttributeCounts() {
        guard !isPartial else { return }
        for (block, found) in attributeBlocks.sorted(by: { $0.key < $1.key }) where found.stated != found.inodes {
            report(
                .ext4AttributesCount,
                "the block of attributes \(block) says that \(found.stated) inodes have it, and \(found.inodes) have",
                inode: found.inode, offset: block * superblock.blockSize)
        }
    }

    // MARK: Links

    /// Compares the number of names that lead to each inode with the number in it.
    func checkLinks() {
        for (inode, seen) in reached.sorted(by: { $0.key < $1.key })
        where seen.links > 0 && !seen.isReserved && seen.links != seen.names {
            // A directory with too many subdirectories to count has 1.
            if seen.kind == .directory, seen.links == 1, seen.names >= FileTree.maximumLinks { continue }
            // Subdirectories that could not be read would lead back to it.
            if seen.kind == .directory, isPartial { continue }
            if isPartial, seen.names < seen.links { continue }
            report(
                .ext4LinkCount, "inode \(inode) says that it has \(seen.links) links, and has \(seen.names)",
                inode: inode, offset: try? volume.offset(of: inode))
        }
    }
}
