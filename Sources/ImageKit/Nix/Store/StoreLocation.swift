public import SystemPackage

/// The physical location of a store: store paths always begin with `/nix/store/`, their files are in
/// `<root>/nix/store/`.
public struct StoreLocation: Sendable, Hashable {
    /// The directory that has `nix/store`; `/` for the host's own store.
    public let root: FilePath

    /// A store below `root` (a chroot store, a mounted card). The directory is not accessed yet.
    public init(root: FilePath = "/") {
        self.root = root
    }

    /// The directory of the store paths.
    public var directory: FilePath { root.appending("nix").appending("store") }

    /// The physical path of a store path.
    public func physical(_ path: StorePath) -> FilePath { directory.appending(path.baseName) }

    /// The store path that a path leads to: a store path, or a symbolic link to one (`./result`, a profile, a link
    /// inside another store path). The rules are those of `nix-store`.
    ///
    /// A store path that is itself a symbolic link is not followed: it is part of the closure.
    ///
    /// - Throws: when the path does not exist, links form a circle, or the path leads out of the store, to the store
    ///   itself or into a store path.
    public func resolve(_ argument: FilePath) throws(ImageError) -> StorePath {
        let resolved = try StoreWalk.follow(argument, in: self, stopsAtStorePath: true)
        guard resolved.subPath.isEmpty else {
            throw ImageError(
                .invalidInput, "not a store path, but a place inside one:", path: argument.string,
                reason: argument == resolved.logical ? nil : "it leads to '\(resolved.logical.string)'",
                remedy: "give '\(resolved.path.path)'")
        }
        return resolved.path
    }

    /// Follows every symbolic link of a path (host or logical), which must lead into the store.
    ///
    /// - Throws: as ``resolve(_:)`` does, but a path may lead into a store path.
    public func follow(_ path: FilePath) throws(ImageError) -> ResolvedStorePath {
        try StoreWalk.follow(path, in: self, stopsAtStorePath: false)
    }

    /// The path on this machine that a path leads to, in this store or elsewhere; `nil` if it leads nowhere.
    func hostPath(of path: FilePath) -> FilePath? {
        if let resolved = try? follow(path) { return resolved.physical }
        if case .success(let resolved) = FileStatus.realPath(of: path) { return resolved }
        return nil
    }

    /// Throws when the store does not have a store path.
    func checkPresent(_ path: StorePath) throws(ImageError) {
        // Other errors are reported when the path is read.
        if case .failure(.noSuchFileOrDirectory) = FileStatus.mode(of: physical(path)) {
            throw ImageError(
                .notFound, "a path of the closure is not in the store:", path: physical(path).string,
                remedy: "build it or copy it there, or say with \(.storeRoot) where the store is")
        }
    }
}
