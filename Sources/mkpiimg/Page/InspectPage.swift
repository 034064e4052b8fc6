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
    /// The image's name, without its directory.
    let name: String
    /// Bytes of the image, and of the file it is kept in; how it is compressed, in a word or two.
    let imageSize: UInt64, fileSize: UInt64, form: String
    /// What is said of it at the top, in pairs of a label and a value.
    let facts: [(label: String, value: String)]
    /// What the registration and the names say of store paths, by their file names.
    let storePaths: [String: StoreReport.Path]

    /// Looks at all of an image, besides what its report says.
    init(_ image: DiskImage, _ report: ImageReport) throws(ImageError) {
        survey = try ImageSurvey(image)
        name = FilePath(image.path).lastComponent?.string ?? image.path
        imageSize = report.file.imageSize
        fileSize = report.file.size
        switch image.container?.form {
        case .seekable: form = "zstd, seekable"
        case .frames: form = "zstd, in frames"
        case .stream: form = "zstd, in one stream"
        case .raw, nil: form = ""
        }
        var storePaths: [String: StoreReport.Path] = [:]
        for path in report.store?.paths ?? [] {
            if let name = FilePath(path.path).lastComponent?.string { storePaths[name] = path }
        }
        self.storePaths = storePaths
        var facts: [(label: String, value: String)] = [("Image", ByteSize.format(imageSize))]
        if !form.isEmpty {
            let percent = Double(fileSize) / Double(max(1, imageSize)) * 100
            facts.append(("Compressed", "\(ByteSize.format(fileSize)) (\(Int(percent.rounded()))%)"))
        }
        if let label = report.system?.label { facts.append(("System", label)) }
        if let kernel = report.boot?.defaultEntry?.kernelVersion { facts.append(("Kernel", kernel)) }
        if !survey.space.storePaths.isEmpty {
            facts.append(("Store paths", Self.grouped(survey.space.storePaths.count)))
        }
        let files = survey.space.nodes.count { $0.kind == .file || ($0.kind == .storePath && $0.size > 0) }
        facts.append(("Files", Self.grouped(files)))
        let savings = survey.space.savings
        if savings.bytes > 0 { facts.append(("Saved by hard links", ByteSize.format(savings.bytes))) }
        self.facts = facts
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
