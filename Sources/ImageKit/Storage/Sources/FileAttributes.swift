/// A file's permissions, owner and modification time.
public struct FileAttributes: Hashable, Sendable {
    /// Permission bits, including set-user-ID, set-group-ID and sticky (07777).
    public var permissions: UInt16
    /// The numeric IDs of the owner and the group.
    public var owner: UInt32, group: UInt32
    /// Modification time in whole seconds since 1970. In a Nix store it is 1.
    public var modified: Int64

    /// See the properties of the same names.
    public init(permissions: UInt16, owner: UInt32 = 0, group: UInt32 = 0, modified: Int64 = 1) {
        self.permissions = permissions & 0o7777
        self.owner = owner
        self.group = group
        self.modified = modified
    }
}
