import CExt2FS

/// An inode record's fields, filled from the metadata in a tree.
extension ext2_inode_large {
    /// The bytes of a record that are in use after the first 128.
    private static let extraSize: UInt16 = 32

    /// A record with this mode (kind and permissions), owner, times and links.
    init(mode: UInt16, attributes: FileAttributes, size: UInt64, links: UInt16) {
        self.init()
        i_mode = mode
        i_uid = UInt16(truncatingIfNeeded: attributes.owner)
        osd2.linux2.l_i_uid_high = UInt16(truncatingIfNeeded: attributes.owner >> 16)
        i_gid = UInt16(truncatingIfNeeded: attributes.group)
        osd2.linux2.l_i_gid_high = UInt16(truncatingIfNeeded: attributes.group >> 16)
        i_size = UInt32(truncatingIfNeeded: size)
        i_size_high = UInt32(truncatingIfNeeded: size >> 32)
        i_links_count = links
        i_extra_isize = Self.extraSize
        setTimes(attributes.modified)
    }

    /// Sets all four times, in seconds since 1970. The format holds −2^31 to 2^34 − 2^31 − 1; others are clamped.
    mutating func setTimes(_ seconds: Int64) {
        let clamped = min(max(seconds, -(1 << 31)), (1 << 34) - (1 << 31) - 1)
        let low = UInt32(truncatingIfNeeded: clamped)
        // Two more bits of seconds, counted from the signed low half; the nanoseconds above them are zero.
        let epoch = UInt32(truncatingIfNeeded: (clamped - Int64(Int32(bitPattern: low))) >> 32) & 3
        (i_atime, i_ctime, i_mtime, i_crtime) = (low, low, low, low)
        (i_atime_extra, i_ctime_extra, i_mtime_extra, i_crtime_extra) = (epoch, epoch, epoch, epoch)
    }

    /// Sets the top node of an extent tree (60 bytes), and the number of blocks (data and tree) that the inode owns.
    mutating func setExtents(_ top: [UInt8], blocks: UInt64, isIndexed: Bool = false) {
        i_flags |= Ext4Inode.Flag.extents | (isIndexed ? Ext4Inode.Flag.indexed : 0)
        setBlockArea(top)
        let sectors = blocks * (Ext4Geometry.blockSize / 512)
        i_blocks = UInt32(truncatingIfNeeded: sectors)
        osd2.linux2.l_i_blocks_hi = UInt16(truncatingIfNeeded: sectors >> 32)
    }

    /// Sets up to 60 bytes of the block area: an extent tree's top node, or a short link's target.
    mutating func setBlockArea(_ bytes: some Collection<UInt8>) {
        withUnsafeMutableBytes(of: &i_block) { $0.copyBytes(from: bytes.prefix(Ext4Inode.areaLength)) }
    }
}
