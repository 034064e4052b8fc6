/// Checks whether an ext2, ext3 or ext4 filesystem is sound: what `e2fsck -fn` would look at, and the copies of the
/// superblock and the descriptors besides.
///
/// It is one walk over the directories, one pass over the inode tables (without what was never used), and one over the
/// bitmaps. What a check keeps in memory is the tree, some 80 bytes for each inode that is in use, 16 for each run of
/// blocks, and a few blocks: less than the filesystem's metadata that is in use. The bytes of files are not read.
///
/// What is left out, with a note: encrypted files, and the bitmaps where clusters (`bigalloc`) are in use.
public struct Ext4Check: Sendable {
    /// Checks the filesystem that begins at the source's first byte.
    ///
    /// Everything that is wrong with it goes to `onFinding`, with offsets from the filesystem's first byte; also where it
    /// cannot be opened at all. Throws only errors of the source, and when the progress is asked to stop.
    /// - Returns: what could be read, so that nobody has to walk the filesystem again: without damaged inodes, and directories
    ///   as far as they can be had. `nil` where there is no top directory.
    public static func run(
        _ source: any ByteSource, progress: Progress? = nil, onFinding: (Finding) -> Void
    ) throws(ImageError) -> Ext4Volume.Contents? {
        try withoutActuallyEscaping(onFinding) { (onFinding) throws(ImageError) in
            guard let volume = try open(source, onFinding) else { return nil }
            let census = Ext4Census(volume, progress, onFinding)
            let groups = Ext4GroupCheck(volume, census)
            try groups.checkSuperblock()
            try groups.checkBackups()
            groups.checkDescriptors()
            try groups.checkOwnInodes()
            let contents = try walk(volume, census)
            let inodes = try groups.checkInodes()
            let blocks = try groups.checkBlocks()
            groups.checkTotals(inodes, blocks)
            census.checkLinks()
            census.checkAttributeCounts()
            try census.finish(contents)
            return contents
        }
    }

    private static func walk(_ volume: Ext4Volume, _ census: Ext4Census) throws(ImageError) -> Ext4Volume.Contents? {
        do {
            return try volume.tree(census: census) { census.report($0) }
        } catch {
            guard error.damage != nil else { throw error }
            census.lost(Ext4Volume.rootInode, error)
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
            switch error.code {
            case .inputOutput, .cancelled, .changed, .internal: throw error
            default:
                onFinding(
                    Finding(
                        .ext4Superblock, error.message + (error.reason.map { ": " + $0 } ?? ""),
                        offset: error.offset ?? Ext4Superblock.offset))
                return nil
            }
        }
    }
}
