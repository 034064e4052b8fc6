import ArgumentParser
import ImageKit
import SystemPackage

/// `mkpiimg verify`: checks an image.
struct Verify: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Check everything of an image that can be checked.",
        discussion: """
            Checks how the image is compressed, the partition table, FAT and ext2, ext3 and ext4 filesystems, every \
            path of a Nix store against its registration, and whether all is there that it takes to boot. Nothing is \
            changed.

            The exit status is 0 where there is no damage (there may be warnings and notes), 3 where there is, and 1 \
            where the image cannot be checked.
            """)

    @OptionGroup var arguments: ImageArguments

    @Flag(help: "Print one JSON object.")
    var json = false

    @Flag(help: "List all that was kept: up to 100 of each kind.")
    var all = false

    @OptionGroup var work: WorkArguments

    func run() throws {
        let image = arguments.image
        let report = try showing(work.progress) { (progress) throws(ImageError) in
            try ImageCheck.run(image, threads: work.threadCount, progress: progress)
        }
        try failing { () throws(ImageError) in
            if json {
                try JSON.write(VerifyDocument(report, of: image.string))
            } else {
                try StandardOutput.write(VerifyText(report, of: image.string, listsAll: all).text)
            }
        }
        if !report.isSound { throw ExitCode(3) }
    }
}

/// The output of `verify --json`, which `docs/verify.md` describes.
private struct VerifyDocument: Encodable {
    struct Kind: Encodable {
        let kind: String, severity: String, meaning: String
        let count: Int
    }

    struct Item: Encodable {
        let kind: String, severity: String, what: String
        let path: String?
        let offset: UInt64?
        let partition: Int?
    }

    struct Store: Encodable {
        let registered: UInt64, paths: UInt64, entries: UInt64, hashed: UInt64, hashedBytes: UInt64
    }

    struct Checked: Encodable {
        let frames: UInt64, partitions: UInt64, filesystems: UInt64, entries: UInt64, boots: UInt64
        let store: Store?
    }

    let version = 1
    let image: String, form: String
    let imageSize: UInt64, fileSize: UInt64
    let sound: Bool
    let checked: Checked
    let kinds: [Kind]
    let findings: [Item]

    init(_ report: ImageCheck.Report, of image: String) {
        self.image = image
        form = report.form
        imageSize = report.size
        fileSize = report.fileSize
        sound = report.isSound
        let store = report.checked.store.map {
            Store(
                registered: $0.registered, paths: $0.paths, entries: $0.entries, hashed: $0.hashed,
                hashedBytes: $0.hashedBytes)
        }
        checked = Checked(
            frames: report.checked.frames, partitions: report.checked.partitions,
            filesystems: report.checked.filesystems, entries: report.checked.entries, boots: report.checked.boots,
            store: store)
        kinds = report.findings.counts.sorted { $0.key.name < $1.key.name }.map { kind, count in
            Kind(kind: kind.name, severity: kind.severity.rawValue, meaning: kind.meaning, count: count)
        }
        findings = report.findings.list.map { finding in
            Item(
                kind: finding.kind.name, severity: finding.kind.severity.rawValue, what: finding.what,
                path: finding.path, offset: finding.offset, partition: finding.partition)
        }
    }
}
