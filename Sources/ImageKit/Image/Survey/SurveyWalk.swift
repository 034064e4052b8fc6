/// Walks through the filesystems of an image and records the extents of everything in them, for an ``ImageSurvey``.
struct SurveyWalk {
    var space: SpaceUse
    /// The extents in use.
    private(set) var extents: [DiskMap.Extent] = []
    /// The extents that filesystems' own bitmaps and FATs mark as free.
    private(set) var free: [DiskMap.Extent] = []

    init(space: SpaceUse) { self.space = space }

    /// A directory on the way from the top directory to the current name.
    private struct Level {
        /// The index of its node.
        var node: Int32
        var name: [UInt8]
        /// The index of the store path that it is in; −1 where it is in none.
        var storePath = -1
    }

    /// Adds the partition table. An MBR has one sector. A GPT has two headers, each with 16 KiB of entries.
    mutating func addTable(_ table: PartitionTable, size: UInt64) {
        let sector = table.sectorSize
        switch table.scheme {
        case .none: return
        case .mbr: add(0..<sector, .table, 0)
        case .gpt:
            let entries = max(sector, 128 * 128)
            add(0..<2 * sector + entries, .table, 0)
            if size > sector + entries { add(size - sector - entries..<size, .table, 0) }
        }
    }

    private mutating func add(_ bytes: Range<UInt64>, _ kind: DiskMap.Kind, _ owner: Int32) {
        guard !bytes.isEmpty, extents.count < ImageSurvey.maximumExtents else { return }
        // Extents of two neighbouring files stay apart, since their owners differ.
        if let last = extents.last, last.end == bytes.lowerBound, last.kind == kind, last.owner == owner {
            extents[extents.count - 1].length += bytes.length
        } else {
            extents.append(DiskMap.Extent(bytes, kind, owner: owner))
        }
    }

    /// Adds a node for a name, unless there are too many.
    /// - Returns: its index, or the parent's where no node was added.
    private mutating func addNode(_ kind: SpaceUse.Kind, _ name: [UInt8], in parent: Int32) -> Int32 {
        guard space.nodes.count < SpaceUse.maximumNodes else {
            space.omitted += 1
            return parent
        }
        return space.add(kind, String(decoding: name, as: UTF8.self), in: parent)
    }

    // MARK: FAT

    mutating func survey(_ fat: FATVolume, _ volume: inout ImageSurvey.Volume) throws(ImageError) {
        let start = volume.partition.bytes.lowerBound, top = volume.node, layout = fat.layout
        volume.head = ImageVolume.Head(fat, label: nil)
        add((0..<layout.fatOffset).moved(by: start), .fatHead, top)
        add((layout.fatOffset..<layout.rootOffset).moved(by: start), .fat, top)
        add((layout.rootOffset..<layout.dataOffset).moved(by: start), .fatDirectory, top)
        var levels: [Level] = []
        let ranges = try fat.freeRanges()
        free += ranges.map { DiskMap.Extent($0.moved(by: start), .free, owner: top) }
        volume.free = ranges.reduce(0) { $0 + $1.length }
        volume.head?.label = try fat.label()
        try fat.walk { visit in
            let entry = visit.entry
            levels.removeSubrange(min(visit.depth, levels.count)...)
            var node = top
            if let parent = levels.last {
                node = addNode(entry.isDirectory ? .directory : .file, Array(entry.name.utf8), in: parent.node)
                if node != parent.node { space.nodes[Int(node)].size = entry.size }
            }
            if entry.isDirectory { levels.append(Level(node: node, name: [])) }
            for bytes in visit.data { add(bytes.moved(by: start), entry.isDirectory ? .fatDirectory : .file, node) }
        }
    }

    // MARK: ext2, ext3 and ext4

    mutating func survey(_ ext: Ext4Volume, _ volume: inout ImageSurvey.Volume) throws(ImageError) {
        let start = volume.partition.bytes.lowerBound
        volume.head = ImageVolume.Head(ext.information)
        try addStructures(of: ext, &volume)

        var levels: [Level] = []
        var nodes: [UInt32: Int32] = [:]
        var damages = 0
        var problem: ImageError?
        try ext.places { (error) throws(ImageError) in
            damages += 1
            problem = problem ?? error
        } _: { (visit) throws(ImageError) in
            levels.removeSubrange(min(visit.depth, levels.count)...)
            guard !levels.isEmpty else {
                levels.append(Level(node: volume.node, name: []))
                for bytes in visit.data { add(bytes.moved(by: start), .directory, volume.node) }
                return
            }
            let node = addName(visit, to: &levels, &nodes, top: volume.node)
            let kind: DiskMap.Kind =
                switch visit.node.kind {
                case .directory: .directory
                case .symlink: .link
                default: .file
                }
            for bytes in visit.data { add(bytes.moved(by: start), kind, node) }
            for bytes in visit.maps { add(bytes.moved(by: start), .blockMap, node) }
        }
        if let problem { volume.problem = "\(problem)" + (damages > 1 ? " (and \(damages - 1) more)" : "") }
    }

