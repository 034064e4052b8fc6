/// An overview of an image: for a person to read, and for scripts as JSON.
///
/// Few blocks are read: the partition table, superblocks, boot files and the registration, but no file of the store.
public struct ImageReport: Sendable, Encodable {
    /// The image as a file.
    public struct File: Sendable, Encodable {
        /// The path by which it was opened.
        public var path: String
        /// `raw`, `seekable` (zstd with a seek table), `frames` (without one), `stream`, or `plan`.
        public var form: String
        /// Bytes of the file, and of the image in it.
        public var size: UInt64, imageSize: UInt64
    }

    /// A partition and its content.
    public struct Partition: Sendable, Encodable {
        /// Its number, from 1.
        public var number: Int
        /// The offset on the disk and the length, in bytes.
        public var start: UInt64, size: UInt64
        /// The type as sfdisk shows it (`83`, or a GUID), and its name, if that is known.
        public var type: String, typeName: String?
        /// The PARTUUID, and the partition's name in a GPT.
        public var id: String?, name: String?
        /// Whether an MBR marks it as active, or a GPT as bootable by old BIOSes.
        public var isActive: Bool
        /// `firmware` or `root`; see ``DiskImage/partition(_:)``.
        public var role: String?
        /// The content, such as `fat`, `ext`, `btrfs`, `empty` (see ``ContentKind``), or `extended`.
        public var content: String
        /// The filesystem; `nil` where there is none that can be read.
        public var filesystem: Filesystem?
        /// The error that keeps its filesystem from being read.
        public var damage: String?
    }

    /// The facts in a filesystem's superblock or boot sector.
    public struct Filesystem: Sendable, Encodable {
        /// `FAT16`, `ext4`.
        public var kind: String
        /// The label and the UUID; `nil` where the filesystem has none.
        public var label: String?, uuid: String?
        /// The features of ext2, ext3 and ext4, by e2fsprogs' names.
        public var features: [String]?
        /// Bytes in total, free for every user, and reserved for root.
        public var size: UInt64, free: UInt64, reserved: UInt64?
        /// Bytes in a block or cluster.
        public var blockSize: UInt64
        /// The number of inodes, and of free ones; `nil` for FAT.
        public var inodes: UInt64?, freeInodes: UInt64?
        /// The size in bytes to which it can grow while it is mounted; `nil` where nothing limits it, or it cannot
        /// grow.
        public var growthLimit: UInt64?
        /// Whether it was unmounted cleanly; `nil` for FAT.
        public var isClean: Bool?
        /// Whether its journal holds blocks that were not yet written to the filesystem.
        public var needsRecovery: Bool?
        /// The directory where it was last mounted, and the times (seconds since 1970) of the last mount and write.
        public var lastMounted: String?, mounted: Int64?, written: Int64?
    }

    /// A range of the disk, and its share of the compressed file.
    public struct Region: Sendable, Encodable {
        /// `before partition 1`, `firmware`, `root`, `partition 3`, `after partition 2`.
        public var name: String
        /// Bytes on the disk, and in the file. (A frame that two regions share is divided by their lengths in it.)
        public var size: UInt64, compressedSize: UInt64
    }

    /// The frames of a compressed image.
    public struct Compression: Sendable, Encodable {
        /// The number of frames with content.
        public var frames: Int
        /// Plain bytes of the largest frame.
        public var largestFrame: UInt64
        /// The regions of the disk, in order.
        public var regions: [Region]
    }

    /// The version of this structure. It grows when a field disappears or changes its meaning.
    public let version = 1
    /// The file that holds the image.
    public var file: File
    /// The scheme of the table (`mbr`, `gpt` or `none`), and the disk's identifier.
    public var table: String, diskID: String?
    /// The partitions, in the order of the table.
    public var partitions: [Partition]
    /// How the image boots; `nil` where neither a menu nor settings of the firmware tell.
    public var boot: BootReport?
    /// The NixOS system; `nil` where there is none.
    public var system: SystemReport?
    /// The Nix store; `nil` where there is none.
    public var store: StoreReport?
    /// The frames; `nil` where the image is not compressed, or the frames are not known.
    public var compression: Compression?
    /// Errors that kept parts of this report from being read, such as a damaged frame of a compressed image.
    public var problems: [String] = []

