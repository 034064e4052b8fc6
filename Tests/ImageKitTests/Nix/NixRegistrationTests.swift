import SystemPackage
import Testing

@testable import ImageKit

private let hex = String(repeating: "07", count: 32)
private let a = storePath(1, "a"), b = storePath(2, "b"), c = storePath(3, "c")

private func parse(_ text: String) throws(ImageError) -> Registration {
    try Registration(parsing: Array(text.utf8), file: "reg.txt")
}

@Suite("Nix registration") struct NixRegistrationTests {
    static let deriver = "\(storePath(9, "a.drv").path)"

    /// Texts that `nix-store --load-db` accepts too, and their entries.
    @Test(
        arguments: [
            ("", []),
            ("\(a)\n\(hex)\n112\n\n0\n", [info(a)]),
            ("\(a)\n\(hex)\n112\n\n0", [info(a)]),  // only here: the last line feed may be missing
            ("\(a)\nsha256:\(hex.uppercased())\n112\n\(deriver)\n0\n", [info(a)]),
            ("\(a)\n\(hex)\n112\n\n1\n\(a)\n", [info(a, [a])]),
            ("\(a)\n\(hex)\n0\n\n0\n", [info(a, size: 0)]),
            ("\(a)\n\(hex)\n00112\n\n00\n", [info(a)]),
            ("\(a)\n\(hex)\n112\n\n3\n\(b)\n\(a)\n\(b)\n\(b)\n\(hex)\n112\n\n0\n", [info(a, [a, b]), info(b)]),
            ("\(b)\n\(hex)\n112\n\n0\n\(a)\n\(hex)\n112\n\n1\n\(b)\n", [info(a, [b]), info(b)]),
            ("\(a)\n\(hex)\n112\n\n0\n\(a)\n\(narHash(7))\n112\n\(deriver)\n0\n", [info(a)]),
            ("\(a)\n\(hex)\n9223372036854775807\n\n0\n", [info(a, size: 9_223_372_036_854_775_807)]),
        ] as [(String, [PathInfo])])
    func accepts(text: String, entries: [PathInfo]) throws {
        #expect(try parse(text).entries == entries.sorted { $0.path < $1.path })
    }

    @Test(
        arguments: [
            ("\n", "line 1: a store path was expected and the line is empty"),
            ("\(a)", "line 2: the file ends where the SHA-256"),
            ("\(a)\n\(hex)\n", "line 3: the file ends where the size"),
            ("\(a)\n\(hex)\n112\n", "line 4: the file ends where a deriver"),
            ("\(a)\n\(hex)\n112\n\n", "line 5: the file ends where the number of its references"),
            ("\(a)\n\(hex)\n112\n\n2\n\(b)\n", "line 7: the file ends where reference 2 of 2"),
            ("\(a)\n\(hex)\n112\n\n1\n\(b)\n\(c)\n", "line 8: the file ends where the SHA-256"),
            ("\(a)\n\(hex.dropLast())\n112\n\n0\n", "63 characters"),
            ("\(a)\nsha512:\(hex)\n112\n\n0\n", "line 2: the SHA-256 of its NAR was expected"),
            ("\(a)\n\n112\n\n0\n", "line 2"),
            ("\(a)\n\(hex)\n-1\n\n0\n", "line 3: the size of its NAR in bytes"),
            ("\(a)\n\(hex)\n+1\n\n0\n", "'+1' is there"),
            ("\(a)\n\(hex)\n0x10\n\n0\n", "'0x10' is there"),
            ("\(a)\n\(hex)\n 1\n\n0\n", "' 1' is there"),
            ("\(a)\n\(hex)\n\n\n0\n", "line 3"),
            ("\(a)\n\(hex)\n9223372036854775808\n\n0\n", "line 3"),
            ("\(a)\n\(hex)\n99999999999999999999999\n\n0\n", "line 3"),
            ("\(a)\n\(hex)\n112\nunknown-deriver\n0\n", "line 4: a deriver or an empty line was expected"),
            ("\(a)\n\(hex)\n112\n\n-1\n", "line 5"),
            ("\(a)\n\(hex)\n112\n\n99999999999\n", "line 5"),
            ("\(a)\n\(hex)\n112\n\n2147483647\n", "line 6: the file ends where reference 1 of 2147483647"),
            ("\(a)\n\(hex)\n112\n\n1\n\(b)/bin\n", "line 6: reference 1 of 1 was expected and '\(b)/bin' is there"),
            ("\(a)/bin\n\(hex)\n112\n\n0\n", "line 1"),
            ("\(a)\n\(hex)\n112\n\n0\n\n", "line 6: a store path was expected and the line is empty"),
            ("\(a)\n\(hex)\n112\n\n0\n\n\(b)\n\(hex)\n112\n\n0\n", "line 6"),
            ("\(a)\r\n\(hex)\r\n112\r\n\r\n0\r\n", "line 1 ends in a carriage return"),
            (
                "\(a)\n\(hex)\n112\n\n0\n\(a)\n\(hex)\n113\n\n0\n",
                "line 6: it says something else about '\(a)' than line 1"
            ),
            ("\u{1B}]0;x\u{07}\n", "\\x1b]0;x\\x07"),
            ("\(a)\n\(hex)\n112\n\u{0}\n0\n", "line 4"),
        ] as [(String, String)])
    func refuses(text: String, reason: String) {
        let error = message(try parse(text))
        #expect(error.contains(reason), "\(error)")
        #expect(error.contains("'reg.txt'") && error.contains("; "), "\(error)")
    }

