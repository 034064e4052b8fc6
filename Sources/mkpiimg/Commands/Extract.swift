import ArgumentParser
import ImageKit
import SystemPackage

/// `mkpiimg extract`: copies a file or a tree out of an image.
struct Extract: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Copy a file or a tree out of an image.",
        discussion: """
            Modes, times and links come along, and owners when root does it. Where <destination> is a folder, the \
            copy goes into it under its own name; the content of a top folder (firmware:/) goes into an empty or new \
            folder. Nothing is written over, and the copy appears whole or not at all.
            """)

    @OptionGroup var arguments: ImageArguments

    @Argument(
        help: ArgumentHelp(
            "What to copy: firmware:/path, root:/path, 2:/path by number, or /path on the root partition.",
            valueName: "place"))
    var address: ImageAddress

    @Argument(help: "Where to: a folder, or a new name.")
    var destination: FilePath

    @OptionGroup var work: WorkArguments

    func run() throws {
        let disk = try arguments.open()
        let report = try showing(work.progress) { (progress) throws(ImageError) in
            try ImageExtraction.run(
                try disk.volume(address.partition), path: address.path, to: destination, threads: work.threadCount,
                progress: progress)
        }
        for path in report.skipped {
            StandardError.write(
                "warning: '\(path.printable)' cannot be made here (a device or a socket), and was left out\n")
        }
    }
}
