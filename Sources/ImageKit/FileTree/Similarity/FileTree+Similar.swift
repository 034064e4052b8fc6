/// Similar parts of files, side by side on the disk.
///
/// Each frame is compressed by itself, so a repetition saves space only if both copies are in the same frame. Most
/// repetitions of a closure are further apart: the compilers of one suite, two versions of a library, the same table
/// for each of two hundred languages, the kernel in the store and its copy in `/boot`. Large files are therefore
/// divided into chunks, and similar chunks are laid out together, in clusters that fit a frame:
///
/// ```
///   cc1      │ 0 │ 1 │ 2 │ 3 │             on the disk:
///   lto1     │ 0 │ 1 │ 2 │ 3 │     ──▶     │ cc1 0 │ lto1 0 │ cc1 1 │ lto1 1 ║ cc1 2 │ lto1 2 │ cc1 3 │ lto1 3 │
/// ```
///
/// Similarity is found by reading a small part of each file (``ContentSampler``), so nothing is read twice. It depends
/// only on the bytes and the order of the files.
extension FileTree {
    /// A range of a file's content, in bytes: one chunk or several adjacent ones, as ``ChunkClusters`` divides files.
    struct Part: Sendable, Hashable {
        var node: NodeID
        var range: Range<UInt64>
    }

    /// The sizes of the files that are compared, in bytes. (No file of an image is larger, and a larger size could have
    /// more chunks than memory.)
    static let similarSizes: ClosedRange<UInt64> = 256 << 10...64 << 30

    /// The similar parts of large files, in clusters.
    /// - Parameters:
    ///   - groups: the tree's nodes in the order in which they are laid out: those of each unit, then the others.
    ///   - threads: the number of threads that read, at least 1.
    func similarParts(
        of groups: [[NodeID]], threads: Int, progress: Progress?
    ) throws(ImageError) -> [[Part]] {
        var candidates: [NodeID] = []
        var files: [ChunkClusters.File] = []
        for (unit, nodes) in groups.enumerated() {
            var offset: UInt64 = 0
            for node in nodes where kind(of: node) == .file {
                let size = size(of: node)
                if Self.similarSizes.contains(size) {
                    candidates.append(node)
                    files.append(ChunkClusters.File(size: size, unit: unit, offset: offset))
                }
                offset = offset.addingClamping(size)
            }
        }
        guard candidates.count > 1 else { return [] }
        let features = try ContentSampler(tree: self, files: candidates).run(threads: threads, progress: progress)
        return ChunkClusters(files, features: features).clusters.map { cluster in
            var parts: [Part] = []
            for chunk in cluster {
                let node = candidates[chunk.file]
                let range = ChunkClusters.range(ofChunk: chunk.index, size: size(of: node))
                if let last = parts.last, last.node == node, last.range.upperBound == range.lowerBound {
                    parts[parts.count - 1].range = last.range.lowerBound..<range.upperBound
                } else {
                    parts.append(Part(node: node, range: range))
                }
            }
            return parts
        }
    }
}
