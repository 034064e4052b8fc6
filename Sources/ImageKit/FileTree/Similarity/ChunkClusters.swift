/// Decides which pieces of files are laid out together, from the features that were seen in the files.
///
/// ```
///   features ──▶ pairs of files ──▶ families of files ──▶ pairs of pieces ──▶ clusters of pieces
/// ```
///
/// Since only a part of each file was seen, two pieces may have everything in common and no feature to show for it. So the
/// features tell two things of a pair of files: how much they have in common, and by how much what they have in common is
/// shifted; a piece is then held to be like the piece that lies where the nearest common feature says.
///
/// Files, and then the pieces of a family, are joined in the order of how much they have in common, as far as families and
/// clusters stay small enough (Kruskal's algorithm). That is told by its number of binary digits alone, and ties are
/// decided by the files' order, so that all pieces of a family are joined alike. The outcome depends on the files' sizes,
/// places, order and features, and what a file has to do with is its own family only.
///
/// Families are bounded because whoever reads one file of an image decompresses its whole family: a check that goes from
/// file to file should not do that again for each, which it need not as long as all of it fits its memory.
struct PieceClusters {
    /// What is known of a file beside its features.
    struct File {
        /// Bytes.
        var size: UInt64
        /// The number of its unit, and how many bytes of the unit come before it.
        var unit: Int, offset: UInt64
    }

    /// A piece of a file, both by their numbers.
    struct Piece: Hashable {
        var file: Int
        var index: Int
    }

    /// Clusters of two pieces or more; these, and the pieces in each, in the files' order.
    let clusters: [[Piece]]

    /// A feature that is in two files.
    private struct Match {
        var one: UInt32, other: UInt32
        var block: UInt32, otherBlock: UInt32
    }

    /// Two files or pieces, by their numbers, and how much they seem to have in common.
    private struct Edge {
        var one: Int, other: Int
        var weight: Int
        /// The matches that say so, of files.
        var matches = 0..<0
    }

    /// With so many of the next files that have the same feature, a file is compared.
    private static let mostFollowers = 8
    /// Features that two files have in common at least: less is not worth being far from what is read with it.
    private static let leastMatches = 8
    /// From the nearest common feature as many pieces at most, where files have little in common.
    private static let farthest = 8
    /// The bytes of a family at most (but two files may be as large as they are, since they are gone through in step), and
    /// how far apart its members may be within a unit.
    private static let reach: UInt64 = 96 << 20

    /// - Parameters:
    ///   - files: in the order of their data on the disk.
    ///   - features: in any order.
    init(_ files: [File], features: [ContentSampler.Feature]) {
        let matches = Self.matches(among: features)
        let pairs = Self.pairs(of: matches).filter { Self.areNear(files[$0.one], files[$0.other]) }
        var families = DisjointSets(files.map(\.size))
        for pair in pairs.sorted(by: Self.comesFirst) {
            families.join(pair.one, pair.other) { $0 <= Self.reach || $1 == 2 }
        }

        let counts = files.map { FileTree.pieces(ofSize: $0.size) }
        var firsts = [Int](repeating: 0, count: files.count)  // piece of each file that is in a family
        var pieces: [Piece] = []
        for file in families.sets().joined().sorted() {
            firsts[file] = pieces.count
            for index in 0..<counts[file] { pieces.append(Piece(file: file, index: index)) }
        }
        var edges: [Edge] = []
        for pair in pairs where families.top(of: pair.one) == families.top(of: pair.other) {
            Self.pieces(matches[pair.matches], counts[pair.one], counts[pair.other]) { piece, partner, weight in
                edges.append(Edge(one: firsts[pair.one] + piece, other: firsts[pair.other] + partner, weight: weight))
            }
        }
        var joined = DisjointSets(
            pieces.map { piece in
                FileTree.range(ofPiece: piece.index, size: files[piece.file].size).length
            })
        for edge in edges.sorted(by: Self.comesFirst) {
            joined.join(edge.one, edge.other) { bytes, _ in bytes <= FileTree.clusterSize }
        }
        clusters = joined.sets().map { $0.map { pieces[$0] } }
    }

    /// Far apart in one unit, files would make a reader of the unit keep all that is between them.
    private static func areNear(_ one: File, _ other: File) -> Bool {
        one.unit != other.unit || one.offset / reach == other.offset / reach
    }

    private static func comesFirst(_ one: Edge, _ other: Edge) -> Bool {
        (other.weight, one.one, one.other) < (one.weight, other.one, other.other)
    }

    private static func weight(_ value: Int) -> Int { Int.bitWidth - value.leadingZeroBitCount }

    /// What pairs of files have in common, pair by pair, in the order of the first one's blocks.
    private static func matches(among features: [ContentSampler.Feature]) -> [Match] {
        let sorted = features.sorted { ($0.hash, $0.file, $0.block) < ($1.hash, $1.file, $1.block) }
        // A file that repeats itself counts once.
        var unique: [ContentSampler.Feature] = []
        unique.reserveCapacity(sorted.count)
        for feature in sorted {
            if let last = unique.last, last.hash == feature.hash, last.file == feature.file { continue }
            unique.append(feature)
        }
        var matches: [Match] = []
        for (index, feature) in unique.enumerated() {
            for next in unique[(index + 1)...].prefix(mostFollowers) {
                if next.hash != feature.hash { break }
                matches.append(
                    Match(one: feature.file, other: next.file, block: feature.block, otherBlock: next.block))
            }
        }
        matches.sort {
            ($0.one, $0.other, $0.block, $0.otherBlock) < ($1.one, $1.other, $1.block, $1.otherBlock)
        }
        return matches
    }

    /// The pairs of files that have enough in common.
    private static func pairs(of matches: [Match]) -> [Edge] {
        var pairs: [Edge] = []
        var start = 0
        while start < matches.count {
            let first = matches[start]
            var end = start + 1
            while end < matches.count, matches[end].one == first.one, matches[end].other == first.other { end += 1 }
            if end - start >= leastMatches {
                pairs.append(
                    Edge(
                        one: Int(first.one), other: Int(first.other), weight: weight(end - start), matches: start..<end)
                )
            }
            start = end
        }
        return pairs
    }

    /// Finds, for each piece of the first file of a pair, the piece of the second that it is held to be like.
    private static func pieces(
        _ matches: ArraySlice<Match>, _ count: Int, _ otherCount: Int,
        _ body: (_ piece: Int, _ partner: Int, _ weight: Int) -> Void
    ) {
        let blocks = Int(FileTree.pieceSize / ContentSampler.window)
        /// For each piece, as many matches as it would have if they were spread evenly, eighths of them.
        let share = matches.count * 8 / count
        var nearest = matches.startIndex
        var first = matches.startIndex  // in the piece
        for piece in 0..<count {
            let middle = piece * blocks + blocks / 2
            func distance(_ index: Int) -> Int { abs(Int(matches[index].block) - middle) }
            while nearest + 1 < matches.endIndex, distance(nearest + 1) <= distance(nearest) { nearest += 1 }
            while first < matches.endIndex, Int(matches[first].block) < piece * blocks { first += 1 }
            var end = first
            while end < matches.endIndex, Int(matches[end].block) < (piece + 1) * blocks { end += 1 }
            if share < 8, distance(nearest) > farthest * blocks { continue }
            let place = middle + Int(matches[nearest].otherBlock) - Int(matches[nearest].block)
            let partner = min(max(0, place / blocks), otherCount - 1)
            body(piece, partner, weight(16 * (end - first) + share + 1))
            first = end
        }
    }
}
