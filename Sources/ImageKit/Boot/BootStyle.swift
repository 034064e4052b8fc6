/// How the board comes from its firmware to the kernel.
public enum BootStyle: String, Sendable, CaseIterable {
    /// U-Boot on the firmware partition reads a menu on the root partition.
    case extlinux
    /// The image's makers see to it themselves.
    case none
}
