import ArgumentParser
import ImageKit
import SystemPackage

/// `mkpiimg cat`: writes the bytes of files to standard output.
struct Cat: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Write a file's bytes to standard output.",
        discussion: "A place is firmware:/path, root:/path, 2:/path by number, or /path on the root partition.")

    @OptionGroup var arguments: ImageArguments

    @Argument(help: ArgumentHelp("The files; links are followed within the image.", valueName: "place"))
    var addresses: [ImageAddress]

    func run() throws {
        let disk = try arguments.open()
        try failing { () throws(ImageError) in
            for address in addresses {
                let volume = try disk.volume(address.partition)
                guard let node = try volume.node(at: address.path, followingLinks: true) else {
                    throw .nothing(at: address.description)
                }
                guard node.kind == .file else {
                    throw ImageError(
                        .invalidInput, "cannot show", path: address.description,
                        reason: node.kind == .directory ? "it is a folder" : "it is not a regular file",
                        remedy: node.kind == .directory ? "list it with 'mkpiimg ls'" : nil)
                }
                try write(try node.content())
            }
        }
    }

    private func write(_ content: any ByteSource) throws(ImageError) {
        var offset: UInt64 = 0
        while offset < content.size {
            let count = min(1 << 20, content.size - offset)
            try StandardOutput.write(bytes: try content.read(Int(count), at: offset))
            offset += count
        }
    }
}
