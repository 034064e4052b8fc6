import ArgumentParser
import ImageKit
import SystemPackage

/// What goes into the image.
struct ClosureOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "A store path or a link to one (./result). Several may be given; the first that is a system boots.",
            valueName: "path"))
    var closure: [FilePath]

    @Option(help: ArgumentHelp("Where the store physically is: <dir>/nix/store.", valueName: "dir"))
    var storeRoot: FilePath = "/"

    @Option(
        help: ArgumentHelp(
            "The closure's registration (closureInfo's, or 'nix-store --dump-db'): no Nix needed.", valueName: "file"))
    var registration: FilePath?

    @Flag(help: "Find the closure by scanning for references, and hash it here: neither Nix nor a registration needed.")
    var scanReferences = false

    @Flag(
        inversion: .prefixedNo,
        help: ArgumentHelp(
            "Make identical store files hard links of one another.",
            discussion: """
                With --no-deduplicate, links are those that the store has on this machine, so the image depends on it.
                """))
    var deduplicate = true

    @Flag(help: "Hash every store path and compare it with its registration: a damaged store does not become an image.")
    var check = false

    @Option(help: ArgumentHelp("Where the first boot expects the registration.", valueName: "path"))
    var registrationPath = "/nix-path-registration"

    func validate() throws {
        if registration != nil, scanReferences {
            throw ValidationError("--registration and --scan-references exclude each other")
        }
        if closure.isEmpty { throw ValidationError("Missing expected argument '--closure <path>'") }
    }

    func fill(_ recipe: inout ImageRecipe) {
        recipe.store = StoreLocation(root: storeRoot)
        recipe.source = scanReferences ? .scan : registration.map { .registration($0) } ?? .nix
        recipe.deduplicates = deduplicate
        recipe.checksContent = check
        recipe.registrationPath = registrationPath
    }
}

/// How it boots.
struct BootOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "A folder of files for the firmware partition, or a package to pick them from; later ones win. "
                + "Default: what the closure holds.",
            valueName: "dir"))
    var firmware: [FilePath] = []

    @Option(
        help: ArgumentHelp(
            "A board that it is for; several may be given. Default: aarch64, which is every 64-bit board.",
            valueName: "name"))
    var board: [BoardArgument] = []

    @Option(
        help: ArgumentHelp(
            "U-Boot with a menu on the root partition, the kernel started by the board's firmware, or nothing.",
            valueName: "style"))
    var boot: BootStyle = .extlinux

    @Option(
        parsing: .unconditionalSingleValue,
        help: ArgumentHelp("A line added to config.txt, for all boards. Several may be given.", valueName: "line"))
    var configTxt: [String] = []

    @Option(
        parsing: .unconditionalSingleValue,
        help: ArgumentHelp(
            "A parameter added to the kernel's command line. Several may be given.", valueName: "parameter"))
    var kernelParam: [String] = []

    @Option(
        help: ArgumentHelp(
            "How long U-Boot's menu waits, in seconds: 0 boots at once, 'none' waits for ever.", valueName: "seconds"))
    var menuTimeout = MenuTimeout.seconds(5)

    @Option(
        help: ArgumentHelp(
            "The device tree to start with, by its path below the system's dtbs, or 'none' for the firmware's own. "
                + "Default: the system's one that fits the board.",
            valueName: "name"))
    var deviceTree: String?

    func fill(_ recipe: inout ImageRecipe) {
        recipe.firmware = firmware
        recipe.boot = boot
        if !board.isEmpty {
            let names = Set(board.flatMap(\.boards).map(\.name))
            recipe.boards = Board.all.filter { names.contains($0.name) }
        }
        recipe.configLines = configTxt
        recipe.kernelParameters = kernelParam
        recipe.menuTimeout = menuTimeout
        if let deviceTree { recipe.deviceTree = deviceTree == "none" ? .firmware : .file(deviceTree) }
    }
}

/// Sizes and identities.
struct LayoutOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Space before the first partition.", valueName: "size"))
    var gap = SizeArgument(8 << 20)

    @Option(help: ArgumentHelp("The firmware partition. Default: 30M, or what fits.", valueName: "size"))
    var firmwareSize: SizeArgument?

    @Option(help: ArgumentHelp("The firmware partition's label.", valueName: "label"))
    var firmwareLabel = "FIRMWARE"

    @Option(help: ArgumentHelp("The root partition's label.", valueName: "label"))
    var rootLabel = "NIXOS_SD"

    @Option(
        help: ArgumentHelp(
            "The root filesystem's UUID, or 'random'. Default: 44444444-4444-4444-8888-888888888888.", valueName: "uuid"
        ))
    var rootUUID: UUIDArgument?

    @Option(
        help: ArgumentHelp(
            "The disk's identifier and the firmware partition's serial number, or 'random'. Default: 0x2178694e.",
            valueName: "id"))
    var diskID: DiskIDArgument?

    @Option(help: ArgumentHelp("Space that users other than root can still write.", valueName: "size"))
    var rootSlack = SizeArgument(64 << 20)

    @Option(help: ArgumentHelp("Per cent of the root filesystem kept for root.", valueName: "n"))
    var reservedPercent: UInt32 = 0

    @Option(help: ArgumentHelp("A fixed size of the root partition. Default: just what is needed.", valueName: "size"))
    var rootSize: SizeArgument?

    func validate() throws {
        if reservedPercent > 50 { throw ValidationError("--reserved-percent takes 0 to 50") }
    }

    func fill(_ recipe: inout ImageRecipe) {
        recipe.gap = gap.bytes
        recipe.firmwareSize = firmwareSize?.bytes
        recipe.firmwareLabel = firmwareLabel
        recipe.rootLabel = rootLabel
        if let rootUUID { recipe.rootUUID = rootUUID.guid }
        if let diskID { recipe.diskID = diskID.value }
        recipe.rootSlack = rootSlack.bytes
        recipe.reservedPercent = reservedPercent
        recipe.rootSize = rootSize?.bytes
    }
}

/// What is written, and how it is compressed.
struct OutputOptions: ParsableArguments {
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

    @OptionGroup var work: WorkOptions

    func validate() throws {
        guard ZstdParameters.levels.contains(level) else {
            throw ValidationError(
                "--level takes \(ZstdParameters.levels.lowerBound) to \(ZstdParameters.levels.upperBound)")
        }
        guard ImageWriter.frameSizes.contains(frameSize.bytes), frameSize.bytes % 4096 == 0 else {
            throw ValidationError("--frame-size takes a multiple of 4K from 64K to 512M")
        }
    }

    func format(of out: String) -> ImageWriter.Format? {
        let parameters = ZstdParameters(level: level)
        if out == "-" || out.hasSuffix(".img.zst") {
            return singleFrame ? .singleFrame(parameters) : .seekable(parameters, frameSize: frameSize.bytes)
        }
        return out.hasSuffix(".img") ? .raw : nil
    }
}
