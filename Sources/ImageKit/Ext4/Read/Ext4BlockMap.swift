/// Consecutive blocks of a file that are consecutive on the disk.
struct Ext4Extent: Hashable, Sendable {
    /// The first block, counted in the file.
    var first: UInt64
    var count: UInt64
    /// The first block on the disk.
    var disk: UInt64
}

/// The map of a file's blocks, with the damage that was found in it.
struct Ext4BlockMap {
    /// The readable part of the file: ascending. Blocks that no extent covers are zero.
    var extents: [Ext4Extent] = []
    /// All blocks that the file owns on the disk, if they were asked for: also blocks that are allocated and not
    /// written, blocks beyond its end, and those of the map itself.
    var claims: [(disk: UInt64, count: UInt64)] = []
    /// The claims, each of one block, that are blocks of the map itself.
    var mapBlocks: Set<UInt64> = []
    /// The last block of the file that has been written, and the last one that it owns.
    var lastWritten: UInt64?, last: UInt64?
    /// Damage that did not stop the reading.
    var faults: [ImageError] = []
    /// Damage that stopped the reading: the rest of the map is unknown.
    var failure: ImageError?
}
