/// The use of every byte of a disk: extents that follow each other and cover all of it.
///
/// ```
///   ├ table ┤ gap ┤ FAT ··┤ files ┤ free ┤ superblock ┤ bitmaps ┤ inodes ┤ a store path ┤ another ┤ free ┤
/// ```
package struct DiskMap: Sendable {
    /// The use of an extent.
    package enum Kind: UInt8, Sendable, Hashable, CaseIterable {
        /// A partition table.
        case table
        /// FAT: the boot sector and the other reserved sectors before the FATs; the FATs; directories.
        case fatHead, fat, fatDirectory
        /// ext2, ext3 and ext4: superblocks; group descriptors; blocks reserved for more group descriptors.
        case superblock, descriptors, growth
        /// Bitmaps of blocks and inodes; inodes; the journal.
        case bitmap, inodeTable, journal
        /// Directories of ext2, ext3 and ext4.
        case directory
        /// Blocks that say where a file's blocks are (extent blocks, indirect blocks), and extended attributes.
        case blockMap
        /// Bytes of files; targets of links that are too long for an inode.
        case file, link
        /// In use by a filesystem for an unknown purpose.
        case used
        /// A partition whose content is unknown, or the rest of a partition behind its filesystem.
        case other
        /// Free in a filesystem.
        case free
        /// In no partition.
        case gap

        /// Whether the extent is not in use.
        package var isFree: Bool { self == .free || self == .gap }
    }

    /// A contiguous range of the disk with one use and one owner.
    package struct Extent: Sendable, Hashable {
        /// The offset on the disk and the length, in bytes.
        package var offset: UInt64, length: UInt64
        /// Its use.
        package var kind: Kind
        /// The number of its owner, such as a node of ``SpaceUse``; −1 for none.
        package var owner: Int32
        /// The first byte after it.
        package var end: UInt64 { offset + length }

        /// See the properties of the same names.
        init(_ bytes: Range<UInt64>, _ kind: Kind, owner: Int32 = -1) {
            offset = bytes.lowerBound
            length = bytes.length
            self.kind = kind
            self.owner = owner
        }
    }

    /// The extents: ascending, without overlap or gap, from 0 to the disk's end.
    package private(set) var extents: [Extent]

    /// Puts layers on top of each other, the first one uppermost: its extents hide those below. Bytes in no layer are
    /// ``Kind/gap``. The extents of a layer may have any order; where two overlap, the one that begins first wins.
    init(size: UInt64, layers: [[Extent]]) {
        var extents: [Extent] = []
        for layer in layers.reversed() {
            extents = Self.cover(extents, with: Self.ordered(layer, size))
        }
        self.extents = Self.cover(size > 0 ? [Extent(0..<size, .gap)] : [], with: extents)
    }

    /// The same disk with other owners. Neighbours of the same kind and owner are joined.
    package func joined(owner: (Extent) -> Int32) -> DiskMap {
        var copy = self
        copy.extents = []
        for var extent in extents {
            extent.owner = owner(extent)
            if let last = copy.extents.last, last.kind == extent.kind, last.owner == extent.owner {
                copy.extents[copy.extents.count - 1].length += extent.length
            } else {
                copy.extents.append(extent)
            }
        }
        return copy
    }

    /// The bytes of each kind.
    package var bytes: [Kind: UInt64] {
        var sums: [Kind: UInt64] = [:]
        for extent in extents { sums[extent.kind, default: 0] += extent.length }
        return sums
    }

    /// A layer's extents, ascending, without overlap, and cut off at the disk's end.
    private static func ordered(_ layer: [Extent], _ size: UInt64) -> [Extent] {
        var indices = Array(layer.indices)
        // Of two that begin together, the first in the layer stays first.
        indices.sort { (layer[$0].offset, $0) < (layer[$1].offset, $1) }
        var found: [Extent] = []
        found.reserveCapacity(indices.count)
        var end: UInt64 = 0
        for index in indices {
            var extent = layer[index]
            let stop = min(extent.offset.addingClamping(extent.length), size)
            extent.offset = max(extent.offset, end)
            guard extent.offset < stop else { continue }
            extent.length = stop - extent.offset
            end = stop
            found.append(extent)
        }
        return found
    }

    /// Joins two layers. Both are ascending and without overlap, and so is the result.
    private static func cover(_ bottom: [Extent], with top: [Extent]) -> [Extent] {
        if bottom.isEmpty { return top }
        var found: [Extent] = []
        found.reserveCapacity(top.count + bottom.count)
        var index = 0
        for var extent in bottom {
            let end = extent.end
            // Extents of the top layer before this one, or over its beginning.
            while index < top.count, top[index].offset < end {
                let cover = top[index]
                if cover.offset > extent.offset {
                    found.append(Extent(extent.offset..<cover.offset, extent.kind, owner: extent.owner))
                }
                if cover.end > extent.offset { extent.offset = min(cover.end, end) }
                // A cover that ends later also hides the beginning of the next extent.
                if cover.end > end { break }
                found.append(cover)
                index += 1
            }
            if extent.offset < end { found.append(Extent(extent.offset..<end, extent.kind, owner: extent.owner)) }
        }
        found += top[index...]
        return found
    }
}

extension DiskMap {
    /// The same disk in at most about `count` extents. It is cut into steps of equal length; each step has the kind and
    /// owner that take most of it, where extents in use count before free ones.
    package func coarse(_ count: Int) -> DiskMap {
        guard let last = extents.last, count > 0 else { return self }
        let step = max(512, last.end.dividedRoundingUp(by: UInt64(count)))
        var copy = self
        copy.extents = []
        var start: UInt64 = 0
        var index = 0
        while start < last.end, index < extents.count {
            let end = min(start.addingClamping(step), last.end)
            var sums: [Extent: UInt64] = [:]
            while index < extents.count, extents[index].offset < end {
                let extent = extents[index]
                let length = min(extent.end, end) - max(extent.offset, start)
                sums[Extent(0..<1, extent.kind, owner: extent.owner), default: 0] += length
                if extent.end > end { break }
                index += 1
            }
            let largest = sums.max {
                ($0.key.kind.isFree ? 0 : 1, $0.value, $0.key.owner) < (
                    $1.key.kind.isFree ? 0 : 1, $1.value, $1.key.owner
                )
            }?.key
            copy.extents.append(Extent(start..<end, largest?.kind ?? .gap, owner: largest?.owner ?? -1))
            start = end
        }
        return copy.joined { $0.owner }
    }
}
