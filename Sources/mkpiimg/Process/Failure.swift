import ArgumentParser
import Glibc
import ImageKit

/// The end of a run that did not work: a sentence for the person, a number for the script.
struct Failure: Error {
    let error: ImageError

    /// Prints the error and ends the process. A reader that went away is no news to anybody.
    func exit() -> Never {
        TemporaryFiles.waitIfEnding()
        if error.code != .brokenPipe { StandardError.write("mkpiimg: \(error.sentence)\n") }
        Termination.exit(1)
    }
}

extension ParsableArguments {
    /// Does work with ImageKit's errors as failures.
    func failing<Result>(_ body: () throws(ImageError) -> Result) throws -> Result {
        do throws(ImageError) { return try body() } catch { throw Failure(error: error) }
    }
}
