/// What lies where on a disk: pieces that follow each other and cover all of it.
///
/// ```
///   ├ table ┤ gap ┤ FAT ··┤ files ┤ free ┤ superblock ┤ bitmaps ┤ inodes ┤ a store path ┤ another ┤ free ┤
/// ```
public struct DiskMap: Sendable {
    /// What a piece holds.
    public enum Kind: UInt8, Sendable, Hashable, CaseIterable {
        /// A partition table.
        case table
        /// The boot sector of a FAT filesystem and what else is reserved before its FATs; the FATs; directories.
        case fatHead, fat, fatDirectory
        /// Superblocks of ext2, ext3 and ext4; the groups' descriptors; room for more of these.
        case superblock, descriptors, growth
        /// Bitmaps of blocks and inodes; inodes; the journal.
        case bitmap, inodeTable, journal
        /// Directories of ext2, ext3 and ext4.
        case directory
        /// Where a file's blocks are: extents, indirect blocks; and attributes.
        case blockMap
        /// Bytes of files; targets of links that are too long for an inode.
        case file, link
        /// In use by a filesystem, and nothing that was found says what for.
        case used
        /// A partition whose content cannot be told apart here, or what a filesystem leaves of its partition.
        case other
        /// Free in a filesystem.
        case free
        /// In no partition.
        case gap

        /// Whether nothing is kept there.
        public var isFree: Bool { self == .free || self == .gap }
    }

    /// A run of bytes of one kind that belong together.
    public struct Piece: Sendable, Hashable {
        /// Where it begins, in bytes, and how long it is.
        public var offset: UInt64, length: UInt64
        /// What it holds.
        public var kind: Kind
        /// A number of whom it belongs to, such as a node of ``SpaceUse``; −1 for nobody.
        public var owner: Int32
        /// The first byte after it.
        public var end: UInt64 { offset + length }

        /// See the properties of the same names.
        public init(_ bytes: Range<UInt64>, _ kind: Kind, owner: Int32 = -1) {
            offset = bytes.lowerBound
            length = bytes.length
            self.kind = kind
            self.owner = owner
        }
    }

    /// The pieces: ascending, without overlap or gap, from 0 to the disk's end.
    public private(set) var pieces: [Piece]

    /// Lays layers over each other, each of pieces in any order: what the first one has hides what is below. What none
    /// has is ``Kind/gap``. In one layer, the piece that begins first has what two claim.
    public init(size: UInt64, layers: [[Piece]]) {
        var pieces: [Piece] = []
        for layer in layers.reversed() {
            pieces = Self.lay(Self.ordered(layer, size), over: pieces)
        }
        self.pieces = Self.lay(pieces, over: size > 0 ? [Piece(0..<size, .gap)] : [])
    }

    /// The same disk, with other owners; neighbours that are alike are joined.
    public func joined(owner: (Piece) -> Int32) -> DiskMap {
        var copy = self
        copy.pieces = []
        for var piece in pieces {
            piece.owner = owner(piece)
            if let last = copy.pieces.last, last.kind == piece.kind, last.owner == piece.owner {
                copy.pieces[copy.pieces.count - 1].length += piece.length
            } else {
                copy.pieces.append(piece)
            }
        }
        return copy
    }

    /// The bytes of each kind.
    public var bytes: [Kind: UInt64] {
        var sums: [Kind: UInt64] = [:]
        for piece in pieces { sums[piece.kind, default: 0] += piece.length }
        return sums
    }

    /// Ascending and disjoint, and none of it past the end.
    private static func ordered(_ layer: [Piece], _ size: UInt64) -> [Piece] {
        var places = Array(layer.indices)
        // The order in which they came decides between two that begin together.
        places.sort { (layer[$0].offset, $0) < (layer[$1].offset, $1) }
        var found: [Piece] = []
        found.reserveCapacity(places.count)
        var end: UInt64 = 0
        for place in places {
            var piece = layer[place]
            let stop = min(piece.offset.addingClamping(piece.length), size)
            piece.offset = max(piece.offset, end)
            guard piece.offset < stop else { continue }
            piece.length = stop - piece.offset
            end = stop
            found.append(piece)
        }
        return found
    }

    /// Both are ascending and disjoint, and so is what comes out.
    private static func lay(_ top: [Piece], over bottom: [Piece]) -> [Piece] {
        if bottom.isEmpty { return top }
        var found: [Piece] = []
        found.reserveCapacity(top.count + bottom.count)
        var index = 0
        for var piece in bottom {
            let end = piece.end
            // What lies before this one, or over its beginning.
            while index < top.count, top[index].offset < end {
                let cover = top[index]
                if cover.offset > piece.offset {
                    found.append(Piece(piece.offset..<cover.offset, piece.kind, owner: piece.owner))
                }
                if cover.end > piece.offset { piece.offset = min(cover.end, end) }
                // One that goes on beyond is met again by the next, and hides that too.
                if cover.end > end { break }
                found.append(cover)
                index += 1
            }
            if piece.offset < end { found.append(Piece(piece.offset..<end, piece.kind, owner: piece.owner)) }
        }
        found += top[index...]
        return found
    }
}

extension DiskMap {
    /// The same disk in at most about so many pieces, of equal length: each has the kind and owner that has the most of it,
    /// and what is kept counts before what is free.
    public func coarse(_ count: Int) -> DiskMap {
        guard let last = pieces.last, count > 0 else { return self }
        let step = max(512, last.end.dividedRoundingUp(by: UInt64(count)))
        var copy = self
        copy.pieces = []
        var place: UInt64 = 0
        var index = 0
        while place < last.end, index < pieces.count {
            let end = min(place.addingClamping(step), last.end)
            var sums: [Piece: UInt64] = [:]
            while index < pieces.count, pieces[index].offset < end {
                let piece = pieces[index]
                let length = min(piece.end, end) - max(piece.offset, place)
                sums[Piece(0..<1, piece.kind, owner: piece.owner), default: 0] += length
                if piece.end > end { break }
                index += 1
            }
            let most = sums.max {
                ($0.key.kind.isFree ? 0 : 1, $0.value, $0.key.owner) < (
                    $1.key.kind.isFree ? 0 : 1, $1.value, $1.key.owner
                )
            }?.key
            copy.pieces.append(Piece(place..<end, most?.kind ?? .gap, owner: most?.owner ?? -1))
            place = end
        }
        return copy.joined { $0.owner }
    }
}
