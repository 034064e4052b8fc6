import CExt2FS
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// An opened filesystem in the hands of libext2fs, which finds inode records and knows every checksum.
///
/// A handle of the library is for one thread at a time, so each call into it holds the lock; nothing else does.
final class Ext4Handle: @unchecked Sendable {
    let filesystem: ext2_filsys
    private let channel: SourceChannel
    let lock = Mutex<Void>(())
    let superblock: Ext4Superblock
    private let verifiesChecksums: Bool
    /// The blocks of superblocks, descriptors, bitmaps and inode tables: ascending, joined.
    let metadata: [Range<UInt64>]

    init(_ source: any ByteSource, _ superblock: Ext4Superblock, verifiesChecksums: Bool) throws(ImageError) {
        let channel = SourceChannel(source)
        var handle: ext2_filsys?
        var flags = EXT2_FLAG_64BITS | EXT2_FLAG_SOFTSUPP_FEATURES
        if !verifiesChecksums { flags |= EXT2_FLAG_IGNORE_CSUM_ERRORS }
        let code = ext2fs_open(channel.deviceName, Int32(flags), 0, 0, SourceChannel.manager, &handle)
        guard code == 0, let handle else {
            if let failure = channel.takeFailure() { throw failure }
            throw ImageError(
                .corrupt, "cannot open the ext2, ext3 or ext4 filesystem", offset: Ext4Superblock.offset,
                reason: ImageError.ext2(code, "").reason, remedy: "'e2fsck -n' tells more about it")
        }
        filesystem = handle
        self.channel = channel
        self.superblock = superblock
        self.verifiesChecksums = verifiesChecksums
        metadata = Self.metadata(of: handle, superblock)
    }

    deinit { ext2fs_free(filesystem) }

    private static func metadata(of handle: ext2_filsys, _ superblock: Ext4Superblock) -> [Range<UInt64>] {
        var ranges: [Range<UInt64>] = []
        // Blocks kept for more descriptors belong to an inode.
        forEachPart(of: handle, superblock) { part, blocks in
            if part != .reservedDescriptors { ranges.append(blocks) }
        }
        ranges.sort { $0.lowerBound < $1.lowerBound }
        var joined: [Range<UInt64>] = []
        for range in ranges {
            if let last = joined.last, range.lowerBound <= last.upperBound {
                joined[joined.count - 1] = last.lowerBound..<max(last.upperBound, range.upperBound)
            } else {
                joined.append(range)
            }
        }
        return joined
    }

    /// Where on the source an inode's record is; 0 where its group has no table.
    private func offset(of inode: UInt32) -> UInt64 {
        guard inode > 0, inode <= superblock.inodes else { return 0 }
        let group = (inode - 1) / superblock.inodesPerGroup
        let index = UInt64((inode - 1) % superblock.inodesPerGroup)
        return ext2fs_inode_table_loc(filesystem, group).multipliedClamping(by: superblock.blockSize)
            .addingClamping(index * UInt64(superblock.inodeSize))
    }

    /// An inode's record, as long as the filesystem's inodes are.
    func record(_ inode: UInt32) throws(ImageError) -> (bytes: [UInt8], offset: UInt64) {
        var bytes = [UInt8](repeating: 0, count: max(128, superblock.inodeSize))
        var failure: ImageError?
        var offset: UInt64 = 0
        let code = lock.withLock { _ in
            offset = self.offset(of: inode)
            let code = bytes.withUnsafeMutableBytes {
                ext2fs_read_inode_full(
                    filesystem, inode, $0.baseAddress?.assumingMemoryBound(to: ext2_inode.self), Int32($0.count))
            }
            failure = channel.takeFailure()
            return code
        }
        if let failure { throw failure }
        if code == mk_et_inode_checksum() {
            throw .damagedInode(inode, at: offset, "its checksum is wrong")
        }
        guard code == 0 else {
            throw .damagedInode(inode, at: offset, ImageError.ext2(code, "").reason ?? "it cannot be read")
        }
        return (bytes, offset)
    }

    /// Whether an extent block's checksum is right (where there are any). Its `eh_max` must have been checked.
    func isSound(extentBlock: inout [UInt8], of inode: UInt32) -> Bool {
        guard verifiesChecksums, superblock.hasMetadataChecksums else { return true }
        return lock.withLock { _ in
            extentBlock.withUnsafeMutableBytes {
                ext2fs_extent_block_csum_verify(
                    filesystem, inode, $0.baseAddress?.assumingMemoryBound(to: ext3_extent_header.self)) != 0
            }
        }
    }

    /// Whether a directory block's checksum is right (where there are any).
    func isSound(directoryBlock: inout [UInt8], of inode: UInt32) -> Bool {
        guard verifiesChecksums, superblock.hasMetadataChecksums else { return true }
        return lock.withLock { _ in
            directoryBlock.withUnsafeMutableBytes {
                ext2fs_dir_block_csum_verify(
                    filesystem, inode, $0.baseAddress?.assumingMemoryBound(to: ext2_dir_entry.self)) != 0
            }
        }
    }
}

extension ImageError {
    /// Damage that lies in an inode or what belongs to it.
    static func damagedInode(_ inode: UInt32, at offset: UInt64?, _ reason: String) -> ImageError {
        ImageError(
            .corrupt, "inode \(inode) is damaged,", offset: offset, reason: reason,
            remedy: "'e2fsck -n' tells more about the filesystem")
    }
}
