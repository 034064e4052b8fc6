/// The choices for an ext4 filesystem. Everything else is fixed: blocks of 4 KiB, inodes of 256 bytes, and the features
/// in `Ext4Filesystem`.
public struct Ext4Options: Sendable, Hashable {
    /// The volume label, up to 16 bytes.
    public var label: String
    /// The filesystem's UUID, which must not be zero. It is also the seed of the directory hash.
    public var uuid: GUID
    /// The free space for users other than root, in bytes.
    public var slack: UInt64
    /// The per cent of the blocks that only root can use (0 to 50), in addition to `slack`.
    public var reservedPercent: UInt32
    /// The filesystem's size in bytes; `nil` for the smallest possible.
    public var size: UInt64?

    /// See the properties of the same names. Throws `invalidInput` if `uuid` is zero, `label` has more than
    /// 16 bytes, or `reservedPercent` is more than 50.
    public init(
        label: String = "NIXOS_SD", uuid: GUID, slack: UInt64 = 64 << 20, reservedPercent: UInt32 = 0,
        size: UInt64? = nil
    ) throws(ImageError) {
        guard label.utf8.count <= 16, !label.utf8.contains(0) else {
            throw ImageError(
                .invalidInput, "the root label '\(label)' is too long",
                reason: "it has \(label.utf8.count) bytes and ext4 takes 16")
        }
        guard uuid != .zero else {
            throw ImageError(
                .invalidInput, "the root filesystem's UUID cannot be all zeros", reason: "that means that it has none",
                remedy: "choose another, or 'random'")
        }
        guard reservedPercent <= 50 else {
            throw ImageError(.invalidInput, "at most 50 per cent of a filesystem can be reserved for root")
        }
        self.label = label
        self.uuid = uuid
        self.slack = slack
        self.reservedPercent = reservedPercent
        self.size = size
    }
}
