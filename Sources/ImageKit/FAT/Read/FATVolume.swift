/// A FAT12, FAT16 or FAT32 filesystem, read from any source: the counterpart of ``FATFormatter``.
///
/// At first only the boot sector is read, and later only the bytes that an answer needs. Apart from a few pages of the
/// FAT, nothing of the volume is kept. It may be used from several threads at once.
///
/// Every call ends, whatever bytes the source holds: a directory has at most 65,536 slots. A chain has at most the
/// clusters that its file's size needs, and never more than the volume has. A tree has at most ``maximumEntries``
/// entries and ``maximumDepth`` levels. The memory for an answer is proportional to the number of entries and extents.
public struct FATVolume: Sendable {
    /// A file or directory of the volume.
    public struct Entry: Sendable, Hashable {
        /// Its name: the long name if it has one, otherwise the short name; empty for the root directory.
        public let name: String
        /// Its short name, like `CONFIG~1.TXT`.
        public let shortName: String
        /// The path of the directory that contains it; empty for the root directory.
        let directory: String
        /// Whether it is a directory.
        public let isDirectory: Bool
        /// Whether it is marked as hidden, or as a system file.
        public let isHidden: Bool, isSystem: Bool
        /// A file's bytes; 0 for a directory.
        public let size: UInt64
        /// Permissions as Linux shows them by default: 0755, or 0555 for a file marked as read-only. The owner is root.
        public let attributes: FileAttributes
        /// The first cluster in the directory entry: 0 for an empty file.
        let firstCluster: UInt64

        /// The absolute path on the volume.
        public var path: String { directory + "/" + name }
    }

    /// The number of entries that ``tree(onDamage:)`` reads at most.
    public static let maximumEntries = 1 << 20
    /// The levels of directories that ``tree(onDamage:)`` reads at most.
    public static let maximumDepth = 256

    /// The division of the volume.
    public let layout: Layout
    let source: any ByteSource
    let table: FATTable

    /// Reads the boot sector of a partition.
    ///
    /// - Throws: ``ImageError/Code/corrupt`` if it is not the boot sector of a FAT filesystem, or if the source is
    ///   shorter than the filesystem; errors of reading the source.
    public init(_ source: any ByteSource) throws(ImageError) {
        guard source.size >= UInt64(FATBootSector.size) else {
            throw ImageError(
                .corrupt, "cannot read a FAT filesystem", reason: "\(source.size) bytes are too few for a boot sector",
                remedy: "make sure that this is a FAT partition and whole")
        }
        self.init(source, try Layout(try source.read(FATBootSector.size, at: 0), sourceSize: source.size))
    }

    /// A volume with a given layout, whatever its boot sector contains.
    init(_ source: any ByteSource, _ layout: Layout) {
        self.layout = layout
        self.source = source
        table = FATTable(source, layout)
    }

    // MARK: The volume

    /// The serial number as Linux shows it: `2178-694E`.
    public var uuid: String? { layout.serial.map(FATSerial.text) }

    /// The label in the boot sector; `nil` if it is missing or `NO NAME`.
    public var bootLabel: String? {
        let text = layout.label.map(CodePage437.text) ?? ""
        return text.isEmpty || text == "NO NAME" ? nil : text
    }

    /// The label in the root directory, which is the one that operating systems show.
    public func rootLabel() throws(ImageError) -> String? {
        var found: [UInt8]?
        try readSlots(in: try slotRanges(of: root)) { (slot, _) throws(ImageError) in
            if case .label(let label) = slot { found = label }
            return found == nil
        }
        guard var label = found else { return nil }
        if label.first == 0x05 { label[0] = 0xE5 }
        let text = CodePage437.text(label)
        return text.isEmpty ? nil : text
    }

    /// The label of the root directory, or else of the boot sector.
    public func label() throws(ImageError) -> String? { try rootLabel() ?? bootLabel }

    /// The number of free clusters. Reads the whole FAT, page by page.
    public func freeClusters() throws(ImageError) -> UInt64 { try table.freeClusters() }

    /// The number of free clusters according to FAT32's FSInfo sector, which costs one small read but may be out of
    /// date; `nil` if FSInfo does not have the number, or an impossible one.
    public func freeClusterHint() throws(ImageError) -> UInt64? {
        typealias Field = FATBootSector.InfoField
        guard let offset = layout.infoOffset else { return nil }
        let sector = try source.read(FATBootSector.size, at: offset)
        guard sector.load(UInt32.self, at: Field.lead) == Field.leadSignature,
            sector.load(UInt32.self, at: Field.structure) == Field.structureSignature,
            let count = sector.load(UInt32.self, at: Field.freeClusters), count <= layout.clusterCount
        else { return nil }
        return UInt64(count)
    }

    // MARK: Finding files

    /// The root directory.
    public var root: Entry {
        Entry(
            name: "", shortName: "", directory: "", isDirectory: true, isHidden: false, isSystem: false, size: 0,
            attributes: FileAttributes(permissions: 0o755, modified: 0), firstCluster: layout.rootCluster)
    }

    /// The file or directory at a path from the root, like `/overlays/x.dtbo`; `nil` if it does not exist.
    ///
    /// Reads only the directories on the way. Short names are found as well as long ones. The comparison ignores case,
    /// but prefers a name that is equal in case too. `..` is never found.
    public func entry(at path: String) throws(ImageError) -> Entry? {
        var found = root
        for name in path.unicodeScalars.split(separator: "/") where !name.elementsEqual(".".unicodeScalars) {
            guard found.isDirectory, let next = try child(Substring(name), of: found) else { return nil }
            found = next
        }
        if path.unicodeScalars.last == "/", !found.isDirectory { return nil }
        return found
    }

