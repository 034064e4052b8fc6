import ArgumentParser
import ImageKit
import SystemPackage

/// `mkpiimg extract`: files and trees out of an image.
struct Extract: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Copy a file or a tree out of an image.",
        discussion: """
            Modes, times and links come along, and owners when root does it. Where <destination> is a folder, the copy goes \
            into it under its own name; the content of a top folder (firmware:/) goes into an empty or new folder. Nothing \
            is written over, and the copy appears whole or not at all.
            """)

    @OptionGroup var arguments: ImageArguments

    @Argument(help: "What to copy: firmware:/path, root:/path, 2:/path by number, or /path on the root partition.")
    var place: ImagePlace

    @Argument(help: "Where to: a folder, or a new name.")
    var destination: FilePath

    @Option(help: ArgumentHelp("Threads. Default: one a processor.", valueName: "n"))
    var threads: Int?

    @Option(help: ArgumentHelp("Progress on standard error: auto, bar, plain, json or none.", valueName: "style"))
    var progress = ProgressStyle.auto

    func validate() throws {
        if let threads, !(1...1024).contains(threads) { throw ValidationError("--threads takes 1 to 1024") }
    }

    func run() throws {
        let disk = try arguments.open()
        let progress = Progress()
        let report = try failing { () throws(ImageError) in
            let display = try ProgressDisplay(
                progress, self.progress == .auto && !StandardError.isTerminal ? .none : self.progress)
            defer { display.end() }
            return try ImageExtraction.run(
                try disk.volume(place.partition), path: place.path, to: destination,
                threads: threads ?? ImageRecipe.processors, progress: progress)
        }
        for path in report.skipped {
            StandardError.write(
                "warning: '\(ImageError.printable(path))' cannot be made here (a device or a socket), and was left out\n"
            )
        }
    }
}
