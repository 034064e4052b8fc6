import Synchronization
public import SystemPackage

/// Checks everything of an image that can be checked.
///
/// ```
///   .zst        seek table, frame heads ······························· frames that nothing else has read
///   table       MBR, GPT                                              ▲
///   partitions  FAT, ext4 ──▶ trees ──▶ store paths ──▶ boot chain ───┘
/// ```
///
/// Frames of a compressed image are decompressed once, as those are that store paths need while they are hashed.
public struct ImageCheck {
    /// What was checked, and what was found.
    public struct Report: Sendable {
        /// How the image is kept: `raw`, `seekable`, `frames` or `stream`.
        public var form: String
        /// Bytes of the file, and of the image in it.
        public var fileSize: UInt64, size: UInt64
        /// What is wrong, or should be known. Offsets are from the beginning of the disk, but for how it is compressed: those
        /// (``Finding/partition`` is `nil`, and the kind's name begins with `zstd-`) are from the beginning of the file.
        public var findings = Findings()
        /// How much was checked.
        public var checked = Checked()

        /// Whether there is no damage. (Warnings and notes are none.)
        public var isSound: Bool { findings.worst.map { $0 < .damage } ?? true }
    }

    /// How much was checked.
    public struct Checked: Sendable, Hashable {
        /// Frames of a compressed image; 0 where it has none that are known.
        public var frames: UInt64 = 0
        /// Partitions in the table, and filesystems that were checked.
        public var partitions: UInt64 = 0, filesystems: UInt64 = 0
        /// Names in all filesystems: files, directories, links.
        public var entries: UInt64 = 0
        /// Of the Nix store, where there is one.
        public var store: StoreCheck.Counts?
        /// Ways to boot that were followed: entries of menus, and command lines.
        public var boots: UInt64 = 0
    }

    private let image: ImageSource
    private let path: FilePath
    private let threads: Int
    private let progress: Progress?
    private var report: Report

    /// Checks a file or a block device.
    ///
    /// Damage is no error: it is in the report.
    /// - Throws: when there is no image, it cannot be read, or the progress is asked to stop.
    public static func run(
        _ path: FilePath, limits: ImageSource.Limits = ImageSource.Limits(), threads: Int = ImageRecipe.usefulThreads,
        progress: Progress? = nil
    ) throws(ImageError) -> Report {
        var findings = Findings()
        let image = try ImageSource.open(path, limits: limits, progress: progress) { findings.add($0) }
        var check = ImageCheck(image, path, threads, progress, findings)
        try check.run()
        return check.report
    }

    private init(
        _ image: ImageSource, _ path: FilePath, _ threads: Int, _ progress: Progress?, _ findings: Findings
    ) {
        self.image = image
        self.path = path
        self.threads = max(1, threads)
        self.progress = progress
        report = Report(form: image.form.name, fileSize: image.fileSize, size: image.size, findings: findings)
    }

    private mutating func run() throws(ImageError) {
        try progress?.begin(.filesystems)
        if let disk = try openDisk() {
            report.checked.partitions = UInt64(disk.table.partitions.count)
            let filesystems = try checkFilesystems(disk)
            for (filesystem, others) in filesystems where !filesystem.isFAT {
                try checkStore(filesystem, others)
            }
            try checkBoot(filesystems.map(\.filesystem), disk.table)
        }
        try checkFrames()
    }

    // MARK: The parts

    private mutating func openDisk() throws(ImageError) -> DiskImage? {
        let disk: DiskImage
        do {
            disk = try DiskImage(image, path: path.string)
        } catch {
            guard error.blame.isInput else { throw error }
            report.findings.add(Finding(.imageDisk, error.fault, offset: error.offset))
            return nil
        }
        guard disk.table.scheme != .none else { return disk }
        var findings = Findings()
        do {
            try PartitionCheck.run(image) { findings.add($0) }
            try PartitionCheck.checkContents(of: disk) { findings.add($0) }
        } catch {
            guard error.blame.isInput else { throw error }
            findings.add(Finding(.imageUnreadable, error.fault))
        }
        report.findings.add(findings)
        return disk
    }

    /// Checks each partition's filesystem.
    private mutating func checkFilesystems(
        _ disk: DiskImage
    ) throws(ImageError) -> [(filesystem: BootChainCheck.Filesystem, others: [[UInt8]])] {
        var found: [(filesystem: BootChainCheck.Filesystem, others: [[UInt8]])] = []
        try progress?.begin(.filesystems, total: report.checked.partitions)
        var checked: [Range<UInt64>] = []
        for partition in disk.table.partitions where !partition.isExtended {
            // That they overlap has been said; to check the same bytes again and again could take for ever.
            guard !checked.contains(where: { $0.overlaps(partition.bytes) }) else { continue }
            checked.append(partition.bytes)
            do {
                if let filesystem = try checkFilesystem(partition, of: disk) { found.append(filesystem) }
            } catch {
                // A frame that is damaged; what is of the filesystem itself is found by its own check.
                guard error.blame.isInput else { throw error }
                var finding = Finding(.imageUnreadable, error.fault, offset: partition.bytes.lowerBound)
                finding.partition = partition.number
                report.findings.add(finding)
            }
            progress?.advance()
        }
        return found
    }

