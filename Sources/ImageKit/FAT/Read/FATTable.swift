import Synchronization

/// The FAT of a volume, read page by page on demand.
///
/// A page has 12 KiB, a whole number of entries of 12, 16 and 32 bits, so that no entry is in two pages. The pages used
/// last are kept, 192 KiB; the FAT of a volume of 2 TiB has 256 MiB.
final class FATTable: Sendable {
    /// The meaning of a cluster's entry.
    enum Entry: Equatable {
        /// The chain continues with this cluster, which exists.
        case next(UInt64)
        /// The cluster is the last of its chain.
        case end
        /// The cluster belongs to no file.
        case free
        /// The cluster is marked as defective.
        case bad
        /// The entry has the number of a cluster that does not exist.
        case invalid(UInt64)
    }

    /// The cached pages, the one used last at the end.
    private struct Cache {
        var pages: [(index: UInt64, bytes: [UInt8])] = []
    }

    private let source: any ByteSource
    private let layout: FATVolume.Layout
    private let cache = Mutex(Cache())

    private static let pageSize: UInt64 = 12 << 10
    private static let maximumPages = 16

    init(_ source: any ByteSource, _ layout: FATVolume.Layout) {
        self.source = source
        self.layout = layout
    }

    /// The entry of a cluster that exists.
    func entry(of cluster: UInt64) throws(ImageError) -> Entry { classify(try value(of: cluster)) }

    /// The number in the entry of a cluster that exists, or in one of the special entries 0 and 1.
    func value(of cluster: UInt64) throws(ImageError) -> UInt64 {
        let bit = cluster * layout.kind.bits
        let byte = bit / 8
        let page = try page(byte / Self.pageSize)
        return value(in: page, at: Int(byte % Self.pageSize), isOdd: bit % 8 != 0)
    }

    /// The byte of the source at which a cluster's entry begins, for messages.
    func offset(ofEntry cluster: UInt64) -> UInt64 {
        layout.activeFATOffset + cluster * layout.kind.bits / 8
    }

    /// Reads the whole FAT once, and calls `body` in order for each cluster that is not free.
    ///
    /// - Returns: the number of free clusters.
    @discardableResult
    func forEachUsedEntry(
        _ body: (_ cluster: UInt64, _ value: UInt64) throws(ImageError) -> Void
    ) throws(ImageError) -> UInt64 {
        let bits = layout.kind.bits
        let perPage = Self.pageSize * 8 / bits
        let end = layout.clusters.upperBound
        var free: UInt64 = 0
        var start: UInt64 = 0
        while start < end {
            // Not through the cache: one pass over everything would only empty it.
            let bytes = try read(start / perPage)
            let clusters = max(start, 2)..<min(start + perPage, end)
            // Most pages of a large volume's FAT are zero.
            if bytes.withUnsafeBytes({ $0.isZero }) {
                free += UInt64(clusters.count)
            } else {
                for cluster in clusters {
                    let bit = (cluster - start) * bits
                    let value = value(in: bytes, at: Int(bit / 8), isOdd: bit % 8 != 0)
                    if value == 0 { free += 1 } else { try body(cluster, value) }
                }
            }
            start += perPage
        }
        return free
    }

    /// Counts the free clusters in all entries.
    func freeClusters() throws(ImageError) -> UInt64 { try forEachUsedEntry { (_, _) in } }

    private func value(in page: [UInt8], at offset: Int, isOdd: Bool) -> UInt64 {
        switch layout.kind {
        case .fat12:
            let pair = UInt64(page.load(UInt16.self, at: offset) ?? 0)
            return isOdd ? pair >> 4 : pair & 0xFFF
        case .fat16: return UInt64(page.load(UInt16.self, at: offset) ?? 0)
        case .fat32: return UInt64(page.load(UInt32.self, at: offset) ?? 0) & 0x0FFF_FFFF
        }
    }

    /// The meaning of a number in the FAT.
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

    /// A page, from the cache if it is there. The lock is not held during a read, so that threads do not wait for each
    /// other when the source is slow (a compressed one).
    private func page(_ index: UInt64) throws(ImageError) -> [UInt8] {
        let known = cache.withLock { cache -> [UInt8]? in
            guard let position = cache.pages.lastIndex(where: { $0.index == index }) else { return nil }
            let found = cache.pages[position]
            if position != cache.pages.count - 1 {
                cache.pages.remove(at: position)
                cache.pages.append(found)
            }
            return found.bytes
        }
        if let known { return known }
        let bytes = try read(index)
        cache.withLock { cache in
            guard !cache.pages.contains(where: { $0.index == index }) else { return }
            if cache.pages.count >= Self.maximumPages { cache.pages.removeFirst() }
            cache.pages.append((index, bytes))
        }
        return bytes
    }

    private func read(_ index: UInt64) throws(ImageError) -> [UInt8] {
        let start = index * Self.pageSize
        guard start < layout.fatSize else { return [] }
        return try source.read(
            Int(min(Self.pageSize, layout.fatSize - start)), at: layout.activeFATOffset + start)
    }
}
