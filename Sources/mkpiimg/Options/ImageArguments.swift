import ArgumentParser
import ImageKit
import SystemPackage

/// The argument of the subcommands that read an image.
struct ImageArguments: ParsableArguments {
    @Argument(
        help: ArgumentHelp(
            "An image (.img, .img.zst) or a block device; what it is, its content says.", valueName: "image"))
    var image: FilePath

    /// Opens the image. An image that must be decompressed as a whole shows its progress on a terminal.
    func open() throws -> DiskImage {
        try showing { (progress) throws(ImageError) in try DiskImage.open(image, progress: progress) }
    }
}
