/// A survey of a whole image: the use of every byte, the space that files take, and how well they are compressed.
///
/// The block maps of files are read, never their bytes. Memory grows with the number of names and of file extents; both
/// have limits.
package struct ImageSurvey: Sendable {
    /// A partition and the filesystem in it.
    package struct Volume: Sendable {
        /// See ``PartitionTable/partitions``.
        package var partition: Partition
        /// Its content.
        package var content = ContentKind.unknown
        /// Its node in ``ImageSurvey/space``.
        package var node: Int32
        /// The facts in the filesystem's superblock or boot sector; `nil` where there is none that can be read.
        package var head: ImageVolume.Head?
        /// Its free bytes: those that its FAT lists, or that its superblock counts.
        package var free: UInt64 = 0
        /// The error that kept parts of it from being read.
        package var problem: String?
    }

    /// The partitions, without extended ones.
    package private(set) var volumes: [Volume] = []
    /// The space that partitions, store paths and files take.
    package private(set) var space = SpaceUse()
    /// The use of every byte of the disk. Owners are nodes of ``space``.
    package private(set) var map: DiskMap
    /// The frames of a compressed image.
    package private(set) var frames: FrameMap?

    /// The number of extents that are recorded.
    static let maximumExtents = 1 << 22

    /// Surveys an image. Damage of a filesystem is described in its ``Volume/problem``.
    ///
    /// - Throws: errors that are not the image's fault, such as of reading its file.
    package init(_ image: DiskImage) throws(ImageError) {
        let size = image.source.size
        var walk = SurveyWalk(space: space)
        walk.addTable(image.table, size: size)
        var background: [DiskMap.Extent] = []
        for partition in image.table.partitions where !partition.isExtended {
            let name = "partition \(partition.number)"
            var volume = Volume(partition: partition, node: walk.space.add(.partition, name, in: 0))
            do throws(ImageError) {
                volume.content = try image.content(of: partition)
                switch try image.volume(of: partition, content: volume.content) {
                case .fat(let fat): try walk.survey(fat, &volume)
                case .ext4(let ext): try walk.survey(ext, &volume)
                case nil: break
                }
            } catch {
                guard error.blame.isInput else { throw error }
                volume.problem = "\(error)"
            }
            let start = partition.bytes.lowerBound
            if let head = volume.head {
                let end = min(start.addingClamping(head.size), partition.bytes.upperBound)
                background.append(DiskMap.Extent(start..<max(start, end), .used, owner: volume.node))
            }
            background.append(DiskMap.Extent(partition.bytes, .other, owner: volume.node))
            volumes.append(volume)
        }
        map = DiskMap(size: size, layers: [walk.extents, walk.free, background])
        space = walk.space
        frames = image.container.flatMap { FrameMap($0, map) }
        addSizes()
    }

    /// Adds the bytes of each extent to its owner's node.
    private mutating func addSizes() {
        // Nodes for space that has no name, added where there is some.
        var added: [Int32: [DiskMap.Kind: Int32]] = [:]
        func node(_ kind: SpaceUse.Kind, _ name: String, _ key: DiskMap.Kind, in parent: Int32) -> Int32 {
            if let known = added[parent]?[key] { return known }
            let node = space.add(kind, name, in: parent)
            added[parent, default: [:]][key] = node
            return node
        }
        for extent in map.extents {
            let owner = max(0, extent.owner)
            let index: Int32
            switch extent.kind {
            case .file, .link, .directory, .fatDirectory, .blockMap: index = owner
            case .free: index = node(.free, "free", .free, in: owner)
            case .gap: index = node(.gap, "gap", .gap, in: owner)
            case .other: index = node(.other, "other", .other, in: owner)
            case .table: index = node(.structures, "table", .table, in: owner)
            default:
                let structures = node(.structures, "structures", .used, in: owner)
                index = node(.structures, "\(extent.kind)", extent.kind, in: structures)
            }
            guard space.nodes.indices.contains(Int(index)) else { continue }
            space.nodes[Int(index)].disk += extent.length
            if let frames, !extent.kind.isFree {
                space.nodes[Int(index)].compressed += frames.estimate(extent.offset..<extent.end)
            }
        }
    }
}
