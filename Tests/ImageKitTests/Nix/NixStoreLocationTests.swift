import Glibc
import SystemPackage
import Testing

@testable import ImageKit

private let system = storePath(1, "system"), other = storePath(2, "other")

@Suite("Nix store location") struct NixStoreLocationTests {
    let store: TemporaryStore

    /// ```
    ///   nix/store/<system>/{init, sw -> <other>, kernel -> <other>/Image, self -> ., out -> /etc/passwd, up -> ...}
    ///   nix/store/<other>/Image
    /// ```
    init() throws {
        store = try TemporaryStore()
        try store.file("nix/store/\(system.baseName)/init", "#!")
        try store.file("nix/store/\(other.baseName)/Image", "kernel")
        try store.link("nix/store/\(system.baseName)/sw", to: other.path)
        try store.link("nix/store/\(system.baseName)/kernel", to: "\(other.path)/Image")
        try store.link("nix/store/\(system.baseName)/relative", to: "../\(other.baseName)/Image")
        try store.link("nix/store/\(system.baseName)/self", to: ".")
        try store.link("nix/store/\(system.baseName)/out", to: "/etc/passwd")
        try store.link("nix/store/\(system.baseName)/up", to: "../../../nix/../etc")
    }

    func resolve(_ argument: FilePath) throws(ImageError) -> StorePath { try store.location.resolve(argument) }

    @Test func knowsPhysicalPaths() {
        #expect(StoreLocation().physical(system).string == system.path)
        #expect(StoreLocation(root: "/mnt/card").physical(system).string == "/mnt/card\(system)")
    }

    @Test func takesStorePaths() throws {
        #expect(try resolve(FilePath(system.path)) == system)
        #expect(try resolve(FilePath(system.path + "/")) == system)
        #expect(try resolve(store.location.physical(system)) == system)
        #expect(try resolve(FilePath("/nix/store/../store/./\(system.baseName)")) == system)
    }

    @Test func followsLinks() throws {
        try store.link("result", to: system.path)
        try store.link("work/chain", to: "../result")
        try store.link("physical", to: store.location.physical(system).string)
        try store.link("nix/var/nix/profiles/system-1-link", to: system.path)
        try store.link("nix/var/nix/profiles/system", to: "system-1-link")
        try store.link("current", to: "/nix/var/nix/profiles/system")
        for name in ["result", "work/chain", "physical", "nix/var/nix/profiles/system", "current", "work/../result"] {
            #expect(try resolve(store.path(name)) == system, "\(name)")
        }
        #expect(try resolve(store.path("result/sw")) == other)
        #expect(try resolve(store.path("result/self/self/sw/.")) == other)
        #expect(try resolve(FilePath("\(system)/sw")) == other)
        #expect(try resolve(FilePath("\(system)/../\(other.baseName)")) == other)
    }

    /// Tests share the process's directory, so a relative path climbs to the root first.
    @Test func takesRelativePaths() throws {
        try store.link("result", to: system.path)
        let up = FilePath(root: nil, [FilePath.Component](repeating: "..", count: 64))
        #expect(try resolve(up.appending(store.root.components).appending("result")) == system)
        #expect(message(try resolve("./no-such-result")).contains("'./no-such-result'"))
    }

    @Test func keepsAStorePathThatIsALink() throws {
        let link = storePath(3, "link")
        try store.link("nix/store/\(link.baseName)", to: system.path)
        try store.link("result", to: link.path)
        #expect(try resolve(store.path("result")) == link)
        #expect(try resolve(store.path("result/sw")) == other)
        #expect(try store.location.follow(store.path("result")).path == system)
    }

    @Test func followsAStoreThatIsALink() throws {
        let outside = try TemporaryStore()
        try outside.directory("real")
        _ = try Subprocess.run("mv", [store.path("nix").string, outside.path("real/nix").string])
        try store.link("nix", to: outside.path("real/nix").string)
        try store.link("result", to: system.path)
        #expect(try resolve(store.path("result")) == system)
        #expect(try resolve(outside.path("real/nix/store/\(system.baseName)")) == system)
        #expect(try resolve(store.path("result/sw")) == other)
    }

    @Test(.enabled(if: access("/nix", W_OK) == 0, "/nix may not be written to")) func takesARootBelowNix() throws {
        let root = FilePath("/nix/mkpiimg-test-\(getpid())")
        defer { _ = try? Subprocess.run("rm", ["-rf", root.string]) }
        let script = "mkdir \"$1\" && cp -a \"$0\" \"$1\""
        let move = try Subprocess.run("sh", ["-c", script, store.path("nix").string, root.string])
        try #require(move.status == 0)
        let location = StoreLocation(root: root)
        #expect(try location.resolve(location.physical(system)) == system)
        #expect(try location.resolve(FilePath("\(system)/sw")) == other)
    }