    /// Adds the blocks of the filesystem itself, and its free blocks.
    private mutating func addStructures(
        of ext: Ext4Volume, _ volume: inout ImageSurvey.Volume
    ) throws(ImageError) {
        let start = volume.partition.bytes.lowerBound, top = volume.node
        for (part, bytes) in ext.parts() {
            let kind: DiskMap.Kind =
                switch part {
                case .superblock: .superblock
                case .descriptors: .descriptors
                case .reservedDescriptors: .growth
                case .bitmap: .bitmap
                case .inodeTable: .inodeTable
                }
            add(bytes.moved(by: start), kind, top)
        }
        let ranges = try ext.freeRanges()
        free += ranges.map { DiskMap.Extent($0.moved(by: start), .free, owner: top) }
        volume.free = ext.information.freeBlocks.multipliedClamping(by: ext.information.blockSize)
        for bytes in try ext.growthMap() { add(bytes.moved(by: start), .growth, top) }
        for bytes in try ext.journal() { add(bytes.moved(by: start), .journal, top) }
    }

    /// Adds a name other than the top directory's, and counts it for its store path.
    ///
    /// - Parameters:
    ///   - levels: the directories above; a directory is added to them.
    ///   - nodes: the nodes of files that have several names, by inode.
    ///   - top: the index of the partition's node.
    /// - Returns: the index of the name's node.
    private mutating func addName(
        _ visit: Ext4Volume.Visit, to levels: inout [Level], _ nodes: inout [UInt32: Int32], top: Int32
    ) -> Int32 {
        guard let parent = levels.last else { return top }
        let inode = visit.node
        var storePath = parent.storePath
        let node: Int32
        if visit.isRepeated {
            node = nodes[inode.inode] ?? parent.node
            if node != parent.node {
                if space.nodes[Int(node)].names == 1 { space.linked.append(node) }
                space.nodes[Int(node)].names += 1
            }
        } else if visit.depth == 3, Self.isStore(levels) {
            node = addNode(.storePath, visit.name, in: top)
            if node != top {
                storePath = space.storePaths.count
                space.storePaths.append(SpaceUse.StorePathUse(node: node))
            }
        } else {
            node = addNode(Self.kind(of: inode), visit.name, in: parent.node)
        }
        if inode.kind == .directory {
            levels.append(Level(node: node, name: visit.name, storePath: storePath))
            return node
        }
        if !visit.isRepeated, node != parent.node, inode.kind == .file { space.nodes[Int(node)].size = inode.size }
        if inode.links > 1, !visit.isRepeated { nodes[inode.inode] = node }
        count(inode, in: storePath, isRepeated: visit.isRepeated)
        return node
    }

    /// Whether these directories are `/`, `/nix` and `/nix/store`.
    private static func isStore(_ levels: [Level]) -> Bool {
        levels.count == 3 && levels[1].name.elementsEqual("nix".utf8) && levels[2].name.elementsEqual("store".utf8)
    }

    private static func kind(of node: Ext4Volume.Node) -> SpaceUse.Kind {
        switch node.kind {
        case .directory: .directory
        case .file: .file
        case .symlink: .link
        default: .special
        }
    }

    /// Adds a name of a file or link to the figures of a store path.
    private mutating func count(_ node: Ext4Volume.Node, in storePath: Int, isRepeated: Bool) {
        guard space.storePaths.indices.contains(storePath) else { return }
        space.storePaths[storePath].files += 1
        guard node.kind == .file else { return }
        space.storePaths[storePath].size = space.storePaths[storePath].size.addingClamping(node.size)
        if isRepeated {
            space.storePaths[storePath].shared = space.storePaths[storePath].shared.addingClamping(node.size)
        }
    }
}

extension Range<UInt64> {
    /// The range on the disk of a partition that begins at this offset. Numbers from a damaged image do not overflow.
    fileprivate func moved(by offset: UInt64) -> Range<UInt64> {
        offset.addingClamping(lowerBound)..<offset.addingClamping(upperBound)
    }
}
