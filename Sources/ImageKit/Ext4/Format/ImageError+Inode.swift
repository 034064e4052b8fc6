extension ImageError {
    /// Damage in an inode, or in what belongs to it.
    static func damagedInode(
        _ inode: UInt32, at offset: UInt64?, _ reason: String, _ kind: Finding.Kind = .ext4Inode
    ) -> ImageError {
        var error = ImageError(
            .corrupt, "inode \(inode) is damaged,", offset: offset, reason: reason,
            remedy: "'e2fsck -n' tells more about the filesystem")
        error.damage = kind
        error.subject = "inode \(inode)"
        return error
    }
}
