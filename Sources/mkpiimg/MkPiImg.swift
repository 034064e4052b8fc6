import ArgumentParser
import Glibc

/// The command line. Each subcommand has its own file; ImageKit does the work.
@main
struct MkPiImg: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mkpiimg",
        abstract: "Make Raspberry Pi SD card images from NixOS closures, and look into images.",
        usage: "mkpiimg --closure ./result --out pi.img.zst",
        discussion: """
            Lays out the partition table, the firmware partition and the root filesystem on paper, and streams the \
            closure's files once, straight from the store, into a compressed image that can be read in parts. It needs \
            no root, no mounting and no emulation, and gives the same bytes for the same closure on every machine.

            The other subcommands read images, anybody's, raw or compressed, and cards in a reader.
            """,
        version: version,
        subcommands: [
            Build.self, Inspect.self, List.self, Cat.self, Extract.self, Verify.self, Diff.self, Completions.self,
        ],
        defaultSubcommand: Build.self)

    static func main() {
        do {
            Termination.prepare()
            var command = try parseAsRoot()
            try command.run()
        } catch let failure as Failure {
            failure.exit()
        } catch {
            exit(withError: error)
        }
    }
}
