/// How the board comes from its firmware to the kernel.
public enum BootStyle: String, Sendable, CaseIterable {
    /// U-Boot on the firmware partition reads a menu on the root partition.
    case extlinux
    /// The firmware starts the kernel, which lies on the firmware partition.
    case kernel
    /// The image's makers see to it themselves.
    case none
}
