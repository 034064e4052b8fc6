/// Files and directories, and the clusters that belong to each.
struct FATOwners {
    private var names: [(directory: Int, name: String)] = []
    private var extents: [(extent: FATExtent, owner: Int)] = []

    /// Adds a file or directory and returns its index. The root directory is the first, and its own parent.
    mutating func add(_ name: String, in directory: Int) -> Int {
        names.append((directory, name))
        return names.count - 1
    }

    /// Assigns these clusters to an owner.
    mutating func assign(_ assigned: [FATExtent], to owner: Int) {
        for extent in assigned { extents.append((extent, owner)) }
    }

    /// Sorts the extents, before ``owner(of:)`` is called.
    mutating func sort() { extents.sort { $0.extent.first < $1.extent.first } }

    /// The owner of a cluster. (No two owners have the same cluster.)
    func owner(of cluster: UInt64) -> Int? {
        let next = extents.partitioningIndex { $0.extent.first > cluster }
        guard next > 0 else { return nil }
        let (extent, owner) = extents[next - 1]
        return cluster - extent.first < extent.count ? owner : nil
    }

    /// The absolute path of an owner.
    func path(of owner: Int) -> String {
        var components: [String] = []
        var index = owner
        // A directory has a lower index than its entries.
        while index > 0, names.indices.contains(index) {
            components.append(names[index].name)
            index = min(names[index].directory, index - 1)
        }
        return "/" + components.reversed().joined(separator: "/")
    }
}
