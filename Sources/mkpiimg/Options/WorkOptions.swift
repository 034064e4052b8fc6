import ArgumentParser
import ImageKit

/// How long work is done and shown.
struct WorkOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Threads. Default: one a processor, fewer where memory is short.", valueName: "n"))
    var threads: Int?

    @Option(
        help: ArgumentHelp(
            """
            Progress on standard error: auto, bar, plain, json or none. auto is a bar on a terminal, elsewhere plain \
            lines for a build and nothing for the others.
            """,
            valueName: "style"))
    var progress = ProgressStyle.auto

    func validate() throws {
        if let threads, !(1...1024).contains(threads) { throw ValidationError("--threads takes 1 to 1024") }
    }

    /// As many threads as are to work.
    var threadCount: Int { threads ?? ImageRecipe.usefulThreads }
}

extension ParsableArguments {
    /// Does long work, with ImageKit's errors as failures, and shows how far it has come.
    ///
    /// - Parameter quiet: what `auto` is where no person watches.
    func showing<Result>(
        _ style: ProgressStyle = .auto, quiet: ProgressStyle = .none, _ body: (Progress) throws(ImageError) -> Result
    ) throws -> Result {
        let progress = Progress()
        let auto = StandardError.isTerminal ? .bar : quiet
        let display = ProgressDisplay(progress, style == .auto ? auto : style)
        defer { display.end() }
        return try failing { () throws(ImageError) in try body(progress) }
    }
}
