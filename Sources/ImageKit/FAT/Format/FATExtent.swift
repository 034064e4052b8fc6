/// Clusters of a file or directory that follow each other on the disk.
struct FATExtent: Equatable {
    /// The number of the first cluster.
    var first: UInt64
    /// How many clusters they are.
    var count: UInt64
}
