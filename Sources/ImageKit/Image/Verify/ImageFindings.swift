/// The findings of ``ImageCheck`` itself.
extension Finding.Kind {
    /// The image has no partition table or filesystem that can be read.
    public static let imageDisk = Self(
        "image-disk", .damage, "No partition can be found, so nothing in the image was checked.")
    /// A partition's content is not a filesystem that can be checked.
    public static let imageOther = Self(
        "image-other", .note, "Only FAT and ext2, ext3 and ext4 are checked.")
    /// A partition for a filesystem has other bytes than a filesystem's.
    public static let imageFilesystem = Self(
        "image-filesystem", .damage, "The head of its filesystem is lost, so nothing in it can be reached.")
    /// A part of the image that a check needs cannot be read.
    public static let imageUnreadable = Self(
        "image-unreadable", .damage, "What was to be checked there is lost, and was not checked.")
}
