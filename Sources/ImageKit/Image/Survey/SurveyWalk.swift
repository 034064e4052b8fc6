/// Walks through the filesystems of an image and collects what lies where, for an ``ImageSurvey``.
struct SurveyWalk {
    var space: SpaceUse
    /// What is kept on the disk.
    private(set) var pieces: [DiskMap.Piece] = []
    /// What filesystems have free, by their own maps.
    private(set) var free: [DiskMap.Piece] = []

    init(space: SpaceUse) { self.space = space }

    /// Where the walk is: the node of each directory on the way, and what it is to the store.
    private struct Level {
        var node: Int32
        var name: [UInt8]
        /// The number of the store path that it is in; −1 where it is in none.
        var storePath = -1
    }

    // MARK: Table

    /// An MBR has one sector. A GPT has its two headers and as many entries as every tool makes.
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
        guard !bytes.isEmpty, pieces.count < ImageSurvey.pieceLimit else { return }
        // Files that follow each other in one directory are still told apart: each has its own node.
        if let last = pieces.last, last.end == bytes.lowerBound, last.kind == kind, last.owner == owner {
            pieces[pieces.count - 1].length += bytes.length
        } else {
            pieces.append(DiskMap.Piece(bytes, kind, owner: owner))
        }
    }

    // MARK: FAT

    mutating func look(at fat: FATVolume, _ volume: inout ImageSurvey.Volume) throws(ImageError) {
        let start = volume.partition.bytes.lowerBound, top = volume.node, layout = fat.layout
        volume.head = ImageVolume.Head(fat, label: nil)
        func moved(_ bytes: Range<UInt64>) -> Range<UInt64> {
            start.addingClamping(bytes.lowerBound)..<start.addingClamping(bytes.upperBound)
        }
        add(moved(0..<layout.fatOffset), .fatHead, top)
        add(moved(layout.fatOffset..<layout.rootOffset), .fat, top)
        add(moved(layout.rootOffset..<layout.dataOffset), .fatDirectory, top)
        var levels: [Level] = []
        let ranges = try fat.freeRanges()
        free += ranges.map { DiskMap.Piece(moved($0), .free, owner: top) }
        volume.free = ranges.reduce(0) { $0 + $1.length }
        volume.head?.label = try fat.label()
        try fat.walk { visit in
            let entry = visit.entry
            levels.removeSubrange(min(visit.depth, levels.count)...)
            var node = top
            if let above = levels.last {
                node = make(entry.isDirectory ? .directory : .file, Array(entry.name.utf8), in: above.node)
                if node != above.node { space.nodes[Int(node)].size = entry.size }
            }
            if entry.isDirectory { levels.append(Level(node: node, name: [])) }
            for bytes in visit.data { add(moved(bytes), entry.isDirectory ? .fatDirectory : .file, node) }
        }
    }

    /// A node for a name, or the one above where there are too many.
    private mutating func make(_ kind: SpaceUse.Kind, _ name: [UInt8], in parent: Int32) -> Int32 {
        guard space.nodes.count < SpaceUse.limit else {
            space.omitted += 1
            return parent
        }
        return space.add(kind, String(decoding: name, as: UTF8.self), in: parent)
    }

    // MARK: ext2, ext3 and ext4

    mutating func look(at ext: Ext4Volume, _ volume: inout ImageSurvey.Volume) throws(ImageError) {
        let start = volume.partition.bytes.lowerBound, top = volume.node, information = ext.information
        volume.head = ImageVolume.Head(information)
        func moved(_ bytes: Range<UInt64>) -> Range<UInt64> {
            start.addingClamping(bytes.lowerBound)..<start.addingClamping(bytes.upperBound)
        }
        for (part, bytes) in ext.parts() {
            let kind: DiskMap.Kind =
                switch part {
                case .superblock: .superblock
                case .descriptors: .descriptors
                case .reservedDescriptors: .growth
                case .bitmap: .bitmap
                case .inodeTable: .inodeTable
                }
            add(moved(bytes), kind, top)
        }
        let ranges = try ext.freeRanges()
        free += ranges.map { DiskMap.Piece(moved($0), .free, owner: top) }
        volume.free = information.freeBlocks.multipliedClamping(by: information.blockSize)
        for bytes in try ext.growthMap() { add(moved(bytes), .growth, top) }
        for bytes in try ext.journal() { add(moved(bytes), .journal, top) }

        var levels: [Level] = []
        var first: [UInt32: Int32] = [:]
        var damages = 0
        var problem: ImageError?
        try ext.walk { (error) throws(ImageError) in
            damages += 1
            problem = problem ?? error
        } _: { (visit) throws(ImageError) in
            levels.removeSubrange(min(visit.depth, levels.count)...)
            let node = visit.node, isDirectory = node.kind == .directory
            guard let above = levels.last else {
                levels.append(Level(node: top, name: []))
                for bytes in visit.data { add(moved(bytes), .directory, top) }
                return
            }
            var storePath = above.storePath
            var place: Int32
            if visit.isRepeated {
                place = first[node.inode] ?? above.node
                if place != above.node {
                    if space.nodes[Int(place)].names == 1 { space.linked.append(place) }
                    space.nodes[Int(place)].names += 1
                }
            } else if visit.depth == 3, Self.isStore(levels) {
                place = make(.storePath, visit.name, in: top)
                if place != top {
                    storePath = space.storePaths.count
                    space.storePaths.append(SpaceUse.StorePathUse(node: place))
                }
            } else {
                place = make(Self.kind(of: node), visit.name, in: above.node)
            }
            if isDirectory {
                levels.append(Level(node: place, name: visit.name, storePath: storePath))
            } else {
                if !visit.isRepeated, place != above.node, node.kind == .file {
                    space.nodes[Int(place)].size = node.size
                }
                if node.links > 1, !visit.isRepeated { first[node.inode] = place }
                count(node, in: storePath, isRepeated: visit.isRepeated)
            }
            for bytes in visit.data {
                add(moved(bytes), isDirectory ? .directory : node.kind == .symlink ? .link : .file, place)
            }
            for bytes in visit.maps { add(moved(bytes), .blockMap, place) }
        }
        if let problem { volume.problem = "\(problem)" + (damages > 1 ? " (and \(damages - 1) more)" : "") }
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
