/// A store path's entry in a registration: its hash, its size and its references.
public struct PathInfo: Sendable, Hashable {
    /// The store path itself.
    public let path: StorePath
    /// The SHA-256 of its NAR.
    public let narHash: NARHash
    /// The length of its NAR in bytes.
    public let narSize: UInt64
    /// The paths that it refers to, often including itself. Each occurs once, and they are sorted by their bytes.
    public let references: [StorePath]

    /// See the properties of the same names. References may be in any order and may be repeated.
    public init(path: StorePath, narHash: NARHash, narSize: UInt64, references: some Sequence<StorePath>) {
        self.path = path
        self.narHash = narHash
        self.narSize = narSize
        self.references = Set(references).sorted()
    }
}

extension [PathInfo] {
    /// The entry of a path; `nil` if the list does not have it. The list must be sorted by path.
    func info(of path: StorePath) -> PathInfo? {
        let index = partitioningIndex { $0.path >= path }
        return index < endIndex && self[index].path == path ? self[index] : nil
    }
}
