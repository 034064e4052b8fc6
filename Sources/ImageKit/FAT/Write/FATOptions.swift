/// The choices for a FAT filesystem besides its content.
public struct FATOptions: Sendable, Hashable {
    /// The volume's label, up to 11 characters; empty for none.
    public var label: String
    /// The volume's serial number. Linux shows the default as UUID `2178-694E`.
    public var serial: UInt32
    /// The partition's size in bytes, a multiple of 512.
    ///
    /// By default (`nil`) it is 30 MiB, if that has room for the content and a second copy of its largest file.
    /// Otherwise it is the smallest possible size in whole MiB, doubled unless that has room for all files twice.
    public var size: UInt64?
    /// The partition's first sector on the disk, according to the boot sector. `mkfs.vfat` on a file writes 0, and
    /// nothing that boots a Raspberry Pi reads it.
    public var hiddenSectors: UInt32
    /// The purpose of the filesystem in error messages: with "firmware", an error reads "the firmware files do not
    /// fit". With `nil`, it is "the files do not fit".
    public var purpose: String?

    /// Makes options from the properties of the same names; the defaults are those of NixOS' images.
    public init(
        label: String = "FIRMWARE", serial: UInt32 = 0x2178_694E, size: UInt64? = nil, hiddenSectors: UInt32 = 0,
        purpose: String? = nil
    ) {
        self.label = label
        self.serial = serial
        self.size = size
        self.hiddenSectors = hiddenSectors
        self.purpose = purpose
    }
}
