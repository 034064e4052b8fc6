/// What is in an image, at a glance: for a person to read, and for scripts as JSON.
///
/// Only heads are read: the table, superblocks, boot files, the registration. No file of the store is.
public struct ImageReport: Sendable, Encodable {
    /// The image as a file.
    public struct File: Sendable, Encodable {
        /// How it was called.
        public var path: String
        /// `raw`, `seekable` (zstd with a seek table), `frames` (without one), `stream`, or `plan`.
        public var form: String
        /// Bytes of the file, and of the disk in it.
        public var size: UInt64, imageSize: UInt64
    }

    /// A partition and what it holds.
    public struct Partition: Sendable, Encodable {
        public var number: Int
        /// Bytes from the disk's beginning, and bytes in it.
        public var start: UInt64, size: UInt64
        /// As sfdisk shows it (`83`, or a GUID), and what it is called, if that is known.
        public var type: String, typeName: String?
        /// The PARTUUID, and the name that a GPT gives it.
        public var id: String?, name: String?
        public var isActive: Bool
        /// `firmware` or `root`, if it is taken for that.
        public var role: String?
        /// What it holds, such as `fat`, `ext`, `btrfs`, `empty`; see ``ContentKind``.
        public var content: String
        /// The filesystem, where it can be read.
        public var filesystem: Filesystem?
        /// Why it cannot be read, where it should be.
        public var damage: String?
    }

    /// A filesystem's head.
    public struct Filesystem: Sendable, Encodable {
        /// `FAT16`, `ext4`.
        public var kind: String
        public var label: String?, uuid: String?
        /// Of ext2, ext3 and ext4, by e2fsprogs' names.
        public var features: [String]?
        /// Bytes in all, free for anybody, and kept for root.
        public var size: UInt64, free: UInt64, reserved: UInt64?
        /// Bytes in a block or cluster.
        public var blockSize: UInt64
        public var inodes: UInt64?, freeInodes: UInt64?
        /// How many bytes it can grow to while it is mounted; `nil` where nothing limits it, or it cannot grow.
        public var growthLimit: UInt64?
        /// Whether it was left in order; `nil` where the filesystem does not say.
        public var isClean: Bool?
        /// Whether its journal holds what has not reached its place.
        public var needsRecovery: Bool?
        /// Where and when (seconds since 1970) it was last mounted and written, if ever.
        public var lastMounted: String?, mounted: Int64?, written: Int64?
    }

    /// The part of a compressed file that belongs to a part of the disk.
    public struct Region: Sendable, Encodable {
        /// `before partition 1`, `firmware`, `root`, `partition 3`, `after partition 2`.
        public var name: String
        /// Bytes on the disk, and in the file. (Frames that two regions share are divided by their length.)
        public var size: UInt64, compressedSize: UInt64
    }

    /// How a compressed image is kept.
    public struct Compression: Sendable, Encodable {
        /// Frames with content.
        public var frames: Int
        /// Bytes of the largest one's content.
        public var largestFrame: UInt64
        public var regions: [Region]
    }

    /// The version of this form: it grows when something is not there any more, or means something else.
    public let version = 1
    public var file: File
    /// `mbr`, `gpt` or `none`, and the disk's identifier.
    public var table: String, diskID: String?
    public var partitions: [Partition]
    public var boot: BootReport?
    public var system: SystemReport?
    public var store: StoreReport?
    public var compression: Compression?
    /// Why something that should be told could not be read, such as a damaged frame of a compressed image.
    public var problems: [String] = []

    /// Looks at an image.
    ///
    /// What is damaged is said in the report, as far as the rest can be had.
    /// - Throws: where not even the table can be read, or the source cannot.
    public init(_ disk: DiskImage) throws(ImageError) {
        file = File(
            path: disk.path, form: disk.file?.form.name ?? "plan", size: disk.file?.fileSize ?? disk.source.size,
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
        // Where a partition cannot be read, the others still have their roles.
        let firmware = try disk.find(.firmware) { contents[$0.number] ?? .unknown }?.number
        let root = try disk.find(.root) { contents[$0.number] ?? .unknown }?.number
        for index in partitions.indices {
            let number = partitions[index].number
            partitions[index].role = number == firmware ? "firmware" : number == root ? "root" : nil
        }
        let firmwareVolume = firmware.flatMap { volumes[$0] }, rootVolume = root.flatMap { volumes[$0] }
        try look(root: rootVolume, firmware: firmwareVolume)
        if let frames = disk.file?.form.frames?.list { compression = Compression(frames, disk.table, firmware, root) }
    }

    /// Reads boot files, system and store. The registration is far from the boot files, so it is read beside them: in a
    /// compressed image, each is in a frame of its own.
    private mutating func look(root: ImageVolume?, firmware: ImageVolume?) throws(ImageError) {
        struct Found {
            var boot: BootReport?
            var system: SystemReport?
            var store: StoreReport?
            var problems: [String] = []
        }
        let found = Monitor(Found())
        /// What `body` gives, or `nil` and a problem.
        @Sendable func told<Part>(_ body: () throws(ImageError) -> Part?) -> Part? {
            do throws(ImageError) {
                return try body()
            } catch {
                found.change { if !$0.problems.contains(error.description) { $0.problems.append(error.description) } }
                return nil
            }
        }
        try onThreads(2, sharing: 2, by: 1) { (next) throws(ImageError) in
            while let turn = next()?.lowerBound {
                if turn == 0 {
                    let boot = told { () throws(ImageError) in try BootReport(root: root, firmware: firmware) }
                    let system = told { () throws(ImageError) in
                        try root.flatMap { (root) throws(ImageError) in
                            try SystemReport(root, initPath: boot?.defaultEntry?.initPath)
                        }
                    }
                    found.change { ($0.boot, $0.system) = (boot, system) }
                } else {
                    let store = told { () throws(ImageError) in
                        try root.flatMap { (root) throws(ImageError) in try StoreReport(root) }
                    }
                    found.change { $0.store = store }
                }
            }
        }
        found.change { (boot, system, store, problems) = ($0.boot, $0.system, $0.store, $0.problems.sorted()) }
        // Boards of other architectures would start what is not for them.
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
            // Large tables are believed what they say of themselves; the others are counted.
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
        var place: UInt64 = 0
        let partitions = table.partitions.filter { !$0.isExtended }
            .sorted { $0.bytes.lowerBound < $1.bytes.lowerBound }
        func add(_ name: String, until end: UInt64) {
            let end = min(end, list.size)
            guard end > place else { return }
            regions.append(
                ImageReport.Region(
                    name: name, size: end - place, compressedSize: list.compressedSize(of: place..<end)))
            place = end
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
    /// The bytes of the file that a range of the plain bytes takes. Of frames that are only partly in it, as large a share.
    func compressedSize(of range: Range<UInt64>) -> UInt64 {
        guard !range.isEmpty, range.upperBound <= size else { return 0 }
        var sum = 0.0
        for index in frame(holding: range.lowerBound)...frame(holding: range.upperBound - 1) {
            let plain = imageRange(ofFrame: index)
            let part = plain.clamped(to: range)
            guard !part.isEmpty else { continue }
            let share = Double(part.length) / Double(plain.length)
            sum += Double(fileRange(ofFrame: index).length) * share
        }
        return UInt64(sum)
    }
}

extension Ext4Volume {
    /// How many bytes the filesystem can have after growing while it is mounted: the blocks kept for group descriptors are
    /// the limit. `nil` where it has none kept, or where nothing limits it (`meta_bg`).
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
