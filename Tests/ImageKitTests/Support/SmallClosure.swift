import Foundation
import SystemPackage

@testable import ImageKit

/// The small closure of `fixtures/small`, which is created once for all tests that only read it.
struct SmallClosure: Sendable {
    let directory: FilePath

    /// The directory of this checkout.
    static let checkout = FilePath(#filePath).removingLastComponent().removingLastComponent().removingLastComponent()
        .removingLastComponent()

    /// The closure that tests share.
    static let shared = Result {
        try SmallClosure(at: FilePath(NSTemporaryDirectory()).appending("mkpiimg-small-\(getpid())"))
    }

    /// Creates a closure that a test may change.
    init(at directory: FilePath) throws {
        let made = try Judge.run("bash", [Self.checkout.appending("fixtures/small/make.sh").string, directory.string])
        guard made.status == 0 else { throw ImageError(.internal, "cannot make the small closure", reason: made.said) }
        self.directory = directory
    }

    var root: FilePath { directory.appending("root") }
    var store: FilePath { root.appending("nix/store") }

    /// The default recipe for its image.
    var recipe: ImageRecipe {
        var recipe = ImageRecipe(closures: [directory.appending("result")])
        recipe.store = StoreLocation(root: root)
        recipe.source = .scan
        recipe.firmware = [directory.appending("firmware")]
        return recipe
    }

    /// The store path with this name after the hash part.
    func path(_ name: String) throws -> FilePath {
        let all = try FileManager.default.contentsOfDirectory(atPath: store.string)
        guard let found = all.first(where: { $0.dropFirst(32) == name }) else {
            throw ImageError(.notFound, "no store path", path: name)
        }
        return store.appending(found)
    }
}

/// Collects the bytes that are written. Fails beyond `limit` bytes.
final class MemorySink: ByteSink {
    private(set) var bytes: [UInt8] = []
    let limit: Int

    init(limit: Int = .max) { self.limit = limit }

    func write(_ more: UnsafeRawBufferPointer) throws(ImageError) {
        guard bytes.count + more.count <= limit else { throw .system(.noSpace, "cannot write", path: "memory") }
        bytes += more
    }
}

extension ImagePlan {
    /// Writes the image: raw, or in frames of about `frameSize` bytes.
    func write(to path: String, frameSize: UInt64? = nil) throws {
        let format = frameSize.map { ImageWriter.Format.seekable(ZstdParameters(), frameSize: $0) } ?? .raw
        _ = try ImageWriter(self, format: format, threads: 2).write(to: .file(FilePath(path)))
    }
}
