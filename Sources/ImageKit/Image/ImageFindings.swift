/// What ``ImageCheck`` finds itself.
extension Finding.Kind {
    /// The image cannot be looked into.
    public static let imageDisk = Self(
        "image-disk", .damage, "No partition can be found, so nothing in the image was checked.")
    /// A partition's content is none that is checked here.
    public static let imageOther = Self(
        "image-other", .note, "Only FAT and ext2, ext3 and ext4 are checked.")
    /// A part of the image that a check needed cannot be read.
    public static let imageUnreadable = Self(
        "image-unreadable", .damage, "What was to be checked there is lost, and was not checked.")

    /// All that ``ImageCheck`` itself can find.
    static let ofImages: [Self] = [.imageDisk, .imageOther, .imageUnreadable]
}
