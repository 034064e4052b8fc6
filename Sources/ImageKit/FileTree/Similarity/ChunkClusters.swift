/// Decides which chunks of files are laid out together, from the features of the files.
///
/// ```
///   features ──▶ pairs of files ──▶ families of files ──▶ pairs of chunks ──▶ clusters of chunks
/// ```
///
/// Only a part of each file is sampled, so two similar chunks may share no feature. Features therefore decide two
/// things for each *pair of files*: how much they have in common, and by what shift. Each chunk is then paired with the
/// chunk at the shift of the nearest common feature.
///
/// First files are joined to families, then the chunks of a family to clusters: the most similar pair first, as long as
/// families and clusters stay small enough (Kruskal's algorithm). Similarity counts only by its number of binary
/// digits, and the order of files breaks ties, so all chunks of a family are joined alike. The result for a family
/// depends only on the sizes, offsets, order and features of its files.
///
/// The size of families is limited because a reader of one file decompresses its whole family. A check that reads all
/// files in order does not decompress a family again for each file, as long as the family fits the check's memory.
struct ChunkClusters {
    /// A file, apart from its features.
    struct File {
        /// Bytes.
        var size: UInt64
        /// The index of the file's unit, and the bytes of the unit before the file.
        var unit: Int, offset: UInt64
    }

    /// A chunk of a file, both by index.
    struct Chunk: Hashable {
        var file: Int
        var index: Int
    }

    /// The length of chunks, in bytes. (The last chunk of a file has from a half to one and a half of it.)
    static let chunkSize: UInt64 = 512 << 10
    /// The largest cluster, in bytes: the size that frames aim at.
    static let maximumClusterSize: UInt64 = 16 << 20
    /// The largest family, in bytes, and the largest distance of its files in a unit. (A pair of files may be larger,
    /// since a reader goes through both in step.)
    private static let maximumFamilySize: UInt64 = 96 << 20
    /// The number of files with the same feature that follow a file and are compared with it.
    private static let maximumFollowers = 8
    /// The number of common features that makes files similar. Fewer do not justify separating a chunk from its file.
    private static let minimumMatches = 8
    /// The largest distance of a chunk from the nearest common feature, in chunks, for files with little in common.
    private static let maximumDistance = 8

    /// Clusters of at least two chunks. The clusters, and the chunks in each, are in the order of the files.
    let clusters: [[Chunk]]

    /// A feature of two files, with its blocks.
    private struct Match {
        var left: UInt32, right: UInt32
        var leftBlock: UInt32, rightBlock: UInt32
    }

    /// Two files or chunks, by index, and how much they have in common.
    private struct Edge {
        var left: Int, right: Int
        var weight: Int
        /// For files, the indices of their matches.
        var matches = 0..<0
    }

    /// - Parameters:
    ///   - files: in the order of their data on the disk.
    ///   - features: in any order.
    init(_ files: [File], features: [ContentSampler.Feature]) {
        let matches = Self.matches(among: features)
        let pairs = Self.pairs(of: matches).filter { Self.areNear(files[$0.left], files[$0.right]) }
        var families = DisjointSets(files.map(\.size))
        for pair in pairs.sorted(by: Self.comesFirst) {
            families.join(pair.left, pair.right) { $0 <= Self.maximumFamilySize || $1 == 2 }
        }

        let counts = files.map { Self.count(ofSize: $0.size) }
        var firsts = [Int](repeating: 0, count: files.count)  // the first chunk of each file in a family
        var chunks: [Chunk] = []
        for file in families.sets().joined().sorted() {
            firsts[file] = chunks.count
            for index in 0..<counts[file] { chunks.append(Chunk(file: file, index: index)) }
        }
        var edges: [Edge] = []
        for pair in pairs where families.representative(of: pair.left) == families.representative(of: pair.right) {
            Self.pairChunks(matches[pair.matches], counts[pair.left], counts[pair.right]) { left, right, weight in
                edges.append(Edge(left: firsts[pair.left] + left, right: firsts[pair.right] + right, weight: weight))
            }
        }
        var joined = DisjointSets(chunks.map { Self.range(ofChunk: $0.index, size: files[$0.file].size).length })
        for edge in edges.sorted(by: Self.comesFirst) {
            joined.join(edge.left, edge.right) { bytes, _ in bytes <= Self.maximumClusterSize }
        }
        clusters = joined.sets().map { $0.map { chunks[$0] } }
    }