    @Test func writesTheCanonicalForm() throws {
        let registration = try Registration([info(b, [b, a, b]), info(a)])
        let (first, second) = a < b ? (a, b) : (b, a)
        func text(_ path: StorePath) -> String {
            let lines = ["\(path)", "\(narHash(7))", "112", ""]
            return (lines + (path == a ? ["0"] : ["2", "\(first)", "\(second)"])).joined(separator: "\n") + "\n"
        }
        #expect(String(decoding: registration.encoded(), as: UTF8.self) == text(first) + text(second))
        #expect(try Registration(parsing: registration.encoded(), file: "") == registration)
        #expect(try Registration([]).encoded() == [])
    }

    @Test func refusesContradictions() {
        #expect(message(try Registration([info(a), info(a, [b])])).contains("disagree about '\(a)'"))
    }

    @Test func readsFiles() throws {
        let store = try TemporaryStore()
        let registration = try Registration([info(b, [a]), info(a)])
        let file = try store.file("registration", registration.encoded())
        #expect(try Registration.read(file) == registration)
        let missing = store.path("nothing")
        #expect(message(try Registration.read(missing)).contains("'\(missing)'"))
        #expect(message(try Registration.read(store.root)).contains("cannot read the registration"))
        // A pipe, like that of a shell's <(...). The text fits into it.
        let pipe = try FileDescriptor.pipe()
        try pipe.writeEnd.closeAfter { _ = try pipe.writeEnd.writeAll(registration.encoded()) }
        let piped = try pipe.readEnd.closeAfter { try Registration.read(FilePath("/dev/fd/\(pipe.readEnd.rawValue)")) }
        #expect(piped == registration)
    }

    @Test func neverTraps() {
        let valid = Array("\(a)\n\(hex)\n112\n\n1\n\(a)\n\(b)\n\(hex)\n5\n\n0\n".utf8)
        for length in 0..<valid.count { _ = try? Registration(parsing: Array(valid[..<length]), file: "") }
        var random = Fuzz.random(3)
        for _ in 0..<Fuzz.iterations(2000) {
            var bytes = valid
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            _ = try? Registration(parsing: bytes, file: "")
        }
    }
}

@Suite("Nix closure") struct NixClosureTests {
    @Test func followsReferences() throws {
        let d = storePath(4, "d")
        let known = try Registration([info(a, [a, b]), info(b, [c]), info(c), info(d, [a])])
        let closure = try Closure(roots: [a], from: known)
        #expect(closure.paths.map(\.path) == [a, b, c].sorted())
        #expect(closure.roots == [a])
        #expect(closure.narSize == 336)
        #expect(closure[b] == info(b, [c]) && closure[d] == nil)
        #expect(closure.registration.entries == closure.paths)
    }

    @Test func keepsTheOrderOfRoots() throws {
        let known = try Registration([info(a, [b]), info(b), info(c)])
        #expect(try Closure(roots: [c, a, b, c], from: known).roots == [c, a, b])
        #expect(try Closure(roots: [b, a], from: known).roots == [b, a])
        #expect(try Closure(roots: [b, a], from: known).paths.map(\.path) == [a, b].sorted())
    }

    @Test func refusesIncompleteRegistrations() throws {
        let known = try Registration([info(a, [b]), info(b, [c])])
        let dangling = message(try Closure(roots: [a], from: known))
        #expect(dangling.contains("'\(c)'") && dangling.contains("'\(b)' refers to it") && dangling.contains("; make"))
        let root = message(try Closure(roots: [c], from: known))
        #expect(root.contains("does not list '\(c)'"))
        #expect(message(try Closure(roots: [], from: known)).contains("with closure"))
    }

    @Test func refusesCircles() throws {
        let d = storePath(4, "d"), e = storePath(5, "e")
        let known = try Registration([info(a, [b]), info(b, [b, c]), info(c, [d, e]), info(d, [b]), info(e)])
        let error = message(try Closure(roots: [a], from: known))
        #expect(error.contains("circle"))
        let names = [b, c, d].map { "'\($0)'" }
        let circles = (0..<3).map { start in (0...3).map { names[(start + $0) % 3] }.joined(separator: " → ") }
        #expect(circles.contains { error.contains($0) }, "\(error)")
        #expect(!error.contains("'\(a)'") && !error.contains("'\(e)'"))
    }

    @Test func addsUpWithoutOverflow() throws {
        let known = try Registration([info(a, [b], size: .max), info(b, size: .max)])
        #expect(try Closure(roots: [a], from: known).narSize == .max)
    }

    @Test func takesLongChains() throws {
        let paths = (0..<5000).map { storePath(UInt64($0)) }
        let known = try Registration(paths.indices.map { info(paths[$0], $0 == 0 ? [] : [paths[$0 - 1]]) })
        #expect(try Closure(roots: [paths[4999]], from: known).paths.count == 5000)
    }
}
