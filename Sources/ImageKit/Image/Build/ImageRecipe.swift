public import SystemPackage

/// The settings of an image. The defaults are those of NixOS' own images, where those have the same option.
public struct ImageRecipe: Sendable {
    /// Where the Nix store physically is.
    public var store = StoreLocation()
    /// The store paths that the image holds with everything they need, or links to them. The first one that is a NixOS
    /// system boots.
    public var closures: [FilePath]
    /// The source of the closure's registration.
    public var source: ClosureSource = .nix
    /// Directories with files for the firmware partition, and packages from which the files that the boards need are
    /// taken. Later ones replace files of earlier ones; the closure's own packages come first.
    public var firmware: [FilePath] = []
    /// How the board boots.
    public var boot: BootStyle = .extlinux
    /// The boards that the image boots on; 32-bit and 64-bit boards cannot be mixed. `nil` means every 64-bit board, or
    /// none with ``BootStyle/none``.
    public var boards: [Board]?
    /// Lines added to `config.txt`, for all boards; at most 98 characters each.
    public var configLines: [String] = []
    /// Parameters added to the kernel's command line.
    public var kernelParameters: [String] = []
    /// How long U-Boot's menu waits.
    public var menuTimeout: MenuTimeout = .seconds(5)
    /// The device tree to start with.
    public var deviceTree = DeviceTreeChoice.system
    /// Bytes before the first partition; a multiple of 1 MiB.
    public var gap: UInt64 = 8 << 20
    /// Bytes of the firmware partition; `nil` means 30 MiB, or more if its content needs more.
    public var firmwareSize: UInt64?
    /// The firmware partition's label, at most 11 characters.
    public var firmwareLabel = "FIRMWARE"
    /// The root partition's label, at most 16 bytes.
    public var rootLabel = "NIXOS_SD"
    /// The root filesystem's UUID, which must not be zero. The default is `44444444-4444-4444-8888-888888888888`.
    public var rootUUID = GUID(high: 0x4444_4444_4444_4444, low: 0x8888_8888_8888_8888)
    /// The disk's identifier in the partition table, and the firmware filesystem's serial number.
    public var diskID: UInt32 = 0x2178_694E
    /// Bytes that users other than root can still write to the root filesystem.
    public var rootSlack: UInt64 = 64 << 20
    /// Per cent of the root filesystem that only root can use.
    public var reservedPercent: UInt32 = 0
    /// Bytes of the root partition; `nil` means the smallest size.
    public var rootSize: UInt64?
    /// The path in the image where the first boot expects the registration.
    public var registrationPath = "/nix-path-registration"
    /// Files and directories added to the root filesystem.
    public var additions = RootAdditions()
    /// Whether the image has the links `/nix/var/nix/profiles/system` and its first generation, for the first of the
    /// closures that is a NixOS system.
    public var hasProfile = false
    /// Files outside of the partitions.
    public var rawAreas: [RawArea] = []
    /// Whether store paths are hashed and compared with their registration.
    public var checksContent = false
    /// Whether identical store files become hard links. Otherwise the image has the hard links of the host's store.
    public var deduplicates = true
    /// Threads for reading, comparing and compressing; at least 1.
    public var threads: Int = 1

    /// A recipe for these closures with defaults for every other setting.
    public init(closures: [FilePath]) {
        self.closures = closures
    }

    var bootOptions: BootOptions {
        BootOptions(
            style: boot, boards: boards ?? (boot == .none ? [] : Board.standard), firmware: firmware,
            configLines: configLines,
            kernelParameters: kernelParameters, menuTimeout: menuTimeout, deviceTree: deviceTree)
    }

    /// A good number of threads on this machine: one for each processor that the process may use, fewer where memory is
    /// short.
    public static var usefulThreads: Int { HostProcessors.usefulThreads }
}