    /// Reads an image.
    ///
    /// Damage is described in the report, together with everything else that can be read.
    /// - Throws: when the source or the partition table cannot be read.
    public init(_ disk: DiskImage) throws(ImageError) {
        file = File(
            path: disk.path, form: disk.container?.form.name ?? "plan",
            size: disk.container?.fileSize ?? disk.source.size,
            imageSize: disk.source.size)
        table = disk.table.scheme.rawValue
        diskID = disk.table.identifier
        var contents: [Int: ContentKind] = [:], volumes: [Int: ImageVolume] = [:]
        partitions = []
        for partition in disk.table.partitions {
            var entry = Partition(partition)
            if partition.isExtended {
                entry.content = "extended"
            } else {
                do throws(ImageError) {
                    let content = try disk.content(of: partition)
                    contents[partition.number] = content
                    entry.content = content.rawValue
                    if let volume = try disk.volume(of: partition, content: content) {
                        volumes[partition.number] = volume
                        entry.filesystem = try Filesystem(volume)
                    }
                } catch {
                    entry.damage = error.description
                }
            }
            partitions.append(entry)
        }
        // A partition that cannot be read does not keep the others from their roles.
        let firmware = try disk.find(.firmware) { contents[$0.number] ?? .unknown }?.number
        let root = try disk.find(.root) { contents[$0.number] ?? .unknown }?.number
        for index in partitions.indices {
            let number = partitions[index].number
            partitions[index].role = number == firmware ? "firmware" : number == root ? "root" : nil
        }
        let firmwareVolume = firmware.flatMap { volumes[$0] }, rootVolume = root.flatMap { volumes[$0] }
        try readSystem(root: rootVolume, firmware: firmwareVolume)
        if let frames = disk.container?.form.frames?.list {
            compression = Compression(frames, disk.table, firmware, root)
        }
    }

    /// Reads boot files, system and store, on two threads: the registration is far from the boot files, so in a
    /// compressed image they are in different frames.
    private mutating func readSystem(root: ImageVolume?, firmware: ImageVolume?) throws(ImageError) {
        struct Found {
            var boot: BootReport?
            var system: SystemReport?
            var store: StoreReport?
            var problems: [String] = []
        }
        let found = Monitor(Found())
        /// Calls `body`; an error becomes a problem, and `nil`.
        @Sendable func orProblem<Part>(_ body: () throws(ImageError) -> Part?) -> Part? {
            do throws(ImageError) {
                return try body()
            } catch {
                found.change { if !$0.problems.contains(error.description) { $0.problems.append(error.description) } }
                return nil
            }
        }
        try onThreads(2, sharing: 2, by: 1) { (next) throws(ImageError) in
            while let task = next()?.lowerBound {
                if task == 0 {
                    let boot = orProblem { () throws(ImageError) in try BootReport(root: root, firmware: firmware) }
                    let system = orProblem { () throws(ImageError) in
                        try root.flatMap { (root) throws(ImageError) in
                            try SystemReport(root, initPath: boot?.defaultEntry?.initPath)
                        }
                    }
                    found.change { ($0.boot, $0.system) = (boot, system) }
                } else {
                    let store = orProblem { () throws(ImageError) in
                        try root.flatMap { (root) throws(ImageError) in try StoreReport(root) }
                    }
                    found.change { $0.store = store }
                }
            }
        }
        found.change { (boot, system, store, problems) = ($0.boot, $0.system, $0.store, $0.problems.sorted()) }
        // Boards of other architectures cannot run the system.
        if let platform = system?.platform, let architecture = platform.split(separator: "-").first {
            boot?.boards.removeAll { $0.architecture != architecture }
        }
    }
}

extension ImageReport.Partition {
    init(_ partition: Partition) {
        number = partition.number
        start = partition.bytes.lowerBound
        size = partition.bytes.length
        type = partition.typeText
        typeName = partition.typeName
        id = partition.id
        name = partition.name
        isActive = partition.isActive
        content = ContentKind.unknown.rawValue
    }
}

