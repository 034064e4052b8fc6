import ArgumentParser
import ImageKit
import SystemPackage

/// The image that a subcommand looks into.
struct ImageArguments: ParsableArguments {
    @Argument(
        help: ArgumentHelp(
            "An image (.img, .img.zst) or a block device; what it is, its content says.", valueName: "image"))
    var image: FilePath

    /// Opens it. One that can only be decompressed as a whole shows its progress, where a person watches.
    func open() throws -> DiskImage {
        try showing { (progress) throws(ImageError) in try DiskImage.open(image, progress: progress) }
    }
}
