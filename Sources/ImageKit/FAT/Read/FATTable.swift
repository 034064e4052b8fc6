import Synchronization

/// The FAT of a volume, read a piece at a time where it is asked for.
///
/// A piece has 12 KiB, which is a whole number of entries of 12, 16 and 32 bits, so that no entry lies in two of them.
/// The last few are kept: 192 KiB, though the FAT of 2 TiB has 256 MiB.
final class FATTable: Sendable {
    /// What the FAT says of a cluster.
    enum Entry: Equatable {
        /// The chain goes on with this cluster, which there is.
        case next(UInt64)
        /// It is the last of its chain.
        case end
        /// It belongs to no file.
        case free
        /// It is marked as one that the disk cannot keep.
        case bad
        /// A number that no cluster has.
        case invalid(UInt64)
    }

    private struct Cache {
        var pieces: [(index: UInt64, bytes: [UInt8])] = []
    }

    private let source: any ByteSource
    private let layout: FATLayout
    private let cache = Mutex(Cache())

    private static let pieceSize: UInt64 = 12 << 10
    private static let keptPieces = 16

    init(_ source: any ByteSource, _ layout: FATLayout) {
        self.source = source
        self.layout = layout
    }

    /// The entry of a cluster that there is.
    func entry(of cluster: UInt64) throws(ImageError) -> Entry { classify(try value(of: cluster)) }

    /// The number in an entry: of a cluster that there is, or of 0 or 1, where other things are kept.
    func value(of cluster: UInt64) throws(ImageError) -> UInt64 {
        let bit = cluster * UInt64(layout.kind.rawValue)
        let byte = bit / 8
        let piece = try piece(byte / Self.pieceSize)
        return value(in: piece, at: Int(byte % Self.pieceSize), isOdd: bit % 8 != 0)
    }

    /// The byte of the source where a cluster's entry begins, for errors.
    func offset(ofEntry cluster: UInt64) -> UInt64 {
        layout.activeFATOffset + cluster * UInt64(layout.kind.rawValue) / 8
    }

    /// Reads all of it once: takes the number in the entry of each cluster that is not free, in order.
    ///
    /// - Returns: how many clusters are free.
    @discardableResult
    func readAll(
        _ take: (_ cluster: UInt64, _ value: UInt64) throws(ImageError) -> Void
    ) throws(ImageError) -> UInt64 {
        let bits = UInt64(layout.kind.rawValue)
        let perPiece = Self.pieceSize * 8 / bits
        let end = layout.clusters.upperBound
        var free: UInt64 = 0
        var start: UInt64 = 0
        while start < end {
            // Past the cache, which one pass over everything would only empty.
            let bytes = try read(start / perPiece)
            let clusters = max(start, 2)..<min(start + perPiece, end)
            // Most of a large volume's FAT says nothing.
            if bytes.withUnsafeBytes({ $0.isZero }) {
                free += UInt64(clusters.count)
            } else {
                for cluster in clusters {
                    let bit = (cluster - start) * bits
                    let value = value(in: bytes, at: Int(bit / 8), isOdd: bit % 8 != 0)
                    if value == 0 { free += 1 } else { try take(cluster, value) }
                }
            }
            start += perPiece
        }
        return free
    }

    /// Counts the free clusters, by looking at every entry.
    func freeClusters() throws(ImageError) -> UInt64 { try readAll { (_, _) in } }

    private func value(in piece: [UInt8], at place: Int, isOdd: Bool) -> UInt64 {
        switch layout.kind {
        case .fat12:
            let pair = UInt64(piece.load(UInt16.self, at: place) ?? 0)
            return isOdd ? pair >> 4 : pair & 0xFFF
        case .fat16: return UInt64(piece.load(UInt16.self, at: place) ?? 0)
        case .fat32: return UInt64(piece.load(UInt32.self, at: place) ?? 0) & 0x0FFF_FFFF
        }
    }

    /// What a number in the FAT says.
    func classify(_ value: UInt64) -> Entry {
        if layout.clusters.contains(value) { return .next(value) }
        if value == 0 { return .free }
        let marks: UInt64 =
            switch layout.kind {
            case .fat12: 0xFF0
            case .fat16: 0xFFF0
            case .fat32: 0x0FFF_FFF0
            }
        return value >= marks | 8 ? .end : value == marks | 7 ? .bad : .invalid(value)
    }

    /// A piece, from the cache where it is there. The lock is not held while reading, so that a slow source (a
    /// compressed one) does not make threads wait for each other.
    private func piece(_ index: UInt64) throws(ImageError) -> [UInt8] {
        let known = cache.withLock { cache -> [UInt8]? in
            guard let place = cache.pieces.lastIndex(where: { $0.index == index }) else { return nil }
            let found = cache.pieces[place]
            if place != cache.pieces.count - 1 {
                cache.pieces.remove(at: place)
                cache.pieces.append(found)
            }
            return found.bytes
        }
        if let known { return known }
        let bytes = try read(index)
        cache.withLock { cache in
            guard !cache.pieces.contains(where: { $0.index == index }) else { return }
            if cache.pieces.count >= Self.keptPieces { cache.pieces.removeFirst() }
            cache.pieces.append((index, bytes))
        }
        return bytes
    }

    private func read(_ index: UInt64) throws(ImageError) -> [UInt8] {
        let start = index * Self.pieceSize
        guard start < layout.fatSize else { return [] }
        return try source.read(
            Int(min(Self.pieceSize, layout.fatSize - start)), at: layout.activeFATOffset + start)
    }
}