extension ImageReport.Filesystem {
    init(_ volume: ImageVolume) throws(ImageError) {
        let head = try volume.head()
        (kind, label, uuid, features) = (head.kind, head.label, head.uuid, head.features)
        (blockSize, inodes, freeInodes) = (head.blockSize, head.inodes, head.freeInodes)
        switch volume {
        case .fat(let fat):
            let layout = fat.layout
            size = layout.clusterCount * layout.clusterSize
            // The count in the FSInfo sector is used for large FATs only; small ones are counted.
            var clusters = layout.fatSize > 1 << 20 ? try fat.freeClusterHint() : nil
            if clusters == nil { clusters = try fat.freeClusters() }
            free = (clusters ?? 0) * layout.clusterSize
        case .ext4(let ext4):
            let information = ext4.information
            size = head.size
            reserved = information.reservedBlocks.multipliedClamping(by: blockSize)
            let free = min(information.freeBlocks, information.blocks)
            self.free = (free - min(free, information.reservedBlocks)) * blockSize
            growthLimit = ext4.growthLimit
            isClean = information.isClean
            needsRecovery = information.needsRecovery
            lastMounted = information.lastMounted.isEmpty ? nil : information.lastMounted
            mounted = information.mounted == 0 ? nil : information.mounted
            written = information.written == 0 ? nil : information.written
        }
    }
}

extension ImageReport.Compression {
    init(_ list: FrameList, _ table: PartitionTable, _ firmware: Int?, _ root: Int?) {
        frames = (0..<list.count).count { list.imageOffsets[$0 + 1] > list.imageOffsets[$0] }
        largestFrame = list.largest
        regions = []
        var offset: UInt64 = 0
        let partitions = table.partitions.filter { !$0.isExtended }
            .sorted { $0.bytes.lowerBound < $1.bytes.lowerBound }
        func add(_ name: String, until end: UInt64) {
            let end = min(end, list.size)
            guard end > offset else { return }
            regions.append(
                ImageReport.Region(
                    name: name, size: end - offset, compressedSize: list.compressedSize(of: offset..<end)))
            offset = end
        }
        for partition in partitions {
            add("before partition \(partition.number)", until: partition.bytes.lowerBound)
            let name =
                partition.number == firmware
                ? "firmware" : partition.number == root ? "root" : "partition \(partition.number)"
            add(name, until: partition.bytes.upperBound)
        }
        if let last = partitions.last { add("after partition \(last.number)", until: list.size) }
    }
}

extension FrameList {
    /// The bytes of the file that hold a range of the plain bytes. A frame that is only partly in the range counts with
    /// the same share of its compressed bytes.
    func compressedSize(of range: Range<UInt64>) -> UInt64 {
        guard !range.isEmpty, range.upperBound <= size else { return 0 }
        var sum = 0.0
        for index in frame(holding: range.lowerBound)...frame(holding: range.upperBound - 1) {
            let plain = imageRange(ofFrame: index)
            let overlap = plain.clamped(to: range)
            guard !overlap.isEmpty else { continue }
            let share = Double(overlap.length) / Double(plain.length)
            sum += Double(fileRange(ofFrame: index).length) * share
        }
        return UInt64(sum)
    }
}

extension Ext4Volume {
    /// The size in bytes to which the filesystem can grow while it is mounted: the blocks reserved for group
    /// descriptors are the limit. `nil` where none are reserved, or where nothing limits it (`meta_bg`).
    var growthLimit: UInt64? {
        guard information.features.contains("resize_inode"), !information.features.contains("meta_bg") else {
            return nil
        }
        let size = UInt64(superblock.descriptorSize)
        let descriptors = (information.groups * size).dividedRoundingUp(by: information.blockSize)
        return (descriptors + information.reservedDescriptorBlocks).multipliedClamping(by: information.blockSize / size)
            .multipliedClamping(by: information.blocksPerGroup).multipliedClamping(by: information.blockSize)
    }
}
