public import SystemPackage

extension FileTree {
    /// How a directory of the host becomes part of a tree.
    public struct ScanRules: Sendable {
        /// Where nodes get their metadata from.
        public enum Metadata: Sendable {
            /// As Nix keeps its store: owner 0:0, time 1, 0555 for directories and executables, 0444 for other files.
            case store
            /// Owner 0:0; modes and times (whole seconds) as on the host.
            case host
        }
        /// What a symbolic link of the host becomes.
        public enum Links: Sendable {
            /// A symbolic link.
            case keep
            /// What it points to: for filesystems that have no links. The function says where a path with links in it
            /// leads on this machine, which is not what the system says for a store that lies elsewhere.
            case follow(@Sendable (FilePath) throws(ImageError) -> FilePath)
        }
        /// See ``Metadata``.
        public var metadata: Metadata
        /// See ``Links``.
        public var links: Links
        /// How many names may be seen: where links are followed, a small directory of links that lead to directories of links
        /// is large without bound.
        public var nameLimit: Int
        /// Whether files are going to be joined by what they hold (``LinkRule/byContent(threads:)``). Then the first block of
        /// each is read while it is at hand, and symbolic links that are one inode are not told apart from others.
        public var joinsByContent: Bool
        /// How many bytes of short files, whose first block is all there is of them, may stay in memory instead of being read
        /// again later: shared by all scans that have these rules. `nil`: none.
        var kept: Monitor<Int>?
        /// What is enough for a closure of some gigabytes, half of whose files are that short.
        static let mostKept = 32 << 20
        /// See the properties of the same names.
        public init(
            metadata: Metadata, links: Links = .keep, nameLimit: Int = .max, joinsByContent: Bool = false
        ) {
            self.metadata = metadata
            self.links = links
            self.nameLimit = nameLimit
            self.joinsByContent = joinsByContent
        }
    }

    /// Files of the host that have several names, by device and inode, so that they become one node.
    public struct HostLinks: Sendable {
        struct Key: Hashable { var device: UInt64, inode: UInt64 }
        var nodes: [Key: NodeID] = [:]
        /// Nothing seen yet.
        public init() {}
    }

    /// Adds what lies at a host path (a directory with all that is in it, a file or a link) and gives its node.
    ///
    /// Of files nothing is read but what the rules say. Anything but directories, files and symbolic links is an error, and so
    /// is a directory's loop of links where links are followed.
    public mutating func scan(
        _ path: FilePath, rules: ScanRules, links: inout HostLinks, progress: Progress? = nil
    ) throws(ImageError) -> NodeID {
        var scanner = HostScanner(tree: self, rules: rules, links: links, progress: progress)
        // A second owner would make the scanner copy the whole tree before its first change.
        self = FileTree()
        links = HostLinks()
        defer {
            self = scanner.tree
            links = scanner.links
        }
        return try scanner.scan(path)
    }
}
