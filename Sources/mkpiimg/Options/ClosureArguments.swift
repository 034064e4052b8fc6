import ArgumentParser
import ImageKit
import SystemPackage

/// The options of a build that choose its closure: store paths, and the source of their registration.
struct ClosureArguments: ParsableArguments {
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

    /// Copies the options to the recipe.
    func fill(_ recipe: inout ImageRecipe) {
        recipe.store = StoreLocation(root: storeRoot)
        recipe.source = scanReferences ? .scan : registration.map { .registration($0) } ?? .nix
        recipe.deduplicates = deduplicate
        recipe.checksContent = check
        recipe.registrationPath = registrationPath
    }
}
