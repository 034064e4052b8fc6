/// A FAT12, FAT16 or FAT32 filesystem, read from any source: the mirror of ``FATFormatter``.
///
/// Nothing but the boot sector is read before something is asked for, then only what the answer needs; nothing of the
/// volume is kept but a few pieces of the FAT. It may be used from several threads at once.
///
/// Whatever the source holds, every question ends: a directory has at most 65,536 slots, a chain of clusters at most as
/// many as its file's size needs and as there are, a tree at most ``entryLimit`` entries and ``depthLimit`` levels. The
/// memory for an answer goes by the number of entries and of the pieces that files lie in.
public struct FATVolume: Sendable {
    /// A file or directory of the volume.
    public struct Entry: Sendable, Hashable {
        /// Its name: the long one where it has one, otherwise the short one; empty for the root directory.
        public let name: String
        /// Its short name, like `CONFIG~1.TXT`.
        public let shortName: String
        /// The path of the directory it is in; empty for what is in the root.
        let directory: String
        /// Whether it is a directory.
        public let isDirectory: Bool
        /// Whether it is marked as hidden, or as the system's.
        public let isHidden: Bool, isSystem: Bool
        /// A file's bytes; 0 for a directory.
        public let size: UInt64
        /// Permissions as Linux shows them by default: 0755, or 0555 for a file marked as read-only. The owner is root.
        public let attributes: FileAttributes
        /// As it stands in the entry: 0 for an empty file.
        let firstCluster: UInt64

        /// The absolute path on the volume.
        public var path: String { directory + "/" + name }
    }

    /// The most entries that ``tree(onDamage:)`` reads.
    public static let entryLimit = 1 << 20
    /// The most levels of directories that ``tree(onDamage:)`` reads.
    public static let depthLimit = 256

    /// How the volume is divided.
    public let layout: FATLayout
    let source: any ByteSource
    let table: FATTable

    /// Reads the boot sector of a partition's bytes.
    ///
    /// Throws ``ImageError/Code/corrupt`` where it is none, or tells of a filesystem that is not in the source as a
    /// whole; and what reading the source throws.
    public init(_ source: any ByteSource) throws(ImageError) {
        guard source.size >= UInt64(FATBootSector.size) else {
            throw ImageError(
                .corrupt, "cannot read a FAT filesystem", reason: "\(source.size) bytes are too few for a boot sector",
                remedy: "make sure that this is a FAT partition and whole")
        }
        self.init(source, try FATLayout(try source.read(FATBootSector.size, at: 0), sourceSize: source.size))
    }

    /// A volume that is divided so, whatever its boot sector says.
    init(_ source: any ByteSource, _ layout: FATLayout) {
        self.layout = layout
        self.source = source
        table = FATTable(source, layout)
    }

    // MARK: The volume

    /// The serial number as Linux shows it: `2178-694E`.
    public var uuid: String? { layout.serial.map(FATOptions.serialText) }

    /// The label in the boot sector; `nil` where it has none, or `NO NAME`.
    public var bootLabel: String? {
        let text = layout.label.map(CodePage437.text) ?? ""
        return text.isEmpty || text == "NO NAME" ? nil : text
    }

    /// The label in the root directory, which is the one that systems show.
    public func rootLabel() throws(ImageError) -> String? {
        var found: [UInt8]?
        try readSlots(of: try places(of: root)) { (slot, _) throws(ImageError) in
            if case .label(let label) = slot { found = label }
            return found == nil
        }
        guard var label = found else { return nil }
        if label.first == 0x05 { label[0] = 0xE5 }
        let text = CodePage437.text(label)
        return text.isEmpty ? nil : text
    }

    /// The label: the root directory's, or else the boot sector's.
    public func label() throws(ImageError) -> String? { try rootLabel() ?? bootLabel }

    /// How many clusters are free. The whole FAT is read, a piece at a time.
    public func freeClusters() throws(ImageError) -> UInt64 { try table.freeClusters() }

    /// How many clusters are free as FAT32's FSInfo sector has it, which costs one small read but may be out of date;
    /// `nil` where it does not say, or says what cannot be.
    public func freeClusterHint() throws(ImageError) -> UInt64? {
        typealias Info = FATBootSector.Info
        guard let offset = layout.infoOffset else { return nil }
        let sector = try source.read(FATBootSector.size, at: offset)
        guard sector.load(UInt32.self, at: Info.lead) == Info.leadSignature,
            sector.load(UInt32.self, at: Info.structure) == Info.structureSignature,
            let count = sector.load(UInt32.self, at: Info.freeClusters), count <= layout.clusterCount
        else { return nil }
        return UInt64(count)
    }

    // MARK: Looking

    /// The root directory.
    public var root: Entry {
        Entry(
            name: "", shortName: "", directory: "", isDirectory: true, isHidden: false, isSystem: false, size: 0,
            attributes: FileAttributes(permissions: 0o755, modified: 0), firstCluster: layout.rootCluster)
    }

    /// What is at a path from the root on, like `/overlays/x.dtbo`; `nil` where nothing is.
    ///
    /// Only the directories on the way are read. Case does not count (a name that is equal in case too is preferred), and
    /// short names are found as well as long ones. `..` leads nowhere.
    public func entry(at path: String) throws(ImageError) -> Entry? {
        var found = root
        for part in path.unicodeScalars.split(separator: "/") where !part.elementsEqual(".".unicodeScalars) {
            guard found.isDirectory, let next = try child(Substring(part), of: found) else { return nil }
            found = next
        }
        if path.unicodeScalars.last == "/", !found.isDirectory { return nil }
        return found
    }

