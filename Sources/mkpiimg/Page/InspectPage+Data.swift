import ImageKit

/// The page's data. It consists of columns of numbers, not of objects, as it may have tens of thousands of lines.
extension InspectPage {
    /// The limits of the data. Items that are too small for them are combined.
    private enum Limit {
        static let maximumLines = 45_000, maximumBytes = 1_800_000
        static let maximumExtents = 16_000, maximumFrames = 4096
        static let maximumStorePaths = 20_000, maximumFiles = 300, maximumLinked = 200
    }

    /// The data as one JSON object.
    var data: String {
        let lines = survey.space.outline(nodes: Limit.maximumLines, bytes: Limit.maximumBytes)
        // The line of each node that has one.
        var lineIndices: [Int32: Int] = [:]
        for (index, line) in lines.enumerated() {
            if let node = line.node { lineIndices[node] = index }
        }
        return ScriptText.object([
            ("size", "\(imageSize)"), ("fileSize", "\(fileSize)"), ("form", ScriptText.quote(form)),
            ("omitted", "\(survey.space.omitted)"),
            (
                "kinds",
                "[" + DiskMap.Kind.allCases.map { ScriptText.array(Self.words($0)) }.joined(separator: ",") + "]"
            ),
            (
                "words",
                ScriptText.object(DiskMap.Kind.allCases.map { ("\($0)", ScriptText.quote(Self.words($0)[0])) })
            ),
            ("nodeKinds", ScriptText.array(SpaceUse.Kind.allCases.map { "\($0)" })),
            ("parts", "[" + survey.volumes.map { part($0, lineIndices) }.joined(separator: ",") + "]"),
            ("tree", tree(lines)), ("map", map(lineIndices)), ("frames", frames), ("paths", storePaths(lineIndices)),
            ("files", files), ("linked", linked),
        ])
    }

    /// The name of a kind of piece, and its purpose.
    private static func words(_ kind: DiskMap.Kind) -> [String] {
        switch kind {
        case .table: ["Partition table", "where the partitions are"]
        case .fatHead: ["FAT boot sector", "and what else is reserved before the FATs"]
        case .fat: ["FAT", "which clusters a file has (two copies)"]
        case .fatDirectory: ["FAT folders", "names and sizes"]
        case .superblock: ["Superblocks", "what the ext4 filesystem is, and copies of it"]
        case .descriptors: ["Group descriptors", "where each group's bitmaps and inodes are"]
        case .growth: ["Room to grow", "kept for descriptors of a larger filesystem"]
        case .bitmap: ["Bitmaps", "which blocks and inodes are in use"]
        case .inodeTable: ["Inode tables", "modes, owners, times and places of files"]
        case .journal: ["Journal", "changes on their way to the disk"]
        case .directory: ["Folders", "names of files"]
        case .blockMap: ["Extents and attributes", "places of files in many pieces"]
        case .file: ["Files", "their content"]
        case .link: ["Long links", "targets of symbolic links over 59 bytes"]
        case .used: ["Other, in use", "belongs to a filesystem, for something not told apart here"]
        case .other: ["Not in a filesystem", "in a partition, and not read here"]
        case .free: ["Free", "in a filesystem"]
        case .gap: ["In no partition", "before, between and after them"]
        }
    }

    private func part(_ volume: ImageSurvey.Volume, _ lineIndices: [Int32: Int]) -> String {
        let partition = volume.partition, head = volume.head
        return ScriptText.object([
            ("number", "\(partition.number)"), ("start", "\(partition.bytes.lowerBound)"),
            ("length", "\(partition.size)"),
            ("type", ScriptText.quote(partition.typeName ?? partition.typeText)),
            ("name", ScriptText.quote(partition.name ?? "")), ("content", ScriptText.quote(volume.content.rawValue)),
            ("fs", ScriptText.quote(head?.kind ?? "")), ("label", ScriptText.quote(head?.label ?? "")),
            ("uuid", ScriptText.quote(head?.uuid ?? "")), ("size", "\(head?.size ?? 0)"), ("free", "\(volume.free)"),
            ("block", "\(head?.blockSize ?? 0)"), ("inodes", "\(head?.inodes ?? 0)"),
            ("freeInodes", "\(head?.freeInodes ?? 0)"),
            ("features", ScriptText.quote(head?.features?.joined(separator: " ") ?? "")),
            ("problem", ScriptText.quote(volume.problem ?? "")), ("line", "\(lineIndices[volume.node] ?? -1)"),
        ])
    }

