/// Checks whether an ext2, ext3 or ext4 filesystem is sound. It covers the checks of `e2fsck -fn`, and the copies of
/// the superblock and the descriptors besides.
///
/// It walks the directories once, passes over the inode tables once (without the inodes that were never used), and over
/// the bitmaps once. In memory it keeps the tree, some 80 bytes for each inode in use, 16 for each extent, and a few
/// blocks. That is less than the filesystem's metadata in use. It does not read the bytes of files.
///
/// It leaves out, with a note, encrypted files, and the bitmaps of filesystems with clusters (`bigalloc`).
struct Ext4Check: Sendable {
    /// Checks the filesystem that begins at the source's first byte.
    ///
    /// Throws only errors of the source, and `cancelled` if the progress is asked to stop.
    /// - Parameter onFinding: receives each finding, with offsets from the filesystem's first byte; also if the
    ///   filesystem cannot be opened at all.
    /// - Returns: the readable contents, without damaged inodes and with the readable entries of damaged directories,
    ///   so that the caller need not walk the filesystem again; `nil` if there is no root directory.
    static func run(
        _ source: any ByteSource, progress: Progress? = nil, onFinding: (Finding) -> Void
    ) throws(ImageError) -> Ext4Volume.Contents? {
        try withoutActuallyEscaping(onFinding) { (onFinding) throws(ImageError) in
            guard let volume = try open(source, onFinding) else { return nil }
            let census = Ext4Census(volume, progress, onFinding)
            let groups = Ext4GroupCheck(volume, census)
            try groups.checkSuperblock()
            try groups.checkBackups()
            groups.checkDescriptors()
            try groups.checkReservedInodes()
            let contents = try walk(volume, census)
            let inodes = try groups.checkInodes()
            let blocks = try groups.checkBlocks()
            groups.checkTotals(freeInodes: inodes, freeClusters: blocks)
            census.checkLinks()
            census.checkAttributeCounts()
            try census.reportPending(contents)
            return contents
        }
    }

    private static func walk(_ volume: Ext4Volume, _ census: Ext4Census) throws(ImageError) -> Ext4Volume.Contents? {
        do {
            return try volume.tree(observer: census) { census.report($0) }
        } catch {
            guard error.damage != nil else { throw error }
            census.didFail(Ext4ReservedInode.root, error)
            census.report(error.on("/"))
            return nil
        }
    }

    private static func open(
        _ source: any ByteSource, _ onFinding: (Finding) -> Void
    ) throws(ImageError) -> Ext4Volume? {
        do {
            return try Ext4Volume(source, Ext4Superblock(source))
        } catch {
            guard error.blame.isInput else { throw error }
            onFinding(
                Finding(
                    .ext4Superblock, error.message + (error.reason.map { ": " + $0 } ?? ""),
                    offset: error.offset ?? Ext4Superblock.offset))
            return nil
        }
    }
}
