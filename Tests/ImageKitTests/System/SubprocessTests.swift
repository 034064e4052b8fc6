import Glibc
import Testing

@testable import ImageKit

@Suite struct SubprocessTests {
    @Test func collectsBothOutputs() throws {
        // More than a pipe can hold, to both at the same time.
        let script = "yes out | head -c 3000000 & yes err | head -c 1000000 >&2; wait; cat; exit 3"
        let command = try Subprocess.run("sh", ["-c", script])
        #expect(command.status == 3)
        #expect(command.output.count == 3_000_000 && command.output.prefix(8) == Array("out\nout\n".utf8)[...])
        #expect(command.errors.count <= 128 << 10 && command.errors.suffix(4) == Array("err\n".utf8)[...])
        #expect(command.lastErrors == "err / err / err")
    }

    @Test func escapesTheLastErrors() throws {
        let command = try Subprocess.run("sh", ["-c", "printf 'first\\nlast\\033' >&2"])
        #expect(command.lastErrors == "first / last\\x1b")
    }

    @Test func passesArgumentsAndEnvironment() throws {
        #expect(try Subprocess.run("printf", ["%s|", "a b", "", "ü$"]).output == Array("a b||ü$|".utf8))
        let path = try Subprocess.run("sh", ["-c", "test -n \"$PATH\" && printf ok"])
        #expect(path.output == Array("ok".utf8))
    }

    @Test func reportsSignals() throws {
        #expect(try Subprocess.run("sh", ["-c", "kill -TERM $$"]).status == 143)
    }

    @Test func startsWithCleanSignals() throws {
        // The mask of blocked signals is empty, SIGPIPE's bit (4096) included; SIGPIPE is not ignored.
        var mask = sigset_t(), old = sigset_t()
        sigemptyset(&mask)
        sigaddset(&mask, SIGTERM)
        pthread_sigmask(SIG_BLOCK, &mask, &old)
        defer { pthread_sigmask(SIG_SETMASK, &old, nil) }
        let status = String(
            decoding: try Subprocess.run("grep", ["^SigBlk", "/proc/self/status"]).output, as: UTF8.self)
        #expect(status == "SigBlk:\t0000000000000000\n")
    }

    /// A program that inherits another's pipe would keep that one waiting for the end. The test has a process of its
    /// own, since other tests start programs too.
    @Test func leaksNoDescriptors() async {
        await #expect(processExitsWith: .success) {
            let counts = Monitor<[Int]>([])
            var threads = Threads()
            for _ in 0..<4 {
                try threads.start {
                    for _ in 0..<25 {
                        let list = try? Subprocess.run("ls", ["-l", "/proc/self/fd"]).output
                        let sockets = String(decoding: list ?? [], as: UTF8.self).split(separator: "socket:").count - 1
                        counts.change { $0.append(sockets) }
                    }
                }
            }
            threads.join()
            // The test runner may have left some open, but always the same number.
            let seen = counts.change { $0 }
            #expect(seen.count == 100 && Set(seen).count == 1)
        }
    }

    @Test func missingProgramsAreNotFound() {
        let error = #expect(throws: ImageError.self) { try Subprocess.run("no-such-program-here", []) }
        #expect(error?.code == .notFound)
        #expect(error?.description.contains("cannot run 'no-such-program-here'") == true)
    }

    @Test func stopsWhenCancelled() {
        let progress = Progress()
        progress.cancel()
        let error = #expect(throws: ImageError.self) { try Subprocess.run("sleep", ["15"], progress: progress) }
        #expect(error?.code == .cancelled && error?.description == "stopped on request")
    }
}
