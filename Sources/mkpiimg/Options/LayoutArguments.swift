import ArgumentParser
import ImageKit

/// The options of a build that choose sizes, labels and identifiers.
struct LayoutArguments: ParsableArguments {
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

    /// Copies the options to the recipe.
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
