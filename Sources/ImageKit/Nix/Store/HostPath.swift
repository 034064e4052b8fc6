import Glibc
import SystemPackage

/// What is at a path of this machine.
enum HostPath {
    /// The kind (`S_IFDIR` and its like) of what a path leads to; `nil` where nothing is.
    static func kind(of path: FilePath) -> mode_t? {
        FileStatus.type(of: path)
    }

    /// Whether there is such a name, be it a link that leads nowhere.
    static func has(_ name: String, in directory: FilePath) -> Bool {
        FileStatus.exists(name, in: directory)
    }

    /// Where a path that somebody named leads: into the store that is given, or elsewhere on the host; `nil` where it
    /// leads nowhere.
    static func named(_ path: FilePath, in store: StoreLocation) -> FilePath? {
        if let place = try? store.follow(path) { return place.physical }
        if case .success(let resolved) = StoreWalk.real(path) { return resolved }
        return nil
    }
}
