import ArgumentParser
import FoundationEssentials
import ImageKit
import SystemPackage

/// `mkpiimg ls`: lists a directory of an image.
struct List: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ls",
        abstract: "List a folder of an image.",
        discussion: """
            A place is firmware:/path, root:/path, 2:/path by number, or /path on the root partition. Names that begin \
            with a dot are listed too; the order is that of the names' bytes; times are UTC.
            """)

    @OptionGroup var arguments: ImageArguments

    @Argument(help: ArgumentHelp("What to list.", valueName: "place"))
    var address = ImageAddress(partition: .root, path: "/")

    @Flag(name: [.customShort("l"), .long], help: "Show mode, links, owner, size and time.")
    var long = false

    @Flag(name: [.customShort("R"), .long], help: "List folders in folders too.")
    var recursive = false

    @Flag(name: [.customShort("d"), .long], help: "Show a folder itself instead of what is in it.")
    var directory = false

    @Flag(help: "Print JSON.")
    var json = false

    func run() throws {
        let disk = try arguments.open()
        try failing { () throws(ImageError) in try list(disk) }
    }

    private func list(_ disk: DiskImage) throws(ImageError) {
        let partition = try disk.partition(address.partition)
        let volume = try disk.volume(.number(partition.number))
        guard let node = try volume.node(at: address.path, followingLinks: !long && !json && !directory) else {
            throw .nothing(at: address.description)
        }
        var damages = 0
        func report(_ error: ImageError) {
            damages += 1
            StandardError.write("mkpiimg: \(error.sentence)\n")
        }
        let isDirectory = node.kind == .directory && !directory
        var listing = Listing(isLong: long, isJSON: json, partition: partition.number, top: address.path)
        if !isDirectory {
            try listing.show([], [(Array(address.path.utf8), node)], isTop: true)
        } else if !recursive, !long, !json {
            // Names are in the directory itself: no inode is read.
            try listing.show(names: try node.names())
        } else if !recursive {
            try listing.show(
                [], try node.children { (_, error) throws(ImageError) in report(error) },
                isTop: true)
        } else {
            try node.walk { (_, error) throws(ImageError) in
                report(error)
            } _: { (path, _, children) throws(ImageError) in
                try listing.show(path, children, isTop: false)
            }
        }
        try listing.end()
        damages += listing.damages
        if damages > 0 {
            throw ImageError(
                .corrupt, "could not list everything of", path: address.description,
                reason: "\(damages) of its folders and files cannot be read", remedy: "see 'mkpiimg verify'")
        }
    }
}