    @Test func refusesPathsInsideAStorePath() throws {
        try store.link("result", to: system.path)
        let inside = message(try resolve(store.path("result/kernel")))
        #expect(inside.contains("it leads to '\(other)/Image'") && inside.contains("; give '\(other)'"))
        let direct = message(try resolve(FilePath("\(system)/init")))
        #expect(direct.contains("'\(system)/init'; give '\(system)'"), "\(direct)")
    }

    @Test func refusesLoops() throws {
        try store.link("a", to: "b")
        try store.link("b", to: "a")
        try store.link("self", to: "self")
        try store.link("grow", to: "grow/x")
        try store.link("nix/store/\(system.baseName)/loop", to: "\(system)/loop")
        for name in ["a", "self", "grow", "a/b", "nix/store/\(system.baseName)/loop"] {
            let error = message(try resolve(store.path(name)))
            #expect(error.contains("circle") && error.contains("'\(store.path(name))'"), "\(error)")
        }
    }

    @Test func allowsAsManyLinksAsLinux() throws {
        try store.link("0", to: system.path)
        for number in 1...40 { try store.link("\(number)", to: "\(number - 1)") }
        #expect(try resolve(store.path("39")) == system)
        #expect(message(try resolve(store.path("40"))).contains("circle"))
    }

    @Test func refusesMissingPaths() throws {
        let gone = storePath(8, "gone")
        try store.link("result", to: gone.path)
        let dangling = message(try resolve(store.path("result")))
        #expect(dangling.contains("cannot find '\(store.path("result"))'") && dangling.contains("it leads to '"))
        #expect(dangling.contains("\(gone.baseName)'") && dangling.contains("store root"), "\(dangling)")
        #expect(message(try resolve(store.path("nothing"))).contains("check the path"))
        #expect(message(try resolve(FilePath("\(system)/init/x"))).contains("cannot find"))
        #expect(message(try resolve("")).contains("empty"))
        let nowhere = StoreLocation(root: store.path("work"))
        let noStore = message(try nowhere.resolve(FilePath(system.path)))
        #expect(noStore.contains("there is no Nix store at '\(store.path("work"))/nix/store'"))
        #expect(noStore.contains("store root"))
    }

    @Test func refusesPathsOutsideTheStore() throws {
        let file = try store.file("plain", "x")
        try store.link("link", to: "plain")
        for name in ["plain", "link"] {
            let error = message(try resolve(store.path(name)))
            #expect(error.contains("not in a Nix store: '\(store.path(name))'"), "\(error)")
            #expect(error.contains("'\(store.root)/nix/store'") && error.contains("store root"), "\(error)")
            if name == "link" { #expect(error.contains("it leads to '\(file)'")) }
        }
        #expect(message(try resolve("/nix/store")).contains("the store itself"))
        try store.file("nix/store/.links/x")
        #expect(message(try resolve("/nix/store/.links")).contains("not a store path"))
        // A directory beside the store whose name begins like the store's is not in it.
        try store.directory("nix/store2/\(system.baseName)")
        #expect(message(try resolve(store.path("nix/store2/\(system.baseName)"))).contains("not in a"))
    }

    @Test func staysInTheStore() throws {
        for name in ["out", "up"] {
            let error = message(try store.location.follow(FilePath("\(system)/\(name)")))
            #expect(error.contains("leads out of the store"), "\(error)")
            #expect(error.contains("\(system.baseName)/\(name)'"), "\(error)")
        }
    }

    @Test func knowsLogicalAndPhysicalPaths() throws {
        let resolved = try store.location.follow(FilePath("\(system)/kernel"))
        #expect(resolved.path == other && resolved.subPath == "Image")
        #expect(resolved.logical.string == "\(other)/Image")
        #expect(resolved.physical == store.location.physical(other).appending("Image"))
        #expect(try store.location.follow(FilePath("\(system)/relative")) == resolved)
    }

    @Test func takesAnyName() throws {
        let odd = [UInt8](0x01...0xFF).filter { $0 != 0x2F }
        let name = FilePath(platformString: odd.map { CChar(bitPattern: $0) } + [0])
        let path = try store.directory("odd").pushing(name)
        #expect(message(try resolve(path)).contains("cannot find"))
        let made = path.withPlatformString { symlink(system.path, $0) }
        try #require(made == 0)
        #expect(try resolve(path) == system)
        try store.link("to-odd", to: "odd/.")
        #expect(try resolve(store.path("to-odd").pushing(name)) == system)
    }
}
