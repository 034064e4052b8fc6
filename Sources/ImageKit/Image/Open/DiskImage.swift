public import SystemPackage

/// A disk image that can be read: its partition table, its partitions, and the filesystems in them.
///
/// ```
///   ImageSource ──▶ DiskImage ──▶ ImageVolume ──▶ ImageNode ──▶ ByteSource
///   any form         table         FAT, ext4       a file, …      its bytes
/// ```
///
/// Only the table is read at first. Everything else is read when it is asked for.
public struct DiskImage: Sendable {
    /// The disk's bytes, decompressed.
    public let source: any ByteSource
    /// The file or device that holds the image, and its form; `nil` for an image that is only planned.
    public let container: ImageSource?
    /// The path that errors name.
    public let path: String
    /// The partition table.
    public let table: PartitionTable

    /// Opens a file or a block device; see ``ImageSource/open(_:limits:progress:)``.
    public static func open(
        _ path: FilePath, limits: ImageSource.Limits = ImageSource.Limits(), progress: Progress? = nil
    ) throws(ImageError) -> DiskImage {
        let container = try ImageSource.open(path, limits: limits, progress: progress)
        return try DiskImage(container, container: container, path: path.string)
    }

    /// Reads the partition table of any source, such as the ``SegmentMap`` of an image that is only planned.
    public init(_ source: any ByteSource, path: String) throws(ImageError) {
        try self.init(source, container: nil, path: path)
    }

    private init(_ source: any ByteSource, container: ImageSource?, path: String) throws(ImageError) {
        self.source = source
        self.container = container
        self.path = path
        do throws(ImageError) {
            let table = try PartitionTable.read(from: source)
            // A FAT filesystem's boot code can look like an empty table.
            let isFilesystem = try table.partitions.isEmpty ? ContentKind.of(source).isReadable : false
            self.table = isFilesystem ? .whole(source.size) : table
        } catch {
            let kind = try ContentKind.of(source)
            // The code matters here, not the blame: `.invalidInput` means that there is no table, so the whole source
            // may be one filesystem. A table that is damaged (`.corrupt`) has the image to blame as well, and is an
            // error.
            guard error.code == .invalidInput, kind != .unknown, kind != .empty else {
                throw ImageError(
                    error.code, "there is no disk in", path: path, offset: error.offset,
                    reason: error.reason.map { "\(error.message): \($0)" } ?? error.message, remedy: error.remedy)
            }
            table = .whole(source.size)
        }
    }

    // MARK: Partitions

    /// The bytes of a partition that are on the disk.
    public func bytes(of partition: Partition) -> SourceSlice { SourceSlice(source, partition.bytes) }

    /// The content of a partition, recognised by its first bytes.
    public func content(of partition: Partition) throws(ImageError) -> ContentKind {
        try ContentKind.of(bytes(of: partition))
    }

    /// Finds the partition of a selector, as ``partition(_:)`` does; `nil` where there is none.
    ///
    /// - Parameter content: the content of a partition. It is called only for partitions that the selector can mean.
    func find(
        _ selector: ImageAddress.Selector, content: (Partition) throws(ImageError) -> ContentKind
    ) throws(ImageError) -> Partition? {
        var found: Partition?
        for partition in table.partitions where !partition.isExtended {
            switch selector {
            case .number(let number): if partition.number == number { return partition }
            case .firmware: if try content(partition) == .fat { return partition }
            case .root: if partition.size > found?.size ?? 0, try content(partition) == .ext { found = partition }
            }
        }
        return found
    }

    /// The partition of a selector.
    ///
    /// The firmware partition is the first one with a FAT filesystem. The root is the largest with ext2, ext3 or ext4.
    /// - Throws: ``ImageError/Code/notFound`` where there is no such partition, with a list of the partitions.
    public func partition(_ selector: ImageAddress.Selector) throws(ImageError) -> Partition {
        if let found = try find(selector, content: content) { return found }
        let list = try table.partitions.map { partition throws(ImageError) in
            "\(partition.number) (\(partition.isExtended ? "extended" : try content(of: partition).rawValue))"
        }
        let message =
            switch selector {
            case .number(let number): "there is no partition \(number) in"
            case .firmware: "there is no firmware partition (FAT) in"
            case .root: "there is no root partition (ext2, ext3 or ext4) in"
            }
        throw ImageError(
            .notFound,
            message, path: path,
            reason: list.isEmpty ? "it has no partitions" : "its partitions are \(list.joined(separator: ", "))",
            remedy: table.partitions.first.map { "name one by its number, like '\($0.number):/'" })
    }

    // MARK: Filesystems

    /// Opens the filesystem in a partition; `nil` where there is none that can be read.
    public func volume(of partition: Partition) throws(ImageError) -> ImageVolume? {
        try volume(of: partition, content: try content(of: partition))
    }

    /// Opens the filesystem in a partition whose content is known.
    func volume(of partition: Partition, content: ContentKind) throws(ImageError) -> ImageVolume? {
        switch content {
        case .fat: .fat(try FATVolume(bytes(of: partition)))
        case .ext: .ext4(try Ext4Volume(bytes(of: partition)))
        default: nil
        }
    }

    /// Opens the filesystem in the partition of a selector.
    ///
    /// - Throws: ``ImageError/Code/notFound`` where there is no such partition, ``ImageError/Code/invalidInput`` where
    ///   it has no filesystem that can be read.
    public func volume(_ selector: ImageAddress.Selector) throws(ImageError) -> ImageVolume {
        let partition = try partition(selector), content = try content(of: partition)
        if let volume = try volume(of: partition, content: content) { return volume }
        throw ImageError(
            .invalidInput, "cannot look into partition \(partition.number) of", path: path,
            reason: "its content is \(content.rawValue)",
            remedy: "FAT and ext2, ext3 and ext4 can be read")
    }
}
