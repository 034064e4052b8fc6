import Synchronization
public import SystemPackage

/// Checks everything in an image that can be checked.
///
/// ```
///   .zst        seek table, frame headers ····························· frames that no other check has read
///   table       MBR, GPT                                              ▲
///   partitions  FAT, ext4 ──▶ trees ──▶ store paths ──▶ boot chain ───┘
/// ```
///
/// Most frames of a compressed image are decompressed while store paths are hashed. The last step decompresses only the
/// frames that no earlier step has read.
public struct ImageCheck {
    /// The result of a check.
    public struct Report: Sendable {
        /// The form of the file: `raw`, `seekable`, `frames` or `stream`.
        public var form: String
        /// The sizes of the file and of the image in it, in bytes.
        public var fileSize: UInt64, size: UInt64
        /// The findings. Offsets are from the beginning of the disk, except for findings about compression: their
        /// kinds' names begin with `zstd-`, their ``Finding/partition`` is `nil`, and their offsets are from the
        /// beginning of the file.
        public var findings = Findings()
        /// How much was checked.
        public var checked = Checked()

        /// Whether there is no damage. (Warnings and notes do not count as damage.)
        public var isSound: Bool { findings.worst.map { $0 < .damage } ?? true }
    }

    /// How much was checked.
    public struct Checked: Sendable, Hashable {
        /// The number of frames of a compressed image; 0 if the file has none, or if they are not known.
        public var frames: UInt64 = 0
        /// The numbers of partitions in the table, and of filesystems that were checked.
        public var partitions: UInt64 = 0, filesystems: UInt64 = 0
        /// The number of names of files, directories and links in all filesystems.
        public var entries: UInt64 = 0
        /// The counts of the Nix stores of all filesystems together; `nil` if there is none.
        public var store: StoreCheck.Counts?
        /// The number of ways to boot that were checked: menu entries, and command lines of the firmware.
        public var boots: UInt64 = 0
    }

    private let image: ImageSource
    private let path: FilePath
    private let threads: Int
    private let progress: Progress?
    private var report: Report

    /// Checks a file or a block device.
    ///
    /// Damage is not an error; the report has it as findings.
    /// - Throws: if the file is not an image or cannot be read, or if `progress` is cancelled.
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
            for (filesystem, specialPaths) in filesystems where !filesystem.isFAT {
                try checkStore(filesystem, specialPaths)
            }
            try checkBoot(filesystems.map(\.filesystem), disk.table)
        }
        try checkFrames()
    }

    // MARK: Disk

    /// Reads and checks the partition table. If it is damaged, the result is `nil`, and a finding says why.
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

    // MARK: Filesystems

    /// A filesystem that was checked, and the paths in it that a tree cannot hold: devices, pipes and sockets.
    private typealias CheckedFilesystem = (filesystem: BootChainCheck.Filesystem, specialPaths: [[UInt8]])

    /// Checks the filesystem in each partition, except extended ones and those that overlap an earlier one.
    private mutating func checkFilesystems(_ disk: DiskImage) throws(ImageError) -> [CheckedFilesystem] {
        var found: [CheckedFilesystem] = []
        try progress?.begin(.filesystems, total: report.checked.partitions)
        var checked: [Range<UInt64>] = []
        for partition in disk.table.partitions where !partition.isExtended {
            // The check of the table reports partitions that overlap. Checking the same bytes again for each of them
            // could take very long.
            guard !checked.contains(where: { $0.overlaps(partition.bytes) }) else { continue }
            checked.append(partition.bytes)
            do {
                if let filesystem = try checkFilesystem(partition, of: disk) { found.append(filesystem) }
            } catch {
                // A frame is damaged. Damage of the filesystem itself does not throw; its check reports it.
                guard error.blame.isInput else { throw error }
                var finding = Finding(.imageUnreadable, error.fault, offset: partition.bytes.lowerBound)
                finding.partition = partition.number
                report.findings.add(finding)
            }
            progress?.advance()
        }
        return found
    }

    /// - Returns: `nil` if the partition has no filesystem that can be read.
    private mutating func checkFilesystem(
        _ partition: Partition, of disk: DiskImage
    ) throws(ImageError) -> CheckedFilesystem? {
        let source = disk.bytes(of: partition)
        var content = try ContentKind.of(source)
        var findings = Findings()
        defer { report.findings.add(findings.moved(into: partition)) }
        // A filesystem whose first bytes are lost cannot be recognised, but the table says what it was.
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
        var specialPaths: [[UInt8]] = []
        let tree: FileTree?
        switch content {
        case .fat:
            tree = try FATCheck.run(source, progress: progress) { findings.add($0) }
            if tree != nil { head = try ImageVolume.fat(try FATVolume(source)).head() }
        case .ext:
            let contents = try Ext4Check.run(source, progress: progress) { findings.add($0) }
            tree = contents?.tree
            specialPaths = contents?.specialFiles.map(\.path) ?? []
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
        return (filesystem, specialPaths)
    }

    // MARK: Files

    private mutating func checkStore(
        _ filesystem: BootChainCheck.Filesystem, _ specialPaths: [[UInt8]]
    ) throws(ImageError) {
        let findings = Mutex(Findings())
        let counts = try StoreCheck.run(
            filesystem.tree, specialFiles: specialPaths, threads: threads, progress: progress
        ) {
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

    // MARK: Frames

    private mutating func checkFrames() throws(ImageError) {
        guard let frames = image.form.frames else { return }
        report.checked.frames = UInt64(frames.frameCount)
        var findings = Findings()
        try frames.checkRest(threads: threads, progress: progress) { findings.add($0) }
        report.findings.add(findings)
    }
}

extension ByteSource {
    /// Whether the first `limit` bytes are zero, or all bytes of a shorter source.
    fileprivate func isZero(first limit: Int) throws(ImageError) -> Bool {
        try read(Int(min(size, UInt64(limit))), at: 0).allSatisfy { $0 == 0 }
    }
}

extension Findings {
    /// The findings of a partition's filesystem, with the partition's number and offsets from the disk's beginning.
    fileprivate func moved(into partition: Partition) -> Findings {
        mapped { finding in
            var finding = finding
            finding.partition = partition.number
            finding.offset = finding.offset.map { $0.addingClamping(partition.bytes.lowerBound) }
            return finding
        }
    }
}

extension StoreCheck.Counts {
    /// The counts of two stores together.
    fileprivate static func + (left: Self, right: Self) -> Self {
        var sum = left
        sum.registered += right.registered
        sum.paths += right.paths
        sum.entries += right.entries
        sum.hashed += right.hashed
        sum.hashedBytes = left.hashedBytes.addingClamping(right.hashedBytes)
        return sum
    }
}