    /// The lines of the outline as columns: depth, kind, name (or the number of combined small files), size, bytes on
    /// the disk, compressed bytes.
    private func tree(_ lines: [SpaceUse.Line]) -> String {
        let names = lines.map { line -> String in
            guard let index = line.node else { return "\(line.count)" }
            let node = survey.space.nodes[Int(index)]
            return ScriptText.quote(
                node.kind == .partition ? volumeName(of: index) : node.kind == .disk ? "disk" : node.name)
        }
        let kinds = lines.map { line in
            line.node.map { Int(survey.space.nodes[Int($0)].kind.rawValue) } ?? -1
        }
        return ScriptText.object([
            ("d", ScriptText.array(lines.map(\.depth))), ("k", ScriptText.array(kinds)),
            ("n", "[" + names.joined(separator: ",") + "]"), ("s", ScriptText.array(lines.map(\.size))),
            ("u", ScriptText.array(lines.map(\.disk))),
            ("c", ScriptText.array(lines.map { Int(max(0, min($0.compressed, 1e15))) })),
        ])
    }

    private func volumeName(of node: Int32) -> String {
        guard let volume = survey.volumes.first(where: { $0.node == node }) else { return "" }
        return "\(volume.partition.number)" + (volume.head.map { ": \($0.label ?? $0.kind)" } ?? "")
    }

    /// The extents of the disk in order: length, kind and owner of each. Owners are store paths, and the nodes directly
    /// in a partition.
    private func map(_ lineIndices: [Int32: Int]) -> String {
        let nodes = survey.space.nodes
        // The line of each node's owner. A parent has a smaller index than its children.
        var owners = [Int32](repeating: -1, count: nodes.count)
        for index in nodes.indices.dropFirst() {
            let parent = Int(nodes[index].parent)
            let isTop = nodes.indices.contains(parent) && nodes[parent].kind == .partition
            owners[index] = isTop ? lineIndices[Int32(index)].map { Int32($0) } ?? -1 : owners[parent]
        }
        let joined = survey.map.joined { extent in
            guard extent.owner >= 0, nodes.indices.contains(Int(extent.owner)) else { return -1 }
            switch extent.kind {
            case .file, .link, .blockMap, .directory: return owners[Int(extent.owner)]
            default: return lineIndices[extent.owner].map { Int32($0) } ?? -1
            }
        }
        let extents =
            joined.extents.count > Limit.maximumExtents ? joined.coarse(Limit.maximumExtents).extents : joined.extents
        let sums = survey.map.joined { _ in -1 }
        return ScriptText.object([
            ("l", ScriptText.array(extents.map(\.length))), ("k", ScriptText.array(extents.map(\.kind.rawValue))),
            ("o", ScriptText.array(extents.map(\.owner))),
            ("sums", ScriptText.array(DiskMap.Kind.allCases.map { sums.bytes[$0] ?? 0 })),
            (
                "runs",
                ScriptText.array(DiskMap.Kind.allCases.map { kind in sums.extents.count { $0.kind == kind } })
            ),
        ])
    }

    /// The frames in order: plain and compressed length of each. If there are too many, neighbours are combined.
    private var frames: String {
        guard let frames = survey.frames else { return "null" }
        let step = max(1, (frames.ends.count + Limit.maximumFrames - 1) / Limit.maximumFrames)
        var lengths: [UInt64] = [], compressed: [UInt64] = []
        var start: UInt64 = 0
        for first in stride(from: 0, to: frames.ends.count, by: step) {
            let last = min(first + step, frames.ends.count)
            lengths.append(frames.ends[last - 1] - start)
            compressed.append(frames.compressed[first..<last].reduce(0, +))
            start = frames.ends[last - 1]
        }
        return ScriptText.object([
            ("count", "\(frames.ends.count)"), ("step", "\(step)"), ("l", ScriptText.array(lengths)),
            ("c", ScriptText.array(compressed)),
        ])
    }