    private mutating func checkFilesystem(
        _ partition: Partition, of disk: DiskImage
    ) throws(ImageError) -> (filesystem: BootChainCheck.Filesystem, others: [[UInt8]])? {
        let source = disk.bytes(of: partition)
        var content = try ContentKind.of(source)
        var findings = Findings()
        defer { report.findings.add(findings.placed(in: partition)) }
        // A filesystem whose first bytes are lost looks like nothing at all; the table still says what it was.
        if content == .unknown || content == .empty, try !source.isZero(first: 1 << 20) {
            if partition.isForFAT {
                content = .fat
            } else if partition.isForLinux {
                findings.add(
                    Finding(.imageFilesystem, "the partition is for Linux, and nothing known begins in it", offset: 0))
                return nil
            }
        }
        var head: ImageVolume.Head?
        var others: [[UInt8]] = []
        let tree: FileTree?
        switch content {
        case .fat:
            tree = try FATCheck.run(source, progress: progress) { findings.add($0) }
            if tree != nil { head = try ImageVolume.fat(try FATVolume(source)).head() }
        case .ext:
            let contents = try Ext4Check.run(source, progress: progress) { findings.add($0) }
            tree = contents?.tree
            others = contents?.specialFiles.map(\.path) ?? []
            if tree != nil { head = ImageVolume.Head(try Ext4Superblock(source).information) }
        default:
            tree = nil
            let kind = content == .unknown ? "nothing that is known here" : content.rawValue
            findings.add(Finding(.imageOther, "its content is \(kind)", offset: 0))
        }
        guard let tree, let head else { return nil }
        report.checked.filesystems += 1
        report.checked.entries += UInt64(max(0, tree.names(below: tree.root)))
        let filesystem = BootChainCheck.Filesystem(
            partition: partition.number, partitionID: partition.id, type: content == .fat ? "vfat" : head.kind,
            label: head.label, uuid: head.uuid, tree: tree)
        return (filesystem, others)
    }

    private mutating func checkStore(
        _ filesystem: BootChainCheck.Filesystem, _ others: [[UInt8]]
    ) throws(ImageError) {
        let findings = Mutex(Findings())
        let counts = try StoreCheck.run(filesystem.tree, others: others, threads: threads, progress: progress) {
            finding in
            var finding = finding
            finding.partition = filesystem.partition
            findings.withLock { $0.add(finding) }
        }
        report.findings.add(findings.withLock { $0 })
        guard let counts else { return }
        report.checked.store = report.checked.store.map { $0 + counts } ?? counts
    }

    private mutating func checkBoot(
        _ filesystems: [BootChainCheck.Filesystem], _ table: PartitionTable
    ) throws(ImageError) {
        let read = Set(filesystems.map(\.partition))
        let unread = table.partitions.filter { !$0.isExtended && !read.contains($0.number) }
        var findings = Findings()
        let check = BootChainCheck(
            filesystems, partitions: Set(table.partitions.map(\.number)),
            unreadIDs: Set(unread.compactMap { $0.id?.lowercased() })
        ) { findings.add($0) }
        report.checked.boots = try check.run()
        report.findings.add(findings)
    }

    private mutating func checkFrames() throws(ImageError) {
        guard let frames = image.form.frames else { return }
        report.checked.frames = UInt64(frames.frameCount)
        var findings = Findings()
        try frames.checkRest(threads: threads, progress: progress) { findings.add($0) }
        report.findings.add(findings)
    }
}

extension ByteSource {
    /// Whether its first bytes are zero, up to `limit` of them.
    fileprivate func isZero(first limit: Int) throws(ImageError) -> Bool {
        try read(Int(min(size, UInt64(limit))), at: 0).allSatisfy { $0 == 0 }
    }
}

extension Findings {
    /// The same, of a partition, with offsets from the disk's beginning.
    fileprivate func placed(in partition: Partition) -> Findings {
        mapped { finding in
            var finding = finding
            finding.partition = partition.number
            finding.offset = finding.offset.map { $0.addingClamping(partition.bytes.lowerBound) }
            return finding
        }
    }
}

extension StoreCheck.Counts {
    /// Of two stores together.
    fileprivate static func + (one: Self, other: Self) -> Self {
        var sum = one
        sum.registered += other.registered
        sum.paths += other.paths
        sum.entries += other.entries
        sum.hashed += other.hashed
        sum.hashedBytes = one.hashedBytes.addingClamping(other.hashedBytes)
        return sum
    }
}
