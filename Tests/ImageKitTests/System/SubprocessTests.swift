import Testing

@testable import ImageKit

@Suite struct SubprocessTests {
    @Test func collectsOutputAndStatus() throws {
        let script = "printf out; printf 'first\\nlast\\033' >&2; exit 3"
        let result = try Subprocess.run("sh", ["-c", script])
        #expect(String(decoding: result.output, as: UTF8.self) == "out" && result.status == 3)
        #expect(result.lastErrors == "first / last\\x1b")
        #expect(try Subprocess.run("sh", ["-c", "kill -9 $$"]).status == 128 + 9)
    }

    @Test func readsBothPipesAtOnce() throws {
        let script = "yes | head -c 300000 >&2; yes | head -c 300000"
        let result = try Subprocess.run("sh", ["-c", script])
        #expect(result.status == 0 && result.output.count == 300_000 && !result.errors.isEmpty)
    }

    @Test func missingProgramsAreNotFound() {
        let error = #expect(throws: ImageError.self) { try Subprocess.run("no-such-program-anywhere", []) }
        #expect(error?.code == .notFound)
    }

    @Test func endsWithItsProgress() {
        let progress = Progress()
        progress.cancel()
        let error = #expect(throws: ImageError.self) { try Subprocess.run("sleep", ["60"], progress: progress) }
        #expect(error?.code == .cancelled)
    }
}
