import CExt2FS

/// An inode record's fields, filled from what the tree says.
extension ext2_inode_large {
    private static let extentsFlag: UInt32 = 0x0008_0000
    private static let indexFlag: UInt32 = 0x0000_1000
    /// The bytes of a record that are in use beyond the first 128.
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

    /// Sets all four times, in seconds since 1970 (−2^31 to 2^34 − 2^31: what the format can hold; others are clamped).
    mutating func setTimes(_ seconds: Int64) {
        let clamped = min(max(seconds, -(1 << 31)), (1 << 34) - (1 << 31) - 1)
        let low = UInt32(truncatingIfNeeded: clamped)
        // Two more bits of seconds, counted from the signed low half; nanoseconds above them.
        let epoch = UInt32(truncatingIfNeeded: (clamped - Int64(Int32(bitPattern: low))) >> 32) & 3
        (i_atime, i_ctime, i_mtime, i_crtime) = (low, low, low, low)
        (i_atime_extra, i_ctime_extra, i_mtime_extra, i_crtime_extra) = (epoch, epoch, epoch, epoch)
    }

    /// Puts the top of an extent tree (60 bytes) into the record, and counts `blocks` (data and tree) as its own.
    mutating func setExtents(_ top: [UInt8], blocks: UInt64, isIndexed: Bool = false) {
        i_flags |= Self.extentsFlag | (isIndexed ? Self.indexFlag : 0)
        setBlockArea(top)
        let sectors = blocks * (Ext4Geometry.blockSize / 512)
        i_blocks = UInt32(truncatingIfNeeded: sectors)
        osd2.linux2.l_i_blocks_hi = UInt16(truncatingIfNeeded: sectors >> 32)
    }

    /// Puts up to 60 bytes where block numbers go: a short link's target.
    mutating func setBlockArea(_ bytes: some Collection<UInt8>) {
        withUnsafeMutableBytes(of: &i_block) { $0.copyBytes(from: bytes.prefix(60)) }
    }
}
