public import SystemPackage

extension FileTree {
    /// The rules by which a host directory becomes part of a tree.
    public struct ScanRules: Sendable {
        /// The origin of metadata.
        public enum Metadata: Sendable {
            /// The metadata of a Nix store: owner 0:0, time 1, 0555 for directories and executables, 0444 for other
            /// files.
            case store
            /// Owner 0:0; modes and times (in whole seconds) of the host.
            case host
        }
        /// The treatment of symbolic links.
        public enum Links: Sendable {
            /// They stay symbolic links.
            case keep
            /// They become the files that they lead to, for filesystems without links. The function resolves a path
            /// with links on this machine. (For a store in another directory, the result is not that of the system.)
            case follow(@Sendable (FilePath) throws(ImageError) -> FilePath)
        }
        /// See ``Metadata``.
        public var metadata: Metadata
        /// See ``Links``.
        public var links: Links
        /// The number of names that a scan may find. (If links are followed, a small directory of links to directories
        /// of links has any number of names.)
        public var maximumNames: Int
        /// Whether files will be joined by content (``LinkRule/byContent(threads:)``). The scan then reads the first
        /// block of each file while it is open, and gives each name of a symbolic link a node of its own.
        public var joinsByContent: Bool
        /// The bytes of short files that may still be kept in memory, instead of being read again later. All scans with
        /// these rules share the number. `nil` means 0.
        var kept: Monitor<Int>?
        /// The bytes of short files that are kept: enough for a closure of some gigabytes, half of whose files are
        /// short.
        static let maximumKept = 32 << 20
        /// Makes rules; see the properties of the same names.
        public init(
            metadata: Metadata, links: Links = .keep, maximumNames: Int = .max, joinsByContent: Bool = false
        ) {
            self.metadata = metadata
            self.links = links
            self.maximumNames = maximumNames
            self.joinsByContent = joinsByContent
        }
    }

    /// The nodes of host files with several names, by device and inode, so that such a file becomes one node.
    public struct HostLinks: Sendable {
        struct Key: Hashable { var device: UInt64, inode: UInt64 }
        var nodes: [Key: NodeID] = [:]
        /// Makes an empty table.
        public init() {}
    }

    /// Adds the file, link or directory at a host path, with everything below it.
    ///
    /// File content is only read if the rules say so.
    ///
    /// - Returns: the node of the path.
    /// - Throws: ``ImageError/Code/invalidInput`` for other kinds of files, and for loops of followed links.
    public mutating func scan(
        _ path: FilePath, rules: ScanRules, links: inout HostLinks, progress: Progress? = nil
    ) throws(ImageError) -> NodeID {
        var scanner = HostScanner(tree: self, rules: rules, links: links, progress: progress)
        // With a second reference to the tree's storage, the scanner would copy it before its first change.
        self = FileTree()
        links = HostLinks()
        defer {
            self = scanner.tree
            links = scanner.links
        }
        return try scanner.scan(path)
    }
}
