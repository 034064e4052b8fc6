import ArgumentParser
import ImageKit
import SystemPackage

/// The options of a build that choose how the image boots: firmware, boards, kernel.
struct BootArguments: ParsableArguments {
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

    /// Copies the options to the recipe.
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
