/// The findings of ``BootChainCheck``.
extension Finding.Kind {
    // MARK: The image

    /// The image has neither a menu nor a kernel that firmware starts.
    public static let bootNone = Self(
        "boot-none", .note, "Nothing on it says how a board boots from it, so that was not checked.")
    /// The image does not have Raspberry Pi's firmware.
    public static let bootNoFirmware = Self(
        "boot-no-firmware", .note,
        "Only boards that have their firmware in flash memory (Raspberry Pi 5) or elsewhere can start from it.")
    /// The kernel's root filesystem cannot be read.
    public static let bootNoRoot = Self(
        "boot-no-root", .note,
        "What the kernel starts is on no filesystem that can be read here, and was not looked for.")

    /// The image names so many files that the check stopped.
    public static let bootMany = Self(
        "boot-many", .damage, "Nothing that boots names so much; what is left of it was not checked.")

    // MARK: The firmware partition

    /// A board's firmware is incomplete.
    public static let bootFirmware = Self("boot-firmware", .damage, "The board does not start at all.")
    /// `config.txt` names a missing file, or cannot be read.
    public static let bootConfig = Self(
        "boot-config", .damage, "The boards that the line is for do not start, or not with what was meant.")
    /// `config.txt` names a missing overlay.
    public static let bootOverlay = Self(
        "boot-overlay", .warning, "The board starts, but the hardware that the overlay is for does not work.")
    /// The firmware finds no kernel.
    public static let bootKernel = Self("boot-kernel", .damage, "The board's firmware finds nothing to start.")
    /// U-Boot's stored variables are damaged.
    public static let bootEnvironment = Self(
        "boot-environment", .damage, "U-Boot does not use its stored variables, and may not find or fit the kernel.")

    // MARK: U-Boot's menu

    /// The firmware starts U-Boot, which finds no menu.
    public static let bootNoMenu = Self("boot-no-menu", .damage, "U-Boot finds nothing to start, and stops.")
    /// The menu has no usable entries, or cannot be read.
    public static let bootMenu = Self("boot-menu", .damage, "U-Boot finds nothing to start, and stops.")
    /// The menu does not have its default entry.
    public static let bootDefault = Self(
        "boot-default", .damage, "What boots when nobody chooses is not what the menu says.")
    /// The menu names a missing kernel or initial RAM disk.
    public static let bootFile = Self("boot-file", .damage, "What the menu offers does not start.")
    /// The menu names missing device trees.
    public static let bootDeviceTree = Self(
        "boot-device-tree", .damage, "The kernel does not start, or gets a device tree that is not its own.")

    // MARK: The system

    /// A boot file is empty or begins with zeros, or cannot be read.
    public static let bootEmpty = Self("boot-empty", .damage, "The file has lost its content: it cannot be started.")
    /// The kernel's command line names a missing program, or one that cannot be executed.
    public static let bootInit = Self("boot-init", .damage, "The kernel starts, finds no system, and stops.")
    /// The kernel's command line names a missing root filesystem.
    public static let bootRoot = Self(
        "boot-root", .damage, "The kernel starts, waits for a root filesystem that never comes, and stops.")
    /// `fstab` names a missing filesystem.
    public static let bootMount = Self(
        "boot-mount", .damage, "The system waits for the filesystem while it starts, and then does not go on.")
    /// `fstab` names a missing filesystem that the system does not need.
    public static let bootMountElsewhere = Self(
        "boot-mount-elsewhere", .note, "The filesystem is not in the image; another disk may have it.")
}
