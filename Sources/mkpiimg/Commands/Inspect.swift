import ArgumentParser
import ImageKit
import SystemPackage

/// `mkpiimg inspect`: describes an image.
struct Inspect: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show what is in an image: table, filesystems, boot chain, system, store paths, compression.",
        discussion: """
            Only heads are read, so a compressed image of any size is looked at in a moment; for --html, also every \
            folder and the places of files. To read every byte, see 'mkpiimg verify'.
            """)

    @OptionGroup var arguments: ImageArguments

    @Flag(help: "List every store path, not only the largest.")
    var all = false

    @Flag(help: "Print one JSON object, with everything.")
    var json = false

    @Option(
        help: ArgumentHelp(
            "Write a page to look at the image with in a browser; '-' for standard output.", valueName: "file"))
    var html: String?

    func validate() throws {
        if json, html == "-" { throw ValidationError("--json and --html both want standard output: name a file") }
    }

    func run() throws {
        let disk = try arguments.open()
        try failing { () throws(ImageError) in
            let report = try ImageReport(disk)
            if let html {
                let page = try InspectPage(disk, report).html
                if html == "-" {
                    try StandardOutput.write(page)
                } else {
                    var file = try OutputFile(FilePath(html))
                    try file.write(page)
                    try file.commit()
                }
                if !json { return }
            }
            if json {
                try JSON.write(report, isPretty: true)
            } else {
                try StandardOutput.write(InspectText(report, listsAll: all).text)
            }
        }
    }
}
