import Glibc
import SystemPackage

@testable import ImageKit

/// A directory with `nix/store` in it for one test, removed with this object.
final class TemporaryStore: Sendable {
    let root: FilePath
    var location: StoreLocation { StoreLocation(root: root) }

    init() throws {
        var template = Array("/tmp/mkpiimg-nix-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw Errno(rawValue: errno) }
        root = FilePath(platformString: template)
        try directory("nix/store")
    }

    deinit {
        _ = try? Subprocess.run("rm", ["-rf", root.string])
    }

    /// The path of a file below the root.
    func place(_ path: String) -> FilePath { root.pushing(FilePath(path)) }

    /// Creates a directory and its parents.
    @discardableResult
    func directory(_ path: String) throws -> FilePath {
        var made = root
        for component in FilePath(path).components {
            made.append(component)
            if made.withPlatformString({ mkdir($0, 0o755) }) != 0, errno != EEXIST { throw Errno(rawValue: errno) }
        }
        return made
    }

    /// Creates a file and its parent directories.
    @discardableResult
    func file(_ path: String, _ content: some Sequence<UInt8>, executable: Bool = false) throws -> FilePath {
        let place = place(path)
        try directory(FilePath(path).removingLastComponent().string)
        let descriptor = try FileDescriptor.open(
            place, .writeOnly, options: [.create, .truncate],
            permissions: FilePermissions(rawValue: executable ? 0o755 : 0o644))
        _ = try descriptor.closeAfter { try descriptor.writeAll(content) }
        return place
    }

    @discardableResult
    func file(_ path: String, _ content: String = "", executable: Bool = false) throws -> FilePath {
        try file(path, Array(content.utf8), executable: executable)
    }

    /// Creates a symbolic link and its parent directories.
    @discardableResult
    func link(_ path: String, to target: String) throws -> FilePath {
        let place = place(path)
        try directory(FilePath(path).removingLastComponent().string)
        guard place.withPlatformString({ symlink(target, $0) }) == 0 else { throw Errno(rawValue: errno) }
        return place
    }
}

/// A store path whose hash part is derived from `number`.
func storePath(_ number: UInt64, _ name: String = "x") -> StorePath {
    var random = SplitMix(state: number)
    let hash = (0..<20).map { _ in UInt8(truncatingIfNeeded: random.next()) }
    do {
        return try StorePath(baseName: "\(NixBase32.encode(hash))-\(name)")
    } catch {
        preconditionFailure("\(error)")
    }
}

/// A hash that is derived from `number`.
func narHash(_ number: UInt8) -> NARHash {
    NARHash(bytes: [UInt8](repeating: number, count: 32)) ?? { preconditionFailure("32 bytes are a hash") }()
}

/// The registered information of a path in tests of closures.
func info(_ path: StorePath, _ references: [StorePath] = [], size: UInt64 = 112) -> PathInfo {
    PathInfo(path: path, narHash: narHash(7), narSize: size, references: references)
}

/// The description of the error that `body` throws; empty if it throws none.
func message<Value>(_ body: @autoclosure () throws(ImageError) -> Value) -> String {
    do throws(ImageError) {
        _ = try body()
        return ""
    } catch {
        return error.description
    }
}

/// Whether Nix is installed, to compare with it.
let hasNix = (try? Subprocess.run("nix-store", ["--version"]))?.status == 0
