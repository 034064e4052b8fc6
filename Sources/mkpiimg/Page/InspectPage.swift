import ImageKit
import SystemPackage

/// The HTML page of `inspect --html`. It shows the use of space, the layout of the disk, the compression, and tables.
///
/// The page is a single file: it contains its styles, scripts and data, and its content security policy forbids it to
/// fetch anything. Names from the image are always text, never markup: in the data and the markup (see ``ScriptText``),
/// and in the elements that the scripts make.
///
/// ```
///   markup ── header, empty elements for maps and tables
///   data   ── JSON: facts, partitions, an outline of the sizes, extents of the disk, frames, store paths, files
///   script ── draws the rest from the data; never an element for each file
/// ```
struct InspectPage {
    let survey: ImageSurvey
    /// The image's name, without its directory.
    let name: String
    /// The size in bytes of the image and of the file that contains it; the form of its compression in a few words.
    let imageSize: UInt64, fileSize: UInt64, form: String
    /// The facts at the top of the page.
    let facts: [(label: String, value: String)]
    /// The report's entries for store paths, by their file names.
    let storePaths: [String: StoreReport.Path]

    /// Surveys an image, in addition to its report.
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
        return digits.indices.map { index in
            (index > 0 && (digits.count - index) % 3 == 0 ? "," : "") + String(digits[index])
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
