import ImageKit
import SystemPackage

/// One page to look at an image with: what takes the space, what lies where, how well it is compressed, and tables of it.
///
/// The page is one file that needs nothing else: styles, scripts and data are in it, and its policy lets it fetch nothing.
/// Names from the image are texts wherever they stand: in the data (see ``ImageKit/ScriptText``), in the markup, and what
/// the scripts show.
///
/// ```
///   markup ── header, empty places for maps and tables
///   data   ── JSON: facts, partitions, an outline of the sizes, pieces of the disk, frames, store paths, files
///   script ── draws the rest from the data; no element for each file, ever
/// ```
struct InspectPage {
    let survey: ImageSurvey
    /// The image's name, without its folder.
    let name: String
    /// Bytes of the image, and of the file it is kept in; how it is compressed, in a word or two.
    let imageSize: UInt64, fileSize: UInt64, form: String
    /// What is said of it at the top, in pairs of a label and a value.
    let facts: [(label: String, value: String)]
    /// What each store path takes with all that it needs, where that is known.
    let closures: [UInt64?]

    /// Looks at all of an image.
    /// - Parameter name: what the page calls it.
    init(_ image: DiskImage, name: String) throws(ImageError) {
        survey = try ImageSurvey(image)
        self.name = name
        imageSize = image.source.size
        fileSize = image.file?.fileSize ?? image.source.size
        switch image.file?.form {
        case .seekable: form = "zstd, seekable"
        case .frames: form = "zstd, in frames"
        case .stream: form = "zstd, in one stream"
        case .raw, nil: form = ""
        }
        let registration = ImageSurvey.registration(in: image)
        closures = if let registration { survey.closureSizes(registration) } else { [] }
        var facts: [(label: String, value: String)] = [("Image", ByteSize.format(imageSize))]
        if !form.isEmpty {
            let percent = Double(fileSize) / Double(max(1, imageSize)) * 100
            facts.append(("Compressed", "\(ByteSize.format(fileSize)) (\(Int(percent.rounded()))%)"))
        }
        if let system = ImageSurvey.system(in: image) {
            if !system.label.isEmpty { facts.append(("System", system.label)) }
            if !system.kernel.isEmpty { facts.append(("Kernel", system.kernel)) }
        }
        if !survey.space.storePaths.isEmpty {
            facts.append(("Store paths", Self.grouped(survey.space.storePaths.count)))
        }
        let files = survey.space.nodes.count { $0.kind == .file || ($0.kind == .storePath && $0.size > 0) }
        facts.append(("Files", Self.grouped(files)))
        let savings = survey.space.savings
        if savings.bytes > 0 { facts.append(("Saved by hard links", ByteSize.format(savings.bytes))) }
        self.facts = facts
    }

    /// Writes the page of an image into a file, or to standard output where that is `-`.
    static func write(_ image: DiskImage, name: String, to file: String) throws(ImageError) {
        let page = try InspectPage(image, name: name).html
        if file == "-" { try StandardOutput.write(page) } else { try OutputText.write(page, to: FilePath(file)) }
    }

    /// A number with commas: `60,721`.
    private static func grouped(_ number: Int) -> String {
        let digits = Array(String(number))
        return digits.indices.map { place in
            (place > 0 && (digits.count - place) % 3 == 0 ? "," : "") + String(digits[place])
        }.joined()
    }

    /// The whole page.
    var html: String {
        let title = ScriptText.markup(name)
        let list = facts.map {
            "<div><dt>\(ScriptText.markup($0.label))</dt><dd>\(ScriptText.markup($0.value))</dd></div>"
        }.joined()
        return """
            <!DOCTYPE html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta http-equiv="Content-Security-Policy" \
            content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; \
            form-action 'none'">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta name="color-scheme" content="light dark">
            <meta name="generator" content="mkpiimg \(ScriptText.markup(version))">
            <title>\(title) – mkpiimg inspect</title>
            <style>
            \(Self.style)
            </style>
            </head>
            <body>
            <header>
            <p class="kind">SD card image</p>
            <h1>\(title)</h1>
            <dl class="facts">\(list)</dl>
            <p class="problem" id="problem" hidden></p>
            </header>
            \(Self.markup)
            <footer>Made by mkpiimg \(ScriptText.markup(version)). Sizes are in powers of 1024.</footer>
            <script type="application/json" id="data">\(data)</script>
            <script>
            \(Self.script)
            \(Self.tableScript)
            \(Self.treemapScript)
            \(Self.diskScript)
            \(Self.checkScript)
            </script>
            </body>
            </html>

            """
    }
}
