extension Ext4Volume {
    // MARK: Files

    /// A file's bytes, readable from any thread. Other kinds of files have none.
    public func content(of node: Node) throws(ImageError) -> any ByteSource {
        var budget = superblock.maximumExtents
        let (source, offset) = try location(of: node, budget: &budget)
        let size = node.kind == .file ? node.size : 0
        return offset == 0 && source.size == size
            ? source : ExtentSource(source, size: size, joining: [offset..<offset + size])
    }

    /// The source of a file's bytes and the offset in it. A file in one extent is in the volume's own source.
    /// - Parameter budget: see ``Ext4BlockMapReader/extents(of:in:budget:)``.
    func location(
        of node: Node, budget: inout UInt64
    ) throws(ImageError) -> (source: any ByteSource, offset: UInt64) {
        let extents = node.kind == .file && hasMap(node) ? try extents(of: node, budget: &budget) : []
        return try location(of: node, extents: extents)
    }

    /// The same.
    /// - Parameter extents: the map of its blocks, if it has one.
    func location(
        of node: Node, extents: [Ext4Extent]
    ) throws(ImageError) -> (source: any ByteSource, offset: UInt64) {
        guard node.kind == .file else { return (SegmentMap(size: 0), 0) }
        if node.record.isInline {
            let (first, rest) = try node.record.inlineParts()
            let bytes = (first + rest).prefix(Int(min(node.size, UInt64(first.count + rest.count))))
            // mke2fs makes files of one large hole that way.
            var map = SegmentMap(size: node.size)
            map.add(bytes, at: 0)
            try map.seal()
            return (map, 0)
        }
        let blocks = node.size.dividedRoundingUp(by: superblock.blockSize)
        guard blocks <= 1 << 32 || node.record.flags & Ext4Inode.Flag.extents == 0 else {
            throw .damagedInode(node.inode, at: node.record.offset, "its size is \(node.size)", .ext4InodeSize)
        }
        if let extent = extents.first, extents.count == 1, extent.first == 0, extent.count == blocks {
            return (source, extent.disk * superblock.blockSize)
        }
        return (ExtentSource(source, size: node.size, extents: byteExtents(extents)), 0)
    }

    private func extents(of node: Node, budget: inout UInt64) throws(ImageError) -> [Ext4Extent] {
        try Ext4BlockMapReader.extents(of: node.record, in: self, budget: &budget)
    }

    private func byteExtents(_ extents: [Ext4Extent]) -> [ExtentSource.Extent] {
        let size = superblock.blockSize
        return extents.map {
            ExtentSource.Extent(start: $0.first * size, count: $0.count * size, sourceOffset: $0.disk * size)
        }
    }

    /// Whether an inode has a map of blocks.
    func hasMap(_ node: Node) -> Bool {
        guard !node.record.isInline else { return false }
        switch node.kind {
        case .file, .directory: return true
        case .symlink: return !hasTargetInInode(node.record)
        case .characterDevice, .blockDevice, .fifo, .socket: return false
        }
    }

    // MARK: Symbolic links

    /// Whether a link's target is in its inode and not in a block.
    func hasTargetInInode(_ record: Ext4Inode) -> Bool {
        record.isInline
            || record.size < Ext4Inode.areaLength && !record.hasBlocks && record.flags & Ext4Inode.Flag.extents == 0
    }

    /// A symbolic link's target. Other kinds of files have none.
    public func target(of node: Node) throws(ImageError) -> [UInt8] {
        guard node.kind == .symlink else { return [] }
        // A target takes one block. More than that is damage, which the extents show.
        var budget: UInt64 = 8
        return try target(of: node, extents: hasMap(node) ? try extents(of: node, budget: &budget) : [])
    }

    /// The same.
    /// - Parameter extents: the map of its blocks, if it has one.
    func target(of node: Node, extents: [Ext4Extent]) throws(ImageError) -> [UInt8] {
        let record = node.record
        func damage(_ reason: String) -> ImageError {
            .damagedInode(node.inode, at: record.offset, reason, .ext4LinkTarget)
        }
        guard record.size > 0, record.size < superblock.blockSize || record.size < Ext4Inode.areaLength else {
            throw damage("a link of \(record.size) bytes")
        }
        let target: [UInt8]
        if record.isInline {
            target = try record.inlineContent()
        } else if hasTargetInInode(record) {
            target = Array(record.area.prefix(Int(record.size)))
        } else {
            guard extents.count == 1 else { throw damage("a link without its target") }
            let content = ExtentSource(source, size: record.size, extents: byteExtents(extents))
            target = try content.read(Int(record.size), at: 0)
        }
        guard !target.contains(0) else { throw damage("a link whose target has a zero byte") }
        return target
    }
}
