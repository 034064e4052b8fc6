/// A store path's entry in a registration: its hash, its size and its references.
public struct PathInfo: Sendable, Hashable {
    /// The path.
    public let path: StorePath
    /// The SHA-256 of its NAR serialisation.
    public let narHash: NARHash
    /// The length of its NAR serialisation in bytes.
    public let narSize: UInt64
    /// The paths that it refers to, often including itself: sorted by their bytes, each once.
    public let references: [StorePath]

    /// See the properties of the same names; references may come in any order, and several times.
    public init(path: StorePath, narHash: NARHash, narSize: UInt64, references: some Sequence<StorePath>) {
        self.path = path
        self.narHash = narHash
        self.narSize = narSize
        self.references = Set(references).sorted()
    }
}

extension [PathInfo] {
    /// The entry of a path in a sorted list.
    func info(of path: StorePath) -> PathInfo? {
        let index = partitioningIndex { $0.path >= path }
        return index < endIndex && self[index].path == path ? self[index] : nil
    }
}