    private func storePaths(_ lineIndices: [Int32: Int]) -> String {
        let paths = survey.space.storePaths
        let totals = survey.space.totals { $0.disk }, compressed = survey.space.totals { $0.compressed }
        let largest = paths.indices.sorted {
            (totals[Int(paths[$1].node)], $0) < (totals[Int(paths[$0].node)], $1)
        }.prefix(Limit.maximumStorePaths)
        let reported = largest.map { storePaths[survey.space.nodes[Int(paths[$0].node)].name] }
        func column(_ value: (SpaceUse.StorePathUse) -> UInt64) -> String {
            ScriptText.array(largest.map { value(paths[$0]) })
        }
        return ScriptText.object([
            ("count", "\(paths.count)"),
            ("t", ScriptText.array(largest.map { lineIndices[paths[$0].node] ?? -1 })),
            ("n", ScriptText.array(largest.map { survey.space.nodes[Int(paths[$0].node)].name })),
            ("u", column { totals[Int($0.node)] }),
            ("c", column { UInt64(max(0, min(compressed[Int($0.node)], 1e15))) }),
            ("f", column(\.files)), ("s", column(\.size)), ("h", column(\.shared)),
            ("a", ScriptText.array(reported.map { $0?.name ?? "" })),
            ("v", ScriptText.array(reported.map { $0?.version ?? "" })),
            (
                "x",
                reported.contains { $0?.closureSize != nil }
                    ? ScriptText.array(reported.map { $0?.closureSize ?? 0 }) : "null"
            ),
        ])
    }

    private var files: String {
        let nodes = survey.space.nodes
        let largest = nodes.indices.filter {
            nodes[$0].kind == .file || (nodes[$0].kind == .storePath && nodes[$0].size > 0)
        }
        .sorted { (nodes[$1].disk, nodes[$1].size, $0) < (nodes[$0].disk, nodes[$0].size, $1) }
        .prefix(Limit.maximumFiles)
        return ScriptText.object([
            ("n", ScriptText.array(largest.map { survey.space.path(of: Int32($0)) })),
            ("p", ScriptText.array(largest.map { partition(of: $0) })),
            ("s", ScriptText.array(largest.map { nodes[$0].size })),
            ("u", ScriptText.array(largest.map { nodes[$0].disk })),
            ("c", ScriptText.array(largest.map { UInt64(max(0, min(nodes[$0].compressed, 1e15))) })),
        ])
    }

    /// The number of the partition that a node is in.
    private func partition(of node: Int) -> Int {
        let nodes = survey.space.nodes
        var index = node
        while nodes.indices.contains(index), nodes[index].kind != .partition { index = Int(nodes[index].parent) }
        return survey.volumes.first { Int($0.node) == index }?.partition.number ?? 0
    }

    private var linked: String {
        let space = survey.space, savings = space.savings
        // The bytes that its further names would take without hard links.
        func saved(_ node: Int32) -> UInt64 {
            let node = space.nodes[Int(node)]
            return node.disk.multipliedReportingOverflow(by: UInt64(node.names) - 1).partialValue
        }
        let top = space.linked.sorted { (saved($1), $0) < (saved($0), $1) }.prefix(Limit.maximumLinked)
        return ScriptText.object([
            ("files", "\(savings.files)"), ("names", "\(savings.names)"), ("bytes", "\(savings.bytes)"),
            ("n", ScriptText.array(top.map { space.path(of: $0) })),
            ("s", ScriptText.array(top.map { space.nodes[Int($0)].size })),
            ("m", ScriptText.array(top.map { space.nodes[Int($0)].names })),
            ("b", ScriptText.array(top.map { saved($0) })),
        ])
    }
}