    private func child(_ name: Substring, of directory: Entry) throws(ImageError) -> Entry? {
        var found: Entry?
        try readEntries(of: directory, in: try slotRanges(of: directory)) { (entry) throws(ImageError) in
            if entry.name.utf8.elementsEqual(name.utf8) {
                found = entry
                return false
            }
            if found == nil, FATName.isSame(entry.name, name) || FATName.isSame(entry.shortName, name) {
                found = entry
            }
            return true
        } onDamage: { (_) throws(ImageError) in
            // An entry with an impossible name cannot be the one at the path.
        }
        return found
    }

    /// The entries of a directory, in the order on the disk; none for a file.
    ///
    /// - Throws: ``ImageError/Code/corrupt`` if the directory is damaged.
    public func entries(of directory: Entry) throws(ImageError) -> [Entry] {
        var found: [Entry] = []
        guard directory.isDirectory else { return found }
        try readEntries(of: directory, in: try slotRanges(of: directory)) { (entry) throws(ImageError) in
            found.append(entry)
            return true
        } onDamage: { (error) throws(ImageError) in
            throw error
        }
        return found
    }

    /// A file's bytes; none for a directory.
    ///
    /// Clusters beyond the file's size are not read.
    /// - Throws: ``ImageError/Code/corrupt`` if the file has fewer clusters than its size needs.
    public func content(of file: Entry) throws(ImageError) -> any ByteSource {
        let size = file.isDirectory ? 0 : file.size
        var claims: FATClusterSet?
        let chain = try chain(of: file, size: size, claims: &claims)
        if let damage = damage(of: file, size: size, chain) { throw damage }
        return ExtentSource(source, size: size, joining: byteRanges(of: chain))
    }

    // MARK: Chains

    /// The clusters for the first `size` bytes of a file.
    func chain(of file: Entry, size: UInt64, claims: inout FATClusterSet?) throws(ImageError) -> FATChain {
        guard size > 0 else { return FATChain() }
        return try FATChain(
            table, layout, from: file.firstCluster, atMost: size.dividedRoundingUp(by: layout.clusterSize),
            claims: &claims)
    }

    /// The damage of a file whose chain is too short for its bytes; `nil` if the chain is long enough.
    func damage(of file: Entry, size: UInt64, _ chain: FATChain) -> ImageError? {
        let needed = size.dividedRoundingUp(by: layout.clusterSize)
        guard chain.count < needed else { return nil }
        if case .broken(_, let reason, let offset) = chain.end { return damaged(file, reason, at: offset) }
        return damaged(file, "it has \(size) bytes, and its \(chain.count) clusters hold less")
    }

    /// The byte ranges of the source with a directory's slots, up to the first damage of its chain. Calls `onDamage` if
    /// the chain is damaged.
    func slotRanges(
        of directory: Entry, claims: inout FATClusterSet?, onDamage: (ImageError) throws(ImageError) -> Void
    ) throws(ImageError) -> [Range<UInt64>] {
        if let fixed = fixedRoot(directory) { return fixed }
        let maximum = FATDirectoryEntry.maximumDirectorySize / layout.clusterSize
        let chain = try FATChain(table, layout, from: directory.firstCluster, atMost: maximum, claims: &claims)
        switch chain.end {
        case .last: break
        case .longer:
            try onDamage(
                damaged(directory, "its chain of clusters is a circle, or longer than a folder can be (2 MiB)"))
        case .broken(_, let reason, let offset): try onDamage(damaged(directory, reason, at: offset))
        }
        return byteRanges(of: chain)
    }

    /// The same ranges; a damaged chain is an error.
    private func slotRanges(of directory: Entry) throws(ImageError) -> [Range<UInt64>] {
        var claims: FATClusterSet?
        return try slotRanges(of: directory, claims: &claims) { (error) throws(ImageError) in throw error }
    }

    /// The byte range of the root directory of FAT12 and FAT16, which is not made of clusters; `nil` for any other
    /// directory.
    func fixedRoot(_ directory: Entry) -> [Range<UInt64>]? {
        guard directory.name.isEmpty, layout.kind != .fat32 else { return nil }
        let length = layout.rootEntries * UInt64(FATDirectoryEntry.size)
        return [layout.rootOffset..<layout.rootOffset + length]
    }

    /// The byte ranges of the source with the clusters of a chain.
    func byteRanges(of chain: FATChain) -> [Range<UInt64>] {
        chain.extents.map { extent in
            let start = layout.offset(ofCluster: extent.first)
            return start..<start + extent.count * layout.clusterSize
        }
    }

    /// The error for a volume with more entries than are read.
    static func tooMany(_ maximum: Int = maximumEntries) -> ImageError {
        ImageError(
            .doesNotFit, "cannot read the whole FAT filesystem",
            reason: "it has more than \(maximum) files and folders", remedy: "look at a folder of it")
    }

    /// An error about a file or directory.
    func damaged(_ entry: Entry, _ reason: String, at offset: UInt64? = nil) -> ImageError {
        ImageError(
            .corrupt, "the FAT filesystem is damaged: cannot read the \(entry.isDirectory ? "folder" : "file")",
            path: entry.path, offset: offset, reason: reason, remedy: "look at the filesystem with fsck.fat")
    }
}
