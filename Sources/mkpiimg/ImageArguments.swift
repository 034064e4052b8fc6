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
        let progress = Progress()
        return try failing { () throws(ImageError) in
            let display = try ProgressDisplay(progress, StandardError.isTerminal ? .bar : .none)
            defer { display.end() }
            return try DiskImage.open(image, progress: progress)
        }
    }

    private func failing<Result>(_ body: () throws(ImageError) -> Result) throws -> Result {
        do throws(ImageError) { return try body() } catch { throw Failure(error: error) }
    }
}