    /// The number of chunks of a file of `size` bytes.
    private static func count(ofSize size: UInt64) -> Int {
        max(1, Int(clamping: size.addingClamping(chunkSize / 2) / chunkSize))
    }

    /// The byte range of a chunk in its file of `size` bytes.
    static func range(ofChunk index: Int, size: UInt64) -> Range<UInt64> {
        let start = UInt64(index) * chunkSize
        return start..<(index == count(ofSize: size) - 1 ? size : start + chunkSize)
    }

    /// Whether two files may be in one family. Far apart in one unit, they would make a reader of the unit keep all
    /// data between them.
    private static func areNear(_ left: File, _ right: File) -> Bool {
        left.unit != right.unit || left.offset / maximumFamilySize == right.offset / maximumFamilySize
    }

    private static func comesFirst(_ first: Edge, _ second: Edge) -> Bool {
        (second.weight, first.left, first.right) < (first.weight, second.left, second.right)
    }

    /// The number of binary digits.
    private static func weight(_ value: Int) -> Int { Int.bitWidth - value.leadingZeroBitCount }

    /// The common features of pairs of files: pair by pair, in the order of the first file's blocks.
    private static func matches(among features: [ContentSampler.Feature]) -> [Match] {
        let sorted = features.sorted { ($0.hash, $0.file, $0.block) < ($1.hash, $1.file, $1.block) }
        // A feature counts once in each file.
        var unique: [ContentSampler.Feature] = []
        unique.reserveCapacity(sorted.count)
        for feature in sorted {
            if let last = unique.last, last.hash == feature.hash, last.file == feature.file { continue }
            unique.append(feature)
        }
        var matches: [Match] = []
        for (index, feature) in unique.enumerated() {
            for next in unique[(index + 1)...].prefix(maximumFollowers) {
                if next.hash != feature.hash { break }
                matches.append(
                    Match(left: feature.file, right: next.file, leftBlock: feature.block, rightBlock: next.block))
            }
        }
        matches.sort {
            ($0.left, $0.right, $0.leftBlock, $0.rightBlock) < ($1.left, $1.right, $1.leftBlock, $1.rightBlock)
        }
        return matches
    }

    /// The pairs of files with enough in common.
    private static func pairs(of matches: [Match]) -> [Edge] {
        var pairs: [Edge] = []
        var start = 0
        while start < matches.count {
            let first = matches[start]
            var end = start + 1
            while end < matches.count, matches[end].left == first.left, matches[end].right == first.right { end += 1 }
            if end - start >= minimumMatches {
                pairs.append(
                    Edge(
                        left: Int(first.left), right: Int(first.right), weight: weight(end - start),
                        matches: start..<end))
            }
            start = end
        }
        return pairs
    }

    /// Pairs each chunk of the first file with the chunk of the second file that is probably similar.
    ///
    /// - Parameters:
    ///   - matches: the common features of the two files.
    ///   - leftCount: the number of chunks of the first file.
    ///   - rightCount: the number of chunks of the second file.
    private static func pairChunks(
        _ matches: ArraySlice<Match>, _ leftCount: Int, _ rightCount: Int,
        _ body: (_ left: Int, _ right: Int, _ weight: Int) -> Void
    ) {
        let blocks = Int(chunkSize / ContentSampler.window)
        // The matches that each chunk would have if they were spread evenly, in eighths.
        let share = matches.count * 8 / leftCount
        var nearest = matches.startIndex
        var first = matches.startIndex  // the first match in the chunk
        for chunk in 0..<leftCount {
            let middle = chunk * blocks + blocks / 2
            func distance(_ index: Int) -> Int { abs(Int(matches[index].leftBlock) - middle) }
            while nearest + 1 < matches.endIndex, distance(nearest + 1) <= distance(nearest) { nearest += 1 }
            while first < matches.endIndex, Int(matches[first].leftBlock) < chunk * blocks { first += 1 }
            var end = first
            while end < matches.endIndex, Int(matches[end].leftBlock) < (chunk + 1) * blocks { end += 1 }
            if share < 8, distance(nearest) > maximumDistance * blocks { continue }
            let target = middle + Int(matches[nearest].rightBlock) - Int(matches[nearest].leftBlock)
            let partner = min(max(0, target / blocks), rightCount - 1)
            body(chunk, partner, weight(16 * (end - first) + share + 1))
            first = end
        }
    }
}
