/// What ``ZstdCheck`` and ``SeekableSource/checkRest(threads:progress:onFinding:)`` find.
extension Finding.Kind {
    /// There is no seek table.
    public static let zstdTableMissing = Self(
        "zstd-table-missing", .note,
        "Looking into the image takes longer; 'zstd -d' needs no table, and neither does flashing.")
    /// The seek table is damaged or lists other frames.
    public static let zstdTable = Self(
        "zstd-table", .warning,
        "Readers that rely on the table fail, or read something else; 'zstd -d' needs no table and still works.")
    /// The checksum of a frame in the seek table differs from that of its content.
    public static let zstdTableChecksum = Self(
        "zstd-table-checksum", .warning, "Readers that compare the table's checksums refuse this part of the image.")
    /// A frame cannot be decompressed or has unexpected content.
    public static let zstdFrame = Self(
        "zstd-frame", .damage, "This part of the image is lost: fetch or build the image again.")
    /// The file ends inside a frame.
    public static let zstdCut = Self(
        "zstd-cut", .damage, "The file was not written or fetched completely: the end of the image is missing.")
    /// Bytes that are no frame follow the frames.
    public static let zstdTrailing = Self(
        "zstd-trailing", .damage, "'zstd -d' stops there with an error, and what follows is lost.")
    /// The file does not begin with a frame, but a seek table at its end lists frames.
    public static let zstdMagic = Self(
        "zstd-magic", .damage, "Everything takes the file for something else than a compressed image.")
    /// Frames without a checksum of their own.
    public static let zstdNoChecksum = Self(
        "zstd-no-checksum", .note, "Nobody notices where a bit of them changes.")
    /// Frames that need a larger window than decoders allow by default.
    public static let zstdWindow = Self(
        "zstd-window", .warning,
        "'zstd -d' refuses such a file unless it is told '--long=31', and so do flashing tools.")
}
