import Glibc
import SystemPackage
import Testing

@testable import ImageKit

private let top = storePath(1, "top"), library = storePath(2, "library"), data = storePath(3, "data")
private let named = storePath(4, "named"), unused = storePath(5, "unused"), recipe = storePath(6, "top.drv")

/// A store in which `top` refers to `library` (text), `data` (link) and `named` (a file's name), `library` to itself
/// across the border of two reads, `unused` to `top`, and `top` to a derivation.
private func makeStore() throws -> TemporaryStore {
    let store = try TemporaryStore()
    func inside(_ path: StorePath, _ rest: String = "") -> String { "nix/store/\(path.baseName)\(rest)" }
    try store.file(inside(top, "/bin/run"), "exec \(library)/bin/x # \(recipe)\n", executable: true)
    try store.link(inside(top, "/data"), to: "\(data)/file")
    try store.file(inside(top, "/link-to-\(named.baseName)"))
    var text = [UInt8](repeating: UInt8(ascii: "."), count: NARWriter.defaultBufferSize * 2)
    text.replaceSubrange(
        NARWriter.defaultBufferSize - 120..<NARWriter.defaultBufferSize - 120 + library.path.utf8.count,
        with: library.path.utf8)
    try store.file(inside(library, "/bin/x"), text)
    try store.file(inside(data, "/file"), [UInt8](0...255))
    try store.file(inside(named), "a path may be one file")
    try store.file(inside(unused), "\(top)")
    try store.file(inside(recipe), "Derive")
    try store.file("nix/store/.links/x", "\(top)")
    return store
}

private func load(
    _ store: TemporaryStore, _ source: ClosureSource = .scan, roots: [StorePath] = [top], threads: Int = 2,
    progress: Progress? = nil
) throws(ImageError) -> Closure {
    try Closure.load(roots: roots, from: source, store: store.location, threads: threads, progress: progress)
}

@Suite("Nix closure by scanning") struct NixClosureScanTests {
    let store: TemporaryStore

    init() throws { store = try makeStore() }

    @Test(arguments: [1, 2, 7]) func findsReferences(threads: Int) throws {
        let progress = Progress()
        let closure = try load(store, threads: threads, progress: progress)
        #expect(closure.paths.map(\.path) == [top, library, data, named].sorted())
        #expect(closure[top]?.references == [library, data, named].sorted())
        #expect(closure[library]?.references == [library])
        #expect(closure[data]?.references == [] && closure[named]?.references == [])
        #expect(progress.snapshot == .init(phase: .closure, done: 4, total: 0, written: 0))
        for info in closure.paths {
            let (hash, size) = try NAR.hash(physical: store.location.physical(info.path))
            #expect(info.narHash == hash && info.narSize == size)
        }
    }

    @Test func takesSeveralRoots() throws {
        let closure = try load(store, roots: [data, unused])
        #expect(closure.roots == [data, unused] && closure.paths.count == 5)
    }

    @Test func takesADerivationOnlyAsARoot() throws {
        #expect(try load(store, roots: [recipe]).paths.map(\.path) == [recipe])
    }

    @Test func ignoresNixsWorkingFiles() throws {
        for suffix in [".lock", ".chroot", ".check"] { try store.file("nix/store/\(library.baseName)\(suffix)") }
        try store.file("nix/store/\(recipe.baseName).chroot")
        #expect(try load(store).paths.map(\.path) == [top, library, data, named].sorted())
    }

    @Test func refusesTwoPathsOfOneHash() throws {
        let twin = try StorePath(baseName: "\(library.hashPart)-twin")
        try store.file("nix/store/\(twin.baseName)")
        let error = message(try load(store))
        #expect(error.contains("'\(twin)'") && error.contains("'\(library)'") && error.contains("'\(top)'"), "\(error)")
        #expect(try load(store, roots: [data]).paths.count == 1)
    }

    @Test func refusesFilesThatAStoreCannotHave() throws {
        let fifo = store.path("nix/store/\(library.baseName)/fifo")
        _ = try Subprocess.run("mkfifo", [fifo.string])
        #expect(message(try load(store)).contains("'\(fifo)'"))
    }

    @Test func refusesMissingRoots() throws {
        let gone = storePath(9, "gone")
        let error = message(try load(store, roots: [top, gone]))
        #expect(error.contains("'\(store.location.physical(gone))'") && error.contains("store root"), "\(error)")
        let nowhere = StoreLocation(root: store.path("nowhere"))
        #expect(throws: ImageError.self) { try Closure.load(roots: [top], from: .scan, store: nowhere, threads: 1) }
    }

    @Test func refusesCircles() throws {
        try store.file("nix/store/\(data.baseName)/back", "\(top)")
        #expect(message(try load(store)).contains("circle"))
    }

    @Test func stops() throws {
        let progress = Progress()
        progress.cancel()
        #expect(throws: ImageError(.cancelled, "stopped on request")) { try load(store, progress: progress) }
    }
}

@Suite("Nix closure from a registration") struct NixClosureRegistrationTests {
    let store: TemporaryStore

    init() throws { store = try makeStore() }

    @Test func equalsTheScan() throws {
        let scanned = try load(store)
        let file = try store.file("registration", scanned.registration.encoded())
        #expect(try load(store, .registration(file)) == scanned)
    }

    @Test func leavesOutPathsThatAreNotNeeded() throws {
        let whole = try load(store, roots: [unused])
        let file = try store.file("registration", whole.registration.encoded())
        #expect(try load(store, .registration(file)) == load(store))
    }

    @Test func refusesMissingPaths() throws {
        let file = try store.file("registration", load(store).registration.encoded())
        _ = try Subprocess.run("rm", ["-r", store.location.physical(data).string])
        let error = message(try load(store, .registration(file)))
        #expect(error.contains("'\(store.location.physical(data))'") && error.contains("store root"), "\(error)")
    }

    @Test(.enabled(if: hasNix, "nix-store is not installed")) func nixLoadsAndReturnsIt() throws {
        // Characters that have a meaning in a store URL must be encoded.
        _ = try Subprocess.run("mv", [store.path("nix").string, try store.directory("a b?c&d=%é").string + "/"])
        let location = StoreLocation(root: store.path("a b?c&d=%é"))
        let scanned = try Closure.load(roots: [top], from: .scan, store: location, threads: 1)
        let file = try store.file("registration", scanned.registration.encoded())
        let uri =
            "local?root="
            + location.root.string.replacing("%", with: "%25").replacing("?", with: "%3f")
            .replacing("&", with: "%26").replacing(" ", with: "%20")
        // Nix keeps its own links there, and would report the one that the scan must ignore.
        _ = try Subprocess.run("rm", ["-r", location.directory.appending(".links").string])
        let script = "nix-store --store \"$0\" --load-db < \"$1\" && nix-store --store \"$0\" --verify --check-contents"
        let nix = try Subprocess.run("sh", ["-c", script, uri, file.string])
        try #require(nix.status == 0, "\(nix.lastErrors)")
        #expect(try Closure.load(roots: [top], from: .nix, store: location, threads: 1) == scanned)
        let unknown = message(try Closure.load(roots: [unused], from: .nix, store: location, threads: 1))
        #expect(unknown.contains("is not valid") && unknown.contains("reference scan"), "\(unknown)")
    }
}
