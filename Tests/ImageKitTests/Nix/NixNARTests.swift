import Glibc
import SystemPackage
import Testing

@testable import ImageKit

/// A tree that can be made on disk and serialised in the simplest way.
private indirect enum Tree {
    case file([UInt8], executable: Bool = false)
    case link(String)
    case directory([String: Tree])

    func make(_ path: String, in store: TemporaryStore) throws {
        switch self {
        case .file(let bytes, let executable): try store.file(path, bytes, executable: executable)
        case .link(let target): try store.link(path, to: target)
        case .directory(let entries):
            try store.directory(path)
            for (name, tree) in entries { try tree.make("\(path)/\(name)", in: store) }
        }
    }

    var serialised: [UInt8] { Self.string("nix-archive-1") + node }

    private var node: [UInt8] {
        switch self {
        case .file(let bytes, let executable):
            ["(", "type", "regular"].flatMap(Self.string)
                + (executable ? ["executable", ""].flatMap(Self.string) : []) + Self.string("contents")
                + Self.string(bytes) + Self.string(")")
        case .link(let target): ["(", "type", "symlink", "target", target, ")"].flatMap(Self.string)
        case .directory(let entries):
            ["(", "type", "directory"].flatMap(Self.string)
                + entries.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }.flatMap { name, tree in
                    ["entry", "(", "name", name, "node"].flatMap(Self.string) + tree.node + Self.string(")")
                } + Self.string(")")
        }
    }

    private static func string(_ text: String) -> [UInt8] { string(Array(text.utf8)) }
    private static func string(_ bytes: [UInt8]) -> [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: bytes.count >> ($0 * 8)) } + bytes
            + [UInt8](repeating: 0, count: (8 - bytes.count % 8) % 8)
    }
}

private func serialise(_ path: FilePath, bufferSize: Int = NARWriter.defaultBufferSize) throws(ImageError) -> [UInt8] {
    var writer = NARWriter(bufferSize: bufferSize)
    var bytes: [UInt8] = []
    try writer.write(path) { bytes.append(contentsOf: $0) }
    return bytes
}

private func pattern(_ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ 3) } }

private let tree = Tree.directory([
    "run": .file(Array("#!/bin/sh\n".utf8), executable: true), "empty": .file([]), "seven": .file(pattern(7)),
    "eight": .file(pattern(8)), "4095": .file(pattern(4095)), "4096": .file(pattern(4096)),
    "4097": .file(pattern(4097)), "link": .link("../some/where"), "none": .directory([:]),
    " space\ttab\nline": .file([0x78]), "-dash": .file([0x2D]), "B": .file([0x42]), "b": .file([0x62]),
    "ü": .file([0xFC]),
    "a.b": .file([]), "a": .directory(["x": .file([1])]), "a-b": .file([]),
    "deep": .directory(["er": .directory(["and": .directory(["deeper": .link("x")])])]),
])

@Suite("Nix archive") struct NixNARTests {
    let store: TemporaryStore

    init() throws { store = try TemporaryStore() }

    @Test func followsTheFormat() throws {
        try tree.make("tree", in: store)
        #expect(try serialise(store.path("tree")) == tree.serialised)
        for single in [Tree.file([]), .file(pattern(5000), executable: true), .link("/nowhere"), .directory([:])] {
            try single.make("single", in: store)
            #expect(try serialise(store.path("single")) == single.serialised)
            _ = try Subprocess.run("rm", ["-r", store.path("single").string])
        }
    }

    @Test(arguments: [64, 65, 71, 72, 100, 4096, 4100, 8191]) func doesNotDependOnTheBuffer(size: Int) throws {
        try tree.make("tree", in: store)
        #expect(try serialise(store.path("tree"), bufferSize: size) == tree.serialised)
    }

    /// `nix-hash --type sha256 --base32` printed this hash for the tree.
    @Test func hasNixsHash() throws {
        try tree.make("tree", in: store)
        let (hash, size) = try NAR.hash(physical: store.path("tree"))
        #expect(hash.description == "sha256:1lv1k5mh8l16v8wiziha8z6y272knk3hla0c0cjxsxank95p82kn")
        #expect(size == UInt64(tree.serialised.count))
    }

