public import SystemPackage

/// A file or directory of a store, by a path that has no symbolic links.
public struct ResolvedStorePath: Sendable, Hashable {
    /// The store path that it is or belongs to.
    public let path: StorePath
    /// The relative path in the store path; empty for the store path itself.
    public let subPath: FilePath
    /// The path on this machine.
    public let physical: FilePath

    /// The path in the running system: `/nix/store/...`.
    public var logical: FilePath { FilePath(path.path).pushing(subPath) }
}
