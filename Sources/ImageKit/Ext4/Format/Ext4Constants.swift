/// The inodes that the filesystem keeps for itself, by their numbers.
///
/// Source: the kernel's documentation of ext4, "Special inodes".
enum Ext4ReservedInode {
    static let badBlocks: UInt32 = 1
    static let root: UInt32 = 2
    /// Holds the room for the group descriptors of a larger filesystem.
    static let resize: UInt32 = 7
    static let journal: UInt32 = 8
    /// The first inode for files in revision 0, and in every filesystem that mke2fs makes. `lost+found` has it there.
    static let firstUnreserved: UInt32 = 11
}

/// The kind of a file as a directory entry stores it (feature `filetype`).
///
/// Source: the kernel's documentation of ext4, "Directory Entries".
enum Ext4FileType: UInt8, Sendable {
    case unknown = 0
    case file = 1
    case directory = 2
    case characterDevice = 3
    case blockDevice = 4
    case fifo = 5
    case socket = 6
    case symlink = 7

    init(_ kind: FileKind) {
        self =
            switch kind {
            case .file: .file
            case .directory: .directory
            case .characterDevice: .characterDevice
            case .blockDevice: .blockDevice
            case .fifo: .fifo
            case .socket: .socket
            case .symlink: .symlink
            }
    }
}

/// The kind of a file as its inode's mode stores it: in the upper four bits.
///
/// Source: the kernel's documentation of ext4, "Index Nodes", `i_mode`.
enum Ext4Mode {
    static let kindMask: UInt16 = 0xF000
    static let fifo: UInt16 = 0x1000
    static let characterDevice: UInt16 = 0x2000
    static let directory: UInt16 = 0x4000
    static let blockDevice: UInt16 = 0x6000
    static let file: UInt16 = 0x8000
    static let symlink: UInt16 = 0xA000
    static let socket: UInt16 = 0xC000
}
