import Glibc
import SystemPackage

/// Follows a path through symbolic links as the kernel would, except that `/nix` always means the one below the store's
/// root: links in a chroot store do not lead into the host's store.
struct StoreWalk {
    /// The number of links in a path that Linux follows.
    private static let maximumLinks = 40

    private let argument: FilePath
    private let store: StoreLocation
    /// The real path of the store's directory.
    private let storeDirectory: FilePath
    /// The real path of the store's root.
    private let root: FilePath
    /// The path that the walk has reached; it has no links.
    private var current: FilePath
    /// The names that are left to walk, the last name first.
    private var remaining: [FilePath.Component] = []

    /// - Parameter stopsAtStorePath: whether a store path that is itself a link is not followed.
    static func follow(
        _ argument: FilePath, in store: StoreLocation, stopsAtStorePath: Bool
    ) throws(ImageError) -> ResolvedStorePath {
        var walk = try StoreWalk(argument, store)
        try walk.run(stopsAtStorePath: stopsAtStorePath)
        return try walk.result()
    }

    private init(_ argument: FilePath, _ store: StoreLocation) throws(ImageError) {
        guard !argument.isEmpty else {
            throw ImageError(.invalidInput, "a path is empty", remedy: "give a store path or a link to one")
        }
        self.argument = argument
        self.store = store
        switch (FileStatus.realPath(of: store.directory), FileStatus.realPath(of: store.root)) {
        case (.success(let directory), .success(let root)):
            storeDirectory = directory
            self.root = root
        case (.failure(let errno), _), (_, .failure(let errno)):
            throw .system(
                errno, "there is no Nix store at", path: store.directory,
                remedy: "say with \(.storeRoot) which folder holds nix/store")
        }
        current = "/"
        if argument.isRelative {
            switch FileStatus.realPath(of: ".") {
            case .success(let directory): current = directory
            case .failure(let errno): throw .system(errno, "cannot find", path: argument)
            }
        }
        enter(argument)
    }

    /// Continues with a path, which is relative to the current one if it does not begin with a slash.
    private mutating func enter(_ path: FilePath) {
        remaining.append(contentsOf: path.components.reversed())
        guard path.isAbsolute else { return }
        // The root may itself be below the host's /nix. Then its own path is not a logical one.
        let isLogical = path.components.first?.string == "nix" && !path.starts(with: root)
        current = isLogical && !path.starts(with: store.root) ? root : "/"
    }

    private mutating func run(stopsAtStorePath: Bool) throws(ImageError) {
        var links = 0
        while let name = remaining.popLast() {
            switch name.kind {
            case .currentDirectory: continue
            case .parentDirectory:
                current.removeLastComponent()
                continue
            case .regular: break
            }
            let next = current.appending(name)
            let isEnd = stopsAtStorePath && remaining.isEmpty && current == storeDirectory
            switch FileStatus.mode(of: next) {
            case .failure(let errno): throw missing(next, errno)
            case .success(let mode) where isEnd || mode & S_IFMT != S_IFLNK:
                current = next
            case .success:
                links += 1
                guard links <= Self.maximumLinks else {
                    throw ImageError(
                        .invalidInput, "symbolic links go round in a circle:", path: argument.string,
                        reason: "after \(links - 1) links it is at '\(next.string)'",
                        remedy: "give the store path itself")
                }
                let target: FilePath
                switch FileStatus.linkTarget(of: next) {
                case .failure(let errno): throw missing(next, errno)
                case .success(let path): target = path
                }
                try checkStays(target, from: next)
                enter(target)
            }
        }
    }

    /// Throws when a link in the store leads out of the store: its target would not be in the image.
    private func checkStays(_ target: FilePath, from link: FilePath) throws(ImageError) {
        guard current.starts(with: storeDirectory) else { return }
        let stays =
            target.isAbsolute
            ? target.lexicallyNormalized().starts(with: FilePath(StorePath.directory))
            : current.pushing(target).lexicallyNormalized().starts(with: storeDirectory)
        if stays { return }
        throw ImageError(
            .invalidInput, "a symbolic link leads out of the store:", path: link.string,
            reason: "it says '\(target.string)'", remedy: "give a path that stays in '\(store.directory.string)'")
    }

    /// The store path that the walk ended at or in.
    private func result() throws(ImageError) -> ResolvedStorePath {
        guard current.starts(with: storeDirectory) else {
            let leads = current == argument ? "" : "it leads to '\(current.string)', and "
            throw ImageError(
                .invalidInput, "not in a Nix store:", path: argument.string,
                reason: "\(leads)the store is '\(store.directory.string)'",
                remedy: "give a store path or a link to one, or say with \(.storeRoot) where the store is")
        }
        let inside = Array(current.components.dropFirst(storeDirectory.components.count))
        guard let first = inside.first else {
            throw ImageError(
                .invalidInput, "this is the store itself, not a path in it:", path: argument.string,
                remedy: "give one of its paths")
        }
        let name = FilePath(root: nil, CollectionOfOne(first)).bytes
        return ResolvedStorePath(
            path: try StorePath(pathBytes: Array("\(StorePath.directory)/".utf8) + name),
            subPath: FilePath(root: nil, inside.dropFirst()), physical: current)
    }

    private func missing(_ next: FilePath, _ errno: Errno) -> ImageError {
        let leads = next == argument || next.lexicallyNormalized() == argument ? "" : " (it leads to '\(next.string)')"
        return ImageError(
            ImageError.Code(errno), "cannot find", path: argument.string, reason: errno.description + leads,
            remedy: current.starts(with: storeDirectory)
                ? "build it, or say with \(.storeRoot) where the store is" : "check the path")
    }
}