    private func child(_ name: Substring, of directory: Entry) throws(ImageError) -> Entry? {
        var found: Entry?
        try readEntries(of: directory, in: try places(of: directory)) { (entry) throws(ImageError) in
            if entry.name.utf8.elementsEqual(name.utf8) {
                found = entry
                return false
            }
            if found == nil, FATName.isSame(entry.name, name) || FATName.isSame(entry.shortName, name) {
                found = entry
            }
            return true
        } onDamage: { (_) throws(ImageError) in
            // An entry that cannot be named cannot be the one.
        }
        return found
    }

    /// What is in a directory, in the order in which it stands there; nothing for a file.
    ///
    /// Throws ``ImageError/Code/corrupt`` where the directory is damaged.
    public func entries(of directory: Entry) throws(ImageError) -> [Entry] {
        var found: [Entry] = []
        guard directory.isDirectory else { return found }
        try readEntries(of: directory, in: try places(of: directory)) { (entry) throws(ImageError) in
            found.append(entry)
            return true
        } onDamage: { (error) throws(ImageError) in
            throw error
        }
        return found
    }

    /// A file's bytes; nothing for a directory.
    ///
    /// Throws ``ImageError/Code/corrupt`` where its clusters are fewer than its size needs. Clusters that it does not
    /// need are not looked for.
    public func content(of file: Entry) throws(ImageError) -> any ByteSource {
        let size = file.isDirectory ? 0 : file.size
        var claims: FATClusterSet?
        let chain = try chain(of: file, size: size, claims: &claims)
        if let damage = damage(of: file, size: size, chain) { throw damage }
        return ExtentSource(source, size: size, joining: places(of: chain))
    }

    // MARK: Chains

    /// The clusters of a file of `size` bytes, and no more.
    func chain(of file: Entry, size: UInt64, claims: inout FATClusterSet?) throws(ImageError) -> FATChain {
        guard size > 0 else { return FATChain() }
        return try FATChain(
            table, layout, from: file.firstCluster, atMost: size.dividedRoundingUp(by: layout.clusterSize),
            claims: &claims)
    }

    /// What is wrong with a file that has this chain, where its bytes are not all there.
    func damage(of file: Entry, size: UInt64, _ chain: FATChain) -> ImageError? {
        let needed = size.dividedRoundingUp(by: layout.clusterSize)
        guard chain.count < needed else { return nil }
        if case .broken(_, let reason, let offset) = chain.end { return damaged(file, reason, at: offset) }
        return damaged(file, "it has \(size) bytes, and its \(chain.count) clusters hold less")
    }

    /// Where a directory's slots lie in the source, as far as its chain leads; `onDamage` hears where that is broken.
    func places(
        of directory: Entry, claims: inout FATClusterSet?, onDamage: (ImageError) throws(ImageError) -> Void
    ) throws(ImageError) -> [Range<UInt64>] {
        if let fixed = fixedRoot(directory) { return fixed }
        let limit = UInt64(FATPlan.slotLimit * FATDirectoryEntry.size) / layout.clusterSize
        let chain = try FATChain(table, layout, from: directory.firstCluster, atMost: limit, claims: &claims)
        switch chain.end {
        case .last: break
        case .longer:
            try onDamage(
                damaged(directory, "its chain of clusters is a circle, or longer than a folder can be (2 MiB)"))
        case .broken(_, let reason, let offset): try onDamage(damaged(directory, reason, at: offset))
        }
        return places(of: chain)
    }

    /// The same, where a broken chain is an error.
    private func places(of directory: Entry) throws(ImageError) -> [Range<UInt64>] {
        var claims: FATClusterSet?
        return try places(of: directory, claims: &claims) { (error) throws(ImageError) in throw error }
    }

    /// The root directory's place, where it is not made of clusters.
    func fixedRoot(_ directory: Entry) -> [Range<UInt64>]? {
        guard directory.name.isEmpty, layout.kind != .fat32 else { return nil }
        let length = layout.rootEntries * UInt64(FATDirectoryEntry.size)
        return [layout.rootOffset..<layout.rootOffset + length]
    }

    func places(of chain: FATChain) -> [Range<UInt64>] {
        chain.runs.map { run in
            let start = layout.offset(ofCluster: run.first)
            return start..<start + run.count * layout.clusterSize
        }
    }

    /// That it has more entries than are read.
    static func tooMany(_ limit: Int = entryLimit) -> ImageError {
        ImageError(
            .doesNotFit, "cannot read the whole FAT filesystem", reason: "it has more than \(limit) files and folders",
            remedy: "look at a folder of it")
    }

    /// An error about a file or directory.
    func damaged(_ entry: Entry, _ reason: String, at offset: UInt64? = nil) -> ImageError {
        ImageError(
            .corrupt, "the FAT filesystem is damaged: cannot read the \(entry.isDirectory ? "folder" : "file")",
            path: entry.path, offset: offset, reason: reason, remedy: "look at the filesystem with fsck.fat")
    }
}
