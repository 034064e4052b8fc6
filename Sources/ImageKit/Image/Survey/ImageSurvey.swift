/// A look at all of an image: what lies where, what takes the space, and how well it is compressed.
///
/// Of files, only their maps are read, never their bytes. Memory goes by the number of names and of the pieces that files
/// lie in, and is bounded by limits on both.
public struct ImageSurvey: Sendable {
    /// A partition and the filesystem in it.
    public struct Volume: Sendable {
        /// See ``PartitionTable/partitions``.
        public var partition: Partition
        /// What is in it.
        public var content = ContentKind.unknown
        /// Its node in ``ImageSurvey/space``.
        public var node: Int32
        /// What the filesystem says of itself; `nil` where there is none that can be read here.
        public var head: ImageVolume.Head?
        /// Its bytes that are free by the maps on the disk.
        public var free: UInt64 = 0
        /// Why not all of it could be read.
        public var problem: String?
    }

    /// The partitions, without extended ones.
    public private(set) var volumes: [Volume] = []
    /// What takes the space.
    public private(set) var space = SpaceUse()
    /// What lies where. Owners are nodes of ``space``.
    public private(set) var map: DiskMap
    /// The frames of a compressed image.
    public private(set) var frames: FrameMap?

    /// As many pieces of files are told apart.
    static let pieceLimit = 1 << 22

    /// Looks at an image. What cannot be read of a filesystem is told in its ``Volume/problem``.
    ///
    /// - Throws: what reading the image itself throws.
    public init(_ image: DiskImage) throws(ImageError) {
        let size = image.source.size
        var walk = SurveyWalk(space: space)
        walk.addTable(image.table, size: size)
        var below: [DiskMap.Piece] = []
        for partition in image.table.partitions where !partition.isExtended {
            let name = "partition \(partition.number)"
            var volume = Volume(partition: partition, node: walk.space.add(.partition, name, in: 0))
            do throws(ImageError) {
                volume.content = try image.content(of: partition)
                switch try image.volume(of: partition, content: volume.content) {
                case .fat(let fat): try walk.look(at: fat, &volume)
                case .ext4(let ext): try walk.look(at: ext, &volume)
                case nil: break
                }
            } catch {
                guard error.code != .inputOutput, error.code != .changed, error.code != .cancelled else { throw error }
                volume.problem = "\(error)"
            }
            let start = partition.bytes.lowerBound
            if let head = volume.head {
                let end = min(start.addingClamping(head.size), partition.bytes.upperBound)
                below.append(DiskMap.Piece(start..<max(start, end), .used, owner: volume.node))
            }
            below.append(DiskMap.Piece(partition.bytes, .other, owner: volume.node))
            volumes.append(volume)
        }
        map = DiskMap(size: size, layers: [walk.pieces, walk.free, below])
        space = walk.space
        frames = image.file.flatMap { FrameMap($0, map) }
        share()
    }

    /// Gives each piece's bytes to whom it belongs.
    private mutating func share() {
        // Nodes for what no name has, made where there is some of it.
        var made: [Int32: [DiskMap.Kind: Int32]] = [:]
        func node(_ kind: SpaceUse.Kind, _ name: String, _ key: DiskMap.Kind, in parent: Int32) -> Int32 {
            if let known = made[parent]?[key] { return known }
            let added = space.add(kind, name, in: parent)
            made[parent, default: [:]][key] = added
            return added
        }
        for piece in map.pieces {
            let above = max(0, piece.owner)
            let place: Int32
            switch piece.kind {
            case .file, .link, .directory, .fatDirectory, .blockMap: place = above
            case .free: place = node(.free, "free", .free, in: above)
            case .gap: place = node(.gap, "gap", .gap, in: above)
            case .other: place = node(.other, "other", .other, in: above)
            case .table: place = node(.structures, "table", .table, in: above)
            default:
                let structures = node(.structures, "structures", .used, in: above)
                place = node(.structures, "\(piece.kind)", piece.kind, in: structures)
            }
            guard space.nodes.indices.contains(Int(place)) else { continue }
            space.nodes[Int(place)].disk += piece.length
            if let frames, !piece.kind.isFree {
                space.nodes[Int(place)].compressed += frames.estimate(piece.offset..<piece.end)
            }
        }
    }
}
