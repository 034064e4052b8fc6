import ArgumentParser
import ImageKit
import SystemPackage

/// `mkpiimg inspect`
struct Inspect: ParsableCommand {
    @Argument var image: FilePath
    @Option var html: String
    func run() throws {
        let page = try failing { () throws(ImageError) in
            let disk = try DiskImage.open(image)
            let survey = try ImageSurvey(disk)
            return InspectPage(disk, survey: survey, name: image.lastComponent?.string ?? "", system: []).html
        }
        if html == "-" { try failing { () throws(ImageError) in try StandardOutput.write(page) } } else {
            let f = try FileDescriptor.open(FilePath(html), .writeOnly, options: [.create, .truncate], permissions: .ownerReadWrite)
            try f.closeAfter { _ = try f.writeAll(page.utf8) }
        }
    }
}
