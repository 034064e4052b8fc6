/// The findings of ``StoreCheck``.
extension Finding.Kind {
    // MARK: The registration

    /// There is a store, but neither a registration nor a database.
    public static let storeUnregistered = Self(
        "store-unregistered", .damage,
        "The system starts, but its Nix knows none of its store paths, and takes them all for rubbish.")
    /// The registration is gone because Nix's database has it.
    public static let storeDatabase = Self(
        "store-database", .note,
        "What Nix knows of the store paths is in its database since the first boot, so they are not compared with it.")
    /// The registration cannot be read.
    public static let storeRegistration = Self(
        "store-registration", .damage, "The first boot cannot load it, and Nix will know none of the store paths.")
    /// A registered path refers to an unregistered one.
    public static let storeReference = Self(
        "store-reference", .damage, "Nix refuses to register a path without all that it refers to.")
    /// Registered paths refer to each other in a circle.
    public static let storeCircle = Self(
        "store-circle", .damage, "Nix refuses to register paths that refer to each other in a circle.")

    // MARK: Store paths

    /// A registered path is missing.
    public static let storeMissing = Self(
        "store-missing", .damage, "Whatever refers to the path does not work.")
    /// A store path is not registered.
    public static let storeUnknown = Self(
        "store-unknown", .warning, "Nix does not know of the path; its first garbage collection deletes it.")
    /// A name in the store that is not that of a store path.
    public static let storeName = Self(
        "store-name", .warning, "Nix does not know what it is; its first garbage collection deletes it.")
    /// The content of a path differs from its registration.
    public static let storeContent = Self(
        "store-content", .damage, "A file in the path is not what was built: the path is to be had again.")
    /// The content of a path is right, but its registered size is wrong.
    public static let storeSize = Self(
        "store-size", .damage, "Nix takes the path for damaged when it verifies its store.")
    /// A path cannot be read.
    public static let storeUnreadable = Self(
        "store-unreadable", .damage, "What is in the path is lost, at least in part: it is to be had again.")

    // MARK: Metadata

    /// Permissions that Nix does not set.
    public static let storeMode = Self(
        "store-mode", .damage, "Everything in a store is read-only for everybody, and a file's hash counts on that.")
    /// A file that runs with the rights of its owner or group.
    public static let storePrivileged = Self(
        "store-privileged", .damage,
        "Whoever runs it gets the rights of its owner; Nix lets nothing like it into a store.")
    /// A file, directory or link that does not belong to root.
    public static let storeOwner = Self(
        "store-owner", .damage, "That user can change what others run.")
    /// A time that Nix does not set.
    public static let storeTime = Self(
        "store-time", .warning, "Everything in a store is of second 1; programs that compare times may be misled.")
    /// A device, a pipe or a socket.
    public static let storeSpecial = Self(
        "store-special", .damage, "A store holds files, folders and links; Nix cannot hash anything else.")
    /// The store's own directory has the wrong owner or mode.
    public static let storeDirectory = Self(
        "store-folder", .warning, "Users who may write to the store's folder can change what others run.")
}
