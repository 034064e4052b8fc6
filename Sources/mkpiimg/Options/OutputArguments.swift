import ArgumentParser
import ImageKit

/// The options of a build that choose the output and its compression.
struct OutputArguments: ParsableArguments {
    @Option(
        name: [.short, .long],
        help: ArgumentHelp(
            "The image: '.img.zst' is compressed, '.img' is raw and sparse, '-' is standard output (compressed).",
            valueName: "file"))
    var out: String?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            """
            The compression level (\(ZstdParameters.levels.lowerBound) to \(ZstdParameters.levels.upperBound)): \
            1 to 4 are made for closures, the others are zstd's own.
            """,
            valueName: "n"))
    var level = ZstdParameters.defaultLevel

    @Option(help: ArgumentHelp("The size of compressed frames that is aimed at.", valueName: "size"))
    var frameSize = SizeArgument(ImageWriter.defaultFrameSize)

    @Flag(help: "One compressed frame: for flashing programs that read only the first frame's size.")
    var singleFrame = false

    @Flag(help: "Lay everything out, print the plan, write nothing.")
    var plan = false

    @Flag(help: "Print the summary as JSON on standard output.")
    var json = false

    @OptionGroup var work: WorkArguments

    func validate() throws {
        guard ZstdParameters.levels.contains(level) else {
            throw ValidationError(
                "--level takes \(ZstdParameters.levels.lowerBound) to \(ZstdParameters.levels.upperBound)")
        }
        guard ImageWriter.frameSizes.contains(frameSize.bytes), frameSize.bytes % 4096 == 0 else {
            throw ValidationError("--frame-size takes a multiple of 4K from 64K to 512M")
        }
    }

    /// The format that the ending of an output's name selects; `nil` if it selects none.
    func format(of out: String) -> ImageWriter.Format? {
        let parameters = ZstdParameters(level: level)
        if out == "-" || out.hasSuffix(".img.zst") {
            return singleFrame ? .singleFrame(parameters) : .seekable(parameters, frameSize: frameSize.bytes)
        }
        return out.hasSuffix(".img") ? .raw : nil
    }
}
