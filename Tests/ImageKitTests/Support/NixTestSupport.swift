import Glibc
import SystemPackage

@testable import ImageKit

/// A directory with a `nix/store`, for one test. It is removed with this object.
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

    /// The absolute path of a relative one.
    func path(_ path: String) -> FilePath { root.pushing(FilePath(path)) }

    /// Makes a directory and its parents.
    @discardableResult
    func directory(_ path: String) throws -> FilePath {
        var made = root
        for component in FilePath(path).components {
            made.append(component)
            if made.withPlatformString({ mkdir($0, 0o755) }) != 0, errno != EEXIST { throw Errno(rawValue: errno) }
        }
        return made
    }

    /// Makes a file and its parents.
    @discardableResult
    func file(_ path: String, _ content: some Sequence<UInt8>, executable: Bool = false) throws -> FilePath {
        let file = self.path(path)
        try directory(FilePath(path).removingLastComponent().string)
        let descriptor = try FileDescriptor.open(
            file, .writeOnly, options: [.create, .truncate],
            permissions: FilePermissions(rawValue: executable ? 0o755 : 0o644))
        _ = try descriptor.closeAfter { try descriptor.writeAll(content) }
        return file
    }

    @discardableResult
    func file(_ path: String, _ content: String = "", executable: Bool = false) throws -> FilePath {
        try file(path, Array(content.utf8), executable: executable)
    }

    /// Makes a symbolic link and its parents.
    @discardableResult
    func link(_ path: String, to target: String) throws -> FilePath {
        let link = self.path(path)
        try directory(FilePath(path).removingLastComponent().string)
        guard link.withPlatformString({ symlink(target, $0) }) == 0 else { throw Errno(rawValue: errno) }
        return link
    }
}

/// A store path whose hash part depends on `number`.
func storePath(_ number: UInt64, _ name: String = "x") -> StorePath {
    var random = SplitMix(state: number)
    let hash = (0..<20).map { _ in UInt8(truncatingIfNeeded: random.next()) }
    do {
        return try StorePath(baseName: "\(NixBase32.encode(hash))-\(name)")
    } catch {
        preconditionFailure("\(error)")
    }
}

/// A hash that depends on `number`.
func narHash(_ number: UInt8) -> NARHash {
    NARHash(bytes: [UInt8](repeating: number, count: 32)) ?? { preconditionFailure("32 bytes are a hash") }()
}

/// An entry of a registration, with a hash that does not matter.
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

/// Whether Nix is installed, to compare with.
let hasNix = (try? Subprocess.run("nix-store", ["--version"]))?.status == 0