    @Test(.enabled(if: hasNix, "nix-store is not installed")) func equalsNixsDump() throws {
        try tree.make("tree", in: store)
        // A name that is not UTF-8.
        let odd = [UInt8](0x01...0xFF).filter { $0 != 0x2F }
        let name = FilePath(platformString: odd.map { CChar(bitPattern: $0) } + [0])
        try FileDescriptor.open(
            store.path("tree").pushing(name), .writeOnly, options: .create, permissions: .ownerReadWrite
        ).close()
        let dump = try Subprocess.run("nix-store", ["--dump", store.path("tree").string])
        #expect(dump.status == 0)
        #expect(try serialise(store.path("tree")) == dump.output)
    }

    @Test func dependsOnlyOnTheOwnersExecuteBit() throws {
        let file = try store.file("file", "x")
        let plain = try serialise(file)
        for (mode, isPlain) in [(0o444, true), (0o655, true), (0o011, true), (0o100, false), (0o4744, false)] {
            _ = file.withPlatformString { chmod($0, mode_t(mode | 0o400)) }
            #expect(try (serialise(file) == plain) == isPlain, "\(mode)")
        }
    }

    /// Ten times deeper than PATH_MAX allows, with names of maximum length.
    @Test func serialisesDeepTrees() throws {
        let name = String(repeating: "d", count: 255)
        // A shell can enter a directory whose path is longer than PATH_MAX.
        let script = "cd \"$0\" && for i in $(seq 150); do mkdir $1 && cd -P $1 2>/dev/null || exit 1; done; echo > end"
        let made = try Subprocess.run("bash", ["-c", script, store.root.string, name])
        try #require(made.status == 0, "\(made.lastErrors)")
        var expected = Tree.file([0x0A])
        for level in 0..<150 { expected = .directory([level == 0 ? "end" : name: expected]) }
        #expect(try serialise(store.path(name)) == expected.serialised)
    }

    @Test func refusesFilesThatAnArchiveCannotHave() throws {
        try store.directory("tree/sub")
        _ = try Subprocess.run("mkfifo", [store.path("tree/sub/fifo").string])
        let error = message(try serialise(store.path("tree")))
        #expect(error.contains("'\(store.path("tree/sub/fifo"))'") && error.contains("a FIFO"), "\(error)")
        #expect(message(try serialise("/dev/null")).contains("a device"))
        let missing = message(try serialise(store.path("missing")))
        #expect(missing.contains("'\(store.path("missing"))'"))
    }

    @Test(.enabled(if: geteuid() != 0, "root may read everything")) func namesUnreadableFiles() throws {
        let file = try store.file("tree/secret", "x")
        _ = file.withPlatformString { chmod($0, 0) }
        let error = message(try serialise(store.path("tree")))
        #expect(error.contains("'\(file)'") && error.contains("run as a user who may"), "\(error)")
    }

    @Test func noticesChanges() throws {
        let file = try store.file("tree/file", pattern(300))
        var writer = NARWriter(bufferSize: 64)
        var isFirst = true
        do throws(ImageError) {
            // The sink is first called before the file is opened, when its size is already taken as 300 bytes.
            try writer.write(store.path("tree/file")) { (_) throws(ImageError) in
                if isFirst { _ = file.withPlatformString { truncate($0, 100) } }
                isFirst = false
            }
            Issue.record("a file that shrank was taken")
        } catch {
            #expect(error.code == .changed && error.path == file.string, "\(error)")
        }
    }

    @Test func throwsTheSinksError() throws {
        try tree.make("tree", in: store)
        let stop = ImageError(.cancelled, "enough")
        #expect(throws: stop) {
            try NAR.serialise(physical: store.path("tree")) { (_) throws(ImageError) in throw stop }
        }
        let progress = Progress()
        progress.cancel()
        #expect(throws: ImageError.self) { try NAR.hash(physical: store.path("tree"), progress: progress) }
    }
}
