import ArgumentParser
import ImageKit
import SystemPackage

/// `mkpiimg inspect`: what is in an image.
struct Inspect: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show what is in an image.")

    @OptionGroup var arguments: ImageArguments

    @Option(
        help: ArgumentHelp("Write a page to look at it with in a browser; '-' for standard output.", valueName: "file"))
    var html: String

    func run() throws {
        let disk = try arguments.open()
        let name = arguments.image.lastComponent?.string ?? arguments.image.string
        try failing { () throws(ImageError) in try InspectPage.write(disk, name: name, to: html) }
    }
}
