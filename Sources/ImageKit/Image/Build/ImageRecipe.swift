public import SystemPackage

/// What is asked of an image. The defaults are those of NixOS' own images, where those have the same option.
public struct ImageRecipe: Sendable {
    /// Where the store physically is.
    public var store = StoreLocation()
    /// The store paths that the image holds with everything they need, or links to them; the first that is a system
    /// boots.
    public var closures: [FilePath]
    /// Who says what belongs to the closures.
    public var source: ClosureSource = .nix
    /// Directories with files for the firmware partition, and packages of which is taken what the boards need; later ones
    /// win. The closure's own packages come before them.
    public var firmware: [FilePath] = []
    /// How the board boots.
    public var boot: BootStyle = .extlinux
    /// The boards that it is for; not several that run systems of different width. `nil` is every 64-bit board, or none
    /// with ``BootStyle/none``.
    public var boards: [Board]?
    /// Lines added to `config.txt`, for all boards; of at most 98 characters each.
    public var configLines: [String] = []
    /// Parameters added to the kernel's command line.
    public var kernelParameters: [String] = []
    /// How long U-Boot's menu waits.
    public var menuTimeout: MenuTimeout = .seconds(5)
    /// The device tree to start with.
    public var deviceTree = DeviceTreeChoice.system
    /// Bytes before the first partition; a multiple of 1 MiB.
    public var gap: UInt64 = 8 << 20
    /// Bytes of the firmware partition; `nil` is 30 MiB, or what its content needs.
    public var firmwareSize: UInt64?
    /// The firmware partition's label, up to 11 characters.
    public var firmwareLabel = "FIRMWARE"
    /// The root partition's label, up to 16 bytes.
    public var rootLabel = "NIXOS_SD"
    /// The root filesystem's UUID, which must not be zero. The default is `44444444-4444-4444-8888-888888888888`.
    public var rootUUID = GUID(high: 0x4444_4444_4444_4444, low: 0x8888_8888_8888_8888)
    /// The disk's identifier in the partition table, and the firmware filesystem's serial number.
    public var diskID: UInt32 = 0x2178_694E
    /// Bytes that a user other than root can still write to the root filesystem.
    public var rootSlack: UInt64 = 64 << 20
    /// Per cent of the root filesystem that only root can use.
    public var reservedPercent: UInt32 = 0
    /// Bytes of the root partition; `nil` is just what is needed.
    public var rootSize: UInt64?
    /// Where the first boot expects the registration.
    public var registrationPath = "/nix-path-registration"
    /// What is laid over the root filesystem.
    public var additions = RootAdditions()
    /// Whether `/nix/var/nix/profiles/system` and its first generation are laid down, for the first of the closures that
    /// is a system.
    public var hasProfile = false
    /// Files outside of the partitions.
    public var rawAreas: [RawArea] = []
    /// Whether store paths are hashed and compared with their registration.
    public var checksContent = false
    /// Whether identical store files become hard links; otherwise links are those of the host's store.
    public var deduplicates = true
    /// Threads for reading, comparing and compressing; at least 1.
    public var threads: Int = 1

    /// An image of these closures, everything else by default.
    public init(closures: [FilePath]) {
        self.closures = closures
    }

    var bootOptions: BootOptions {
        BootOptions(
            style: boot, boards: boards ?? (boot == .none ? [] : Board.standard), firmware: firmware,
            configLines: configLines,
            kernelParameters: kernelParameters, menuTimeout: menuTimeout, deviceTree: deviceTree)
    }

    /// A good number of threads here: one for each processor that this process may use, fewer where memory is short.
    public static var usefulThreads: Int { HostProcessors.usefulThreads }
}
