import ArgumentParser
import ImageKit
import SystemPackage

/// The options of a build that add files to the image, in addition to the closure and the boot files.
struct AdditionArguments: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "A folder that is laid over the root filesystem; later ones win.",
            discussion: "Owner 0:0; modes, times and links are kept, but for generated folders such as /nix.",
            valueName: "dir"))
    var rootFiles: [FilePath] = []

    @Option(
        name: .customLong("copy"),
        help: ArgumentHelp(
            "A file or tree that is laid over the root filesystem, after all --root-files.",
            discussion: """
                As <src>:<dest>[:<mode>[:<uid>:<gid>]], in numbers. A <dest> that ends in '/' is a folder to copy \
                into. Default: the source's mode, owner 0:0.
                """, valueName: "copy"),
        transform: { try RootCopy(parsing: $0) })
    var copies: [RootCopy] = []

    @Flag(help: "Lay down the profile '/nix/var/nix/profiles/system' with the system as its first generation.")
    var profile = false

    @Option(
        name: .customLong("raw"),
        help: ArgumentHelp(
            "A file whose bytes lie outside of the partitions: boot code at 0, a loader in the gap.",
            discussion: "As <file>@<offset>; the offset is a size, or hexadecimal after 0x.", valueName: "area"),
        transform: { try RawArea(parsing: $0) })
    var rawAreas: [RawArea] = []

    /// Copies the values of these options to the recipe.
    func fill(_ recipe: inout ImageRecipe) {
        recipe.additions.directories = rootFiles
        recipe.additions.copies = copies
        recipe.hasProfile = profile
        recipe.rawAreas = rawAreas
    }
}
