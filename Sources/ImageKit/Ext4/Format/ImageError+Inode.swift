extension ImageError {
    /// Damage in an inode or in a structure that belongs to it.
    /// - Parameters:
    ///   - offset: of the damaged structure, in bytes of the filesystem.
    ///   - reason: a clause about the inode, such as "its size is 5".
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
