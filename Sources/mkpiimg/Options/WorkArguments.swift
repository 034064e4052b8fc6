import ArgumentParser
import ImageKit

/// The options of work that takes time: threads and the display of its progress.
struct WorkArguments: ParsableArguments {
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

    /// The number of threads to use.
    var threadCount: Int { threads ?? ImageRecipe.usefulThreads }
}

extension ParsableArguments {
    /// Runs work that takes time and shows its progress. An error of ImageKit becomes a ``Failure``.
    ///
    /// - Parameter quiet: the style that `auto` stands for when standard error is not a terminal.
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
