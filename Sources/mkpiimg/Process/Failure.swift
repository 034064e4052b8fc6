import ArgumentParser
import Glibc
import ImageKit

/// An error that ends the program: one sentence on standard error, and exit status 1.
struct Failure: Error {
    let error: ImageError

    /// Prints the error and ends the process. If the reader of a pipe went away, it prints nothing.
    func exit() -> Never {
        TemporaryFiles.waitIfEnding()
        if error.code != .brokenPipe { StandardError.write("mkpiimg: \(error.sentence)\n") }
        Termination.exit(1)
    }
}

extension ParsableArguments {
    /// Runs work whose errors of ImageKit become failures.
    func failing<Result>(_ body: () throws(ImageError) -> Result) throws -> Result {
        do throws(ImageError) { return try body() } catch { throw Failure(error: error) }
    }
}
