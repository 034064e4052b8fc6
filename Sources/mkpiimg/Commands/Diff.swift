import ArgumentParser
import ImageKit
import SystemPackage

/// `mkpiimg diff`: compares two images.
struct Diff: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Tell what changed between two images.",
        discussion: """
            Images are '.img' or '.img.zst' files, or block devices. Store paths are compared by their names and \
            registrations, everything else by content.

            The exit status is 0 where nothing changed, 3 where something did, and 1 where the images cannot be \
            compared.
            """)

    @Argument(help: "The old image.") var old: FilePath
    @Argument(help: "The new image.") var new: FilePath
    @Flag(help: "Compare the bytes of store paths that both images have, too.") var content = false
    @Flag(help: "Tell which files changed in store paths that changed.") var files = false
    @Flag(help: "List everything, not only the largest changes.") var all = false
    @Flag(help: "Print one JSON object.") var json = false

    func run() throws {
        let difference = try showing { (progress) throws(ImageError) in try compare(progress) }
        try failing { () throws(ImageError) in
            if json {
                try JSON.write(Document(old: old.string, new: new.string, difference: difference))
            } else {
                try StandardOutput.write(DiffText(difference, listsAll: all).text)
            }
        }
        if !difference.isEmpty { throw ExitCode(3) }
    }

    private func compare(_ progress: Progress) throws(ImageError) -> ImageDifference {
        var options = ImageDifference.Options()
        options.comparesContent = content
        options.listsFiles = files
        return try ImageDifference(
            DiskImage.open(old, progress: progress), DiskImage.open(new, progress: progress), options: options,
            progress: progress)
    }

    /// The output of `diff --json`, which `docs/diff.md` describes.
    private struct Document: Encodable {
        let old: String, new: String
        let difference: ImageDifference

        enum Key: CodingKey {
            case version, old, new
        }

        func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: Key.self)
            try container.encode(1, forKey: .version)
            try container.encode(old, forKey: .old)
            try container.encode(new, forKey: .new)
            try difference.encode(to: encoder)
        }
    }
}
