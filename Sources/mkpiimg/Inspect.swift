import ArgumentParser
import ImageKit
import SystemPackage

/// `mkpiimg inspect`: what is in an image, at a glance.
struct Inspect: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show what is in an image: table, filesystems, boot chain, system, store paths, compression.",
        discussion: """
            Only heads are read, so a compressed image of any size is looked at in a moment. To read every byte, see \
            'mkpiimg verify'.
            """)

    @OptionGroup var arguments: ImageArguments

    @Flag(help: "List every store path, not only the largest.")
    var all = false

    @Flag(help: "Print one JSON object, with everything.")
    var json = false

    func run() throws {
        let disk = try arguments.open()
        try failing { () throws(ImageError) in
            let report = try ImageReport(disk)
            if json {
                try StandardOutput.write(bytes: try JSON.bytes(report, isPretty: true) + [0x0A])
            } else {
                try StandardOutput.write(InspectText(report, listsAll: all).text)
            }
        }
    }
}
