/// Parts of files that look alike, side by side on the disk.
///
/// A frame is compressed for itself, so what repeats pays only where both copies lie in the same frame. Most of what
/// repeats in a closure lies further apart than that: the compilers of one suite, two versions of a library, the same table
/// for each of two hundred languages, the kernel in the store and its copy in `/boot`. Large files are therefore cut into
/// pieces, and pieces that have much in common are laid out together, in clusters that fit a frame:
///
/// ```
///   cc1      │ 0 │ 1 │ 2 │ 3 │             on the disk:
///   lto1     │ 0 │ 1 │ 2 │ 3 │     ──▶     │ cc1 0 │ lto1 0 │ cc1 1 │ lto1 1 ║ cc1 2 │ lto1 2 │ cc1 3 │ lto1 3 │
/// ```
///
/// What is alike is found by looking at a small part of each file (``ContentSampler``), so nothing is read twice, and it
/// depends on the files' bytes and their order alone.
extension FileTree {
    /// A part of a file's content, in bytes. It begins at a multiple of ``pieceSize``, and ends at one or with the file.
    struct Part: Sendable, Hashable {
        var node: NodeID
        var range: Range<UInt64>
    }

    /// Files of these sizes are looked at, in bytes. (What is larger than an image's files can be must not be counted in
    /// pieces.)
    static let similarSizes: ClosedRange<UInt64> = 256 << 10...64 << 30
    /// What files are cut into, in bytes. (A file's last piece has from a half to one and a half of it.)
    static let pieceSize: UInt64 = 512 << 10
    /// What a cluster has at most, in bytes: as much as a frame aims at.
    static let clusterSize: UInt64 = 16 << 20

    /// The similar parts of large files, in clusters.
    /// - Parameters:
    ///   - groups: the tree's nodes in the order in which they are laid out: those of each unit, then the others.
    ///   - threads: for reading, at least 1.
    func similarParts(
        of groups: [[NodeID]], threads: Int, progress: Progress?
    ) throws(ImageError) -> [[Part]] {
        var files: [NodeID] = []
        var places: [PieceClusters.File] = []
        for (unit, nodes) in groups.enumerated() {
            var offset: UInt64 = 0
            for node in nodes where kind(of: node) == .file {
                let size = size(of: node)
                if Self.similarSizes.contains(size) {
                    files.append(node)
                    places.append(PieceClusters.File(size: size, unit: unit, offset: offset))
                }
                offset = offset.addingClamping(size)
            }
        }
        guard files.count > 1 else { return [] }
        let features = try ContentSampler(tree: self, files: files).run(threads: threads, progress: progress)
        return PieceClusters(places, features: features).clusters.map { cluster in
            var parts: [Part] = []
            for piece in cluster {
                let node = files[piece.file]
                let range = Self.range(ofPiece: piece.index, size: size(of: node))
                if let last = parts.last, last.node == node, last.range.upperBound == range.lowerBound {
                    parts[parts.count - 1].range = last.range.lowerBound..<range.upperBound
                } else {
                    parts.append(Part(node: node, range: range))
                }
            }
            return parts
        }
    }

    /// How many pieces a file of that size has.
    static func pieces(ofSize size: UInt64) -> Int {
        max(1, Int(clamping: size.addingClamping(pieceSize / 2) / pieceSize))
    }

    /// Where a piece lies in its file of `size` bytes.
    static func range(ofPiece index: Int, size: UInt64) -> Range<UInt64> {
        let start = UInt64(index) * pieceSize
        return start..<(index == pieces(ofSize: size) - 1 ? size : start + pieceSize)
    }
}
