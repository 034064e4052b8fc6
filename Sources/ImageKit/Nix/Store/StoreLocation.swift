public import SystemPackage

/// Where the store physically is: store paths always read `/nix/store/...`, and lie in `<root>/nix/store/...`.
public struct StoreLocation: Sendable, Hashable {
    /// The directory that holds `nix/store`; `/` for the host's own store.
    public let root: FilePath

    /// A store below `root` (a chroot store, a mounted card). Nothing is looked at yet.
    public init(root: FilePath = "/") {
        self.root = root
    }

    /// The directory of the store paths.
    public var directory: FilePath { root.appending("nix").appending("store") }

    /// Where a store path physically is.
    public func physical(_ path: StorePath) -> FilePath { directory.appending(path.baseName) }

    /// The store path that an argument of the command line means: a store path, or something that leads to one by
    /// symbolic links (`./result`, a profile, a link inside another store path), as `nix-store` understands it.
    ///
    /// A store path that is itself a link is meant itself and not followed, so that it is not lost.
    ///
    /// - Throws: when it is not there, links go round in a circle, or it leads out of the store, to the store itself or
    ///   to a place inside a store path.
    public func resolve(_ argument: FilePath) throws(ImageError) -> StorePath {
        let place = try StoreWalk.follow(argument, in: self, stopsAtStorePath: true)
        guard place.subPath.isEmpty else {
            throw ImageError(
                .invalidInput, "not a store path, but a place inside one:", path: argument.string,
                reason: argument == place.logical ? nil : "it leads to '\(place.logical.string)'",
                remedy: "give '\(place.path.path)'")
        }
        return place.path
    }

    /// Follows every symbolic link of a path (host or logical) to where it ends, which must be in the store.
    ///
    /// - Throws: as ``resolve(_:)`` does, but for places inside a store path.
    public func follow(_ path: FilePath) throws(ImageError) -> StorePlace {
        try StoreWalk.follow(path, in: self, stopsAtStorePath: false)
    }

    /// Throws when a store path is not in the store.
    func checkPresent(_ path: StorePath) throws(ImageError) {
        // Any answer but "not there" is left to whoever reads the path.
        if case .failure(.noSuchFileOrDirectory) = StoreWalk.status(of: physical(path)) {
            throw ImageError(
                .notFound, "a path of the closure is not in the store:", path: physical(path).string,
                remedy: "build it or copy it there, or say with --store-root where the store is")
        }
    }
}

/// A place at or inside a store path, without symbolic links on the way.
public struct StorePlace: Sendable, Hashable {
    /// The store path.
    public let path: StorePath
    /// The relative path inside it; empty for the store path itself.
    public let subPath: FilePath
    /// Where it is on this machine.
    public let physical: FilePath

    /// The path that the running system will know it by: `/nix/store/...`.
    public var logical: FilePath { FilePath(path.path).pushing(subPath) }
}
